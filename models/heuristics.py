"""Heuristics of Pólya's "How to Solve It" as prompts in words, one for each way of solving a problem."""

from __future__ import annotations

# The paper of self-generated mid-training (arXiv 2605.08472) has up to 64, whose wording was not seen; these are ours.
WAYS = {
    "restate": "First restate the problem in your own words: what is given, and what is asked.",
    "plan": "First write a numbered plan of the steps, then carry it out step by step.",
    "backward": "Work backward: begin with what is asked, and say at each step what has to be known for it.",
    "decompose": "Split the problem into smaller problems, solve each of them, and combine their results.",
    "notation": "Introduce a variable for each quantity, write down equations, and solve them.",
    "table": "First list every quantity with its value in a table, and add to it what you find.",
    "figure": "Describe a picture or diagram of the problem, and read the solution off it.",
    "auxiliary": "Introduce a helpful quantity that is not in the problem, and use it.",
    "related": "Recall a similar problem that you can solve, say how this one differs, and adapt its solution.",
    "special": "Solve a simpler special case with easy numbers first, then the problem itself.",
    "generalise": "Solve the problem for any numbers first, then put in those that are given.",
    "estimate": "First estimate the answer roughly, then compute it exactly and compare both.",
    "check": "Solve the problem, then check the result by computing backward from it.",
    "relevant": "First say which of the given facts are needed and which are not, then use only the needed ones.",
    "ratio": "Look for ratios, symmetry or equal parts, and use them to shorten the computation.",
    "alternative": "Solve the problem in two different ways, and compare the results.",
}
POLYA = tuple(f"{{question}}\n\nSolve it this way: {way}" for way in WAYS.values())
