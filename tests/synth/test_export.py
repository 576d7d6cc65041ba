"""Exports: every row rebuilds its problem exactly, files are whole or absent, and rewards are the verifier's own."""

import copy
import functools
import itertools
import json

import numpy as np
import pytest

from interlude.synth.export import (
    LEVELS,
    compute_score,
    pack,
    problem_from_dict,
    problem_to_dict,
    reward,
    rows,
    trl,
    unpack,
    verl,
    write_rows,
)
from interlude.synth.graph import Shape
from interlude.synth.render import END
from interlude.synth.source import Mixture, Source
from interlude.synth.verify import verify

SOURCE = Mixture(
    (
        (0.4, Source(ops=(1, 5), shape=Shape(literals=0.3, fan_in=3, reuse=0.2), connected=(0, 2))),
        (0.3, Source(ops=(1, 5), mode="reverse", world="school", order="shuffled", modulus=23)),
        (0.3, Source(ops=(1, 5), mode="reverse", dialect="prose", modulus=None, filler=(0, 2))),
    )
)


def test_a_problem_survives_json_exactly():
    """Mutants: a field left out, a tuple that comes back as a list (unequal and unhashable), None as 0."""
    for i in range(150):
        problem = SOURCE.problem("json", i)
        back = problem_from_dict(json.loads(json.dumps(problem_to_dict(problem))))
        assert back == problem and hash(back) == hash(problem)
        assert (back.question, back.solution, back.answer) == (problem.question, problem.solution, problem.answer)
        assert unpack(pack(problem)) == problem


def changed(path, value):
    """The table of one problem with one entry replaced; ``...`` removes it."""
    table = copy.deepcopy(problem_to_dict(Source(ops=(2, 2), mode="reverse").problem("bad", 0)))
    inner = functools.reduce(lambda node, part: node[part], path[:-1], table)
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return table


@pytest.mark.parametrize(
    "path, value, message",
    [
        (("names",), ..., "problem lacks names"),
        (("colour",), "red", "problem has unknown fields colour"),
        (("format",), 0, "problem.format must be 3"),
        (("graph", "modulus"), ..., "problem.graph lacks modulus"),
        (("graph", "depth"), 3, "problem.graph has unknown fields depth"),
        (("graph",), [1], "problem.graph must be a dictionary"),
        (("graph", "modulus"), 8, "problem.graph.modulus must be a prime"),
        (("graph", "unknown"), 99, "problem.graph.unknown"),
        (("graph", "unknown"), -1, "problem.graph.unknown"),
        (("graph", "nodes"), [], "problem.graph.nodes must end in an operation"),
        (("graph", "nodes", 0), ["given", [], 9], "problem.graph.nodes holds"),
        (("graph", "nodes", 0), ["given", [], True], "problem.graph.nodes holds"),
        (("graph", "nodes", 0), ["given", [1], 2], "problem.graph.nodes args"),
        (("graph", "nodes", 0), ["sum", [], 2], "problem.graph.nodes holds"),
        (("extra",), [["+", [0, 9], 1]], "problem.extra args"),
        (("names", 0), -1, "problem.names must hold -1 for each literal"),
        (("names", 0), 48, "problem.names must be a list of integers between -1 and 47"),
        (("names", 0), 1.0, "problem.names must be a list of integers"),
        (("order", 0), -2, "problem.order must be a list of integers"),
        (("order",), [0], "problem.order must state each named quantity once"),
        (("world",), "moon", "world 'moon' is not known"),
        (("world",), ["zoo"], "problem.world must be of type str"),
        (("world",), None, "problem.world must be of type str"),
        (("graph", "modulus"), 10**400 + 1, "problem.graph.modulus must be a prime up to 999"),
        (("graph", "modulus"), 2305843009213693951, "problem.graph.modulus must be a prime up to 999"),
        (("dialect",), ["terse"], "problem.dialect"),
        (("graph", "nodes", 0), [["given"], [], 2], "problem.graph.nodes holds"),
        (("style",), {"thoughts": []}, "problem.style lacks"),
        (("style",), [], "problem.style must be a dictionary"),
        (("dialect",), "verse", "problem.dialect"),
    ],
)
def test_a_damaged_table_is_refused(path, value, message):
    """Mutant: any check of ``problem_from_dict`` removed."""
    with pytest.raises(ValueError, match=message):
        problem_from_dict(changed(path, value))


def test_wrong_results_and_shared_nouns_are_refused():
    """Mutants: a stored result that is not the operation's; one noun for two quantities."""
    table = changed(("dialect",), "terse")
    op, args, value = table["graph"]["nodes"][-1]
    with pytest.raises(ValueError, match="neither a leaf nor a true operation"):
        problem_from_dict(changed(("graph", "nodes", -1), [op, args, (value + 1) % 7]))
    with pytest.raises(ValueError, match="one noun to two quantities"):
        problem_from_dict(changed(("names", 0), table["names"][1]))


GIVEN2 = ["given", [], 2]


@pytest.mark.parametrize(
    "nodes, unknown, message",
    [
        ([GIVEN2, ["+", [0, 0], 4]], 0, "neither a leaf nor a true operation"),
        ([GIVEN2, ["=", [0], 2], ["+", [0, 1], 4]], 0, "cannot be found: the statements determine 0 of 2"),
        ([GIVEN2, ["given", [], 0], ["*", [0, 1], 0]], 0, "would divide by zero"),
        ([GIVEN2, GIVEN2, GIVEN2, ["+", [0, 1], 4]], 2, r"that the answer does not need: \[2\]"),
        ([GIVEN2, GIVEN2, ["-", [0, 1], 0], ["+", [0, 1], 4]], None, r"that the answer does not need: \[2\]"),
        ([GIVEN2, GIVEN2, ["-", [0, 1], 0], ["+", [0, 2], 2]], 0, "the statements determine 0 of 2"),
        ([GIVEN2, GIVEN2, ["-", [0, 1], 0], ["+", [0, 2], 2]], None, None),
        ([GIVEN2, GIVEN2, ["-", [0, 1], 0], ["+", [0, 2], 2]], 1, None),
    ],
)
@pytest.mark.parametrize("dialect", ["terse", "direct", "prose"])
def test_a_problem_that_cannot_be_solved_is_refused(nodes, unknown, message, dialect):
    """Mutants: each check of ``check_solvable`` left out; then a bare guess is strictly right, or its own solution is
    not."""
    named = [i for i in range(len(nodes)) if i != unknown]
    table = {
        "format": 3, "graph": {"nodes": nodes, "modulus": 7, "unknown": unknown}, "extra": [],
        "names": list(range(len(nodes))), "order": named + ([] if unknown is None else [-1]), "world": "zoo",
        "dialect": dialect,
    }  # fmt: skip
    if message is None:
        problem = problem_from_dict(table)
        assert verify(problem, problem.solution).strict and len(problem.moves) == 2
    else:
        with pytest.raises(ValueError, match=message):
            problem_from_dict(table)


@pytest.mark.parametrize("text", ["", "[" * 200_000, "[]", "{}", "null", '{"format": 3}', "\x00", "1e999999"])
def test_what_is_no_problem_is_refused_in_one_sentence(text):
    """Mutants: a RecursionError let through; a TypeError for a table of another kind."""
    with pytest.raises(ValueError, match="problem"):
        unpack(text)


def test_trl_rows_rebuild_their_problem_twice():
    """Mutants: a column of another problem; a path that leads elsewhere; a uid that two problems share."""
    table = list(trl(SOURCE, 60, ("train", 3)))
    assert len({row["uid"] for row in table}) == 60
    for row in table:
        problem = unpack(row["problem"])
        assert SOURCE.problem(*json.loads(row["path"])) == problem
        assert row["prompt"] == f"{problem.question}\n" and row["solution"] == problem.solution
        assert f"{row['completion']} {END}" == problem.solution
        assert (row["answer"], row["ops"]) == (problem.answer, problem.ops)
        assert (row["world"], row["mode"]) == (problem.world, problem.mode)
        assert int(row["structure"], 16) == problem.graph.canonical
    assert [p for _, p in rows(SOURCE, 60, ("train", 3))] == [unpack(row["problem"]) for row in table]
    with pytest.raises(ValueError, match="n must be at least 1"):
        list(trl(SOURCE, 0))


def test_verl_rows_have_its_fields():
    """Mutants: a field renamed, the split or the index left out."""
    for index, row in enumerate(verl(SOURCE, 10, split="test")):
        problem = unpack(row["reward_model"]["ground_truth"])
        assert set(row) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
        assert row["prompt"] == [{"role": "user", "content": problem.question}]
        assert row["reward_model"]["style"] == "rule"
        assert (row["extra_info"]["split"], row["extra_info"]["index"]) == ("test", index)
        assert SOURCE.problem(*json.loads(row["extra_info"]["path"])) == problem


def corrupted(problem):
    """The solution with another last number before the closing mark: a wrong answer after right working."""
    words = problem.solution.replace(".", " .").split()
    last = max(i for i, word in enumerate(words) if word.isdigit())
    words[last] = str((int(words[last]) + 1) % (problem.graph.modulus or 999))
    return " ".join(words)


def test_rewards_are_the_verifiers_verdicts():
    """Mutants: rows shifted by one, the level ignored, a constant reward, the closing mark demanded of a trainer
    that has removed it, or put where a model that was cut off never wrote it."""
    table = list(trl(SOURCE, 40, ("reward",)))
    problems = [unpack(row["problem"]) for row in table]
    columns = {name: [row[name] for row in table] for name in table[0] if name != "prompt"}
    prompts = [row["prompt"] for row in table]
    right = [problem.solution for problem in problems]
    bare = [text.removesuffix(END).rstrip() for text in right]
    chat = [[{"role": "assistant", "content": text}] for text in right]
    wrong = [corrupted(problem) for problem in problems]
    noise = {"completion_ids": [[1]] * 40, "trainer_state": None}
    for completions, ended in itertools.product((right, bare, chat), (None, False, True)):
        for level in LEVELS:
            due = float(level != "strict" or completions is not bare or ended is not False)
            assert reward(prompts, completions, level=level, ended=ended, **columns, **noise) == [due] * 40
    assert reward(prompts, bare, **columns) == [1.0] * 40
    assert reward(prompts, [f"{text} {END}" for text in right], ended=True, **columns) == [0.0] * 40
    assert reward(prompts, [text + " bears" for text in right], ended=True, **columns) == [0.0] * 40
    assert reward(prompts, wrong, **columns) == [0.0] * 40
    assert reward(prompts, wrong, level="answer", **columns) == [0.0] * 40
    mixed = [*right[:20], *wrong[20:]]
    assert reward(prompts, mixed, **columns) == [1.0] * 20 + [0.0] * 20
    process = reward(prompts, ["", *right[1:]], level="process", **columns)
    assert process == [verify(problems[0], END).process] + [1.0] * 39
    shifted = reward(prompts, right[1:] + right[:1], **columns)
    assert sum(shifted) == 0


def test_compute_score_agrees_with_reward():
    """Mutants: the score of another level; a ground truth read as an answer only."""
    for row in verl(SOURCE, 20):
        truth = row["reward_model"]["ground_truth"]
        problem = unpack(truth)
        bare = problem.solution.removesuffix(END)
        for (text, closed), ended in itertools.product(
            ((problem.solution, problem.solution), (bare, problem.solution), (corrupted(problem),) * 2, ("", END)),
            (None, False, True),
        ):
            verdict = verify(problem, text if ended is False else closed)
            score = compute_score(row["data_source"], text, truth, row["extra_info"], ended=ended)
            assert score["score"] == score["strict"] == float(verdict.strict)
            assert (score["answer"], score["process"]) == (float(verdict.answer), verdict.process)
            json.dumps(score)
        assert compute_score("x", bare, truth)["score"] == 1.0


def test_completions_say_by_their_tokens_whether_they_ended():
    """Mutants: the tokens not looked at; the last token alone, where padding follows it; asked where ``ended`` says
    it."""
    table = list(trl(SOURCE, 4, ("tokens",)))
    prompts, texts = [row["prompt"] for row in table], [row["completion"] for row in table]
    columns = {"problem": [row["problem"] for row in table]}
    tokens = {"completion_ids": [[5, 9], [5, 6], [9, 3, 3], [5]]}
    assert reward(prompts, texts, **columns, **tokens) == [1.0] * 4
    assert reward(prompts, texts, end_id=9, **columns, **tokens) == [1.0, 0.0, 1.0, 0.0]
    assert reward(prompts, texts, end_id=9, ended=True, **columns, **tokens) == [1.0] * 4
    assert reward(prompts, texts, end_id=9, level="answer", **columns, **tokens) == [1.0] * 4


def test_rows_for_a_chat_template():
    """Mutants: the line break or the closing mark in a message; another question than the plain row's."""
    for plain, row in zip(trl(SOURCE, 5), trl(SOURCE, 5, conversational=True), strict=True):
        assert row["prompt"] == [{"role": "user", "content": plain["prompt"].rstrip()}]
        assert row["completion"] == [{"role": "assistant", "content": plain["completion"]}]
        assert {k: v for k, v in row.items() if k not in ("prompt", "completion")}.items() <= plain.items()


def test_ground_truths_as_trainers_hand_them_on():
    """Mutants: keyword arguments of a later verl refused; the dictionary that parquet makes of JSON, or its array."""
    row = next(verl(SOURCE, 1))
    truth = row["reward_model"]["ground_truth"]
    text = unpack(truth).solution
    forms = (truth, json.loads(truth), [truth], (json.loads(truth),), np.array([truth], object), np.array(truth))
    for form in forms:
        score = compute_score("x", text, form, {}, reward_router_address=None, reward_model_tokenizer=None)
        assert score["score"] == 1.0
        assert reward(["p"], [text], problem=[form]) == [1.0]
    for wrong in ([], [truth, truth], 3, None, np.array([truth, truth])):
        with pytest.raises(ValueError, match="a ground truth must be one problem"):
            compute_score("x", text, wrong)


def test_rewards_refuse_nonsense():
    """Mutants: zip cutting the longer list; an unknown level as zero reward; a conversation of several messages."""
    row = next(trl(SOURCE, 1))
    with pytest.raises(ValueError, match="do not match"):
        reward([row["prompt"]], ["a", "b"], problem=[row["problem"]])
    with pytest.raises(ValueError, match="level must be one of"):
        reward([row["prompt"]], ["a"], problem=[row["problem"]], level="outcome")
    with pytest.raises(ValueError, match="completion must be"):
        reward([row["prompt"]], [[]], problem=[row["problem"]])
    with pytest.raises(ValueError, match="ended must be True, False or None, got 'false'"):
        compute_score("x", "a", row["problem"], ended="false")
    with pytest.raises(ValueError, match="problem lacks"):
        compute_score("x", "a", "{}")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_files_hold_the_rows_and_appear_whole(tmp_path, suffix):
    """Mutants: rows lost or reordered; a half-written file left under the final name after an error."""
    if suffix == ".parquet":
        parquet = pytest.importorskip("pyarrow.parquet", reason="parquet needs the extra pyarrow")
    for kind in (trl, verl):
        path = tmp_path / f"{kind.__name__}{suffix}"
        table = list(kind(SOURCE, 12))
        assert write_rows(kind(SOURCE, 12), path) == 12
        if suffix == ".jsonl":
            assert [json.loads(line) for line in path.read_text().splitlines()] == table
        else:
            assert parquet.read_table(path).to_pylist() == table
        before = path.read_bytes()
        with pytest.raises((TypeError, ValueError)):
            write_rows([{"prompt": "a", "answer": object()}], path)
        assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"trl{suffix}", f"verl{suffix}"]
    with pytest.raises(ValueError, match="must end in .jsonl or .parquet"):
        write_rows([], tmp_path / "rows.csv")
