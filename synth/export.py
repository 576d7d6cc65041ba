"""Problems as rows for other trainers (TRL, verl, datasets), and the reward functions those trainers call."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np

from interlude.synth import worlds
from interlude.synth.checks import check_type
from interlude.synth.graph import GIVEN, LITERAL, Graph, Node
from interlude.synth.moves import FACT, equation
from interlude.synth.ops import FORWARD, LIMIT, SAME, check_modulus, fold
from interlude.synth.problem import Problem
from interlude.synth.render import END, as_stated
from interlude.synth.solution_style import APPROACHES, CONCLUSIONS, DIALECTS, OPENINGS, PLAIN, SolutionStyle, Wording
from interlude.synth.source import Mixture, Source
from interlude.synth.verify import Verdict, verify

Row = dict[str, object]
FORMAT = 3  # of problem_to_dict; raise it when the fields change
ABILITY = "arithmetic"


# --- one problem -----------------------------------------------------------------------------------------------------


def problem_to_dict(problem: Problem) -> dict[str, object]:
    """All of a problem as JSON-able lists and numbers; ``problem_from_dict`` gives an equal problem."""
    graph = problem.graph
    return {
        "format": FORMAT,
        "graph": {"nodes": nodes_to_lists(graph.nodes), "modulus": graph.modulus, "unknown": graph.unknown},
        "extra": nodes_to_lists(problem.extra),
        "names": list(problem.names),
        "order": list(problem.order),
        "world": problem.world,
        "dialect": problem.dialect,
    } | ({} if problem.style is None else {"style": style_to_dict(problem.style)})


def problem_from_dict(table: dict[str, object]) -> Problem:
    """The problem that ``problem_to_dict`` wrote. Raises ValueError naming any missing, unknown or malformed field."""
    present = {"style"} & set(table) if isinstance(table, dict) else set()  # left out where there is none
    exact_fields("problem", table, {"format", *(field.name for field in fields(Problem))} - {"style"} | present)
    if table["format"] != FORMAT:
        raise ValueError(f"problem.format must be {FORMAT}, got {table['format']!r}")
    if table["dialect"] not in DIALECTS:
        raise ValueError(f"problem.dialect must be one of {', '.join(DIALECTS)}, got {table['dialect']!r}")
    graph = graph_from_dict(table["graph"])
    check_type("problem.world", table["world"], str)
    extra = nodes_from_lists("problem.extra", table["extra"], graph.nodes, graph.modulus)
    nodes = graph.nodes + extra
    nouns = worlds.world(table["world"]).names
    names = integers("problem.names", table["names"], -1, len(nouns) - 1)
    if [name < 0 for name in names] != [node.op == LITERAL for node in nodes]:
        raise ValueError(
            f"problem.names must hold -1 for each literal and a noun for each other node, got {list(names)}"
        )
    if len(set(names) - {-1}) < len(names) - names.count(-1):
        raise ValueError(f"problem.names gives one noun to two quantities: {list(names)}")
    order = integers("problem.order", table["order"], FACT, len(nodes) - 1)
    stated = [i for i, node in enumerate(nodes) if node.op != LITERAL and i != graph.unknown]
    if sorted(order) != ([] if graph.unknown is None else [FACT]) + stated:
        raise ValueError(f"problem.order must state each named quantity once, got {list(order)}")
    problem = Problem(graph, extra, names, order, table["world"], table["dialect"])
    check_solvable(problem)
    return replace(problem, style=style_from_dict(table["style"], problem)) if present else problem


def check_solvable(problem: Problem) -> None:
    """Raises ValueError unless each statement of the graph is a step towards the answer, and none divides by zero."""
    graph, nodes = problem.graph, problem.graph.nodes
    used = {arg for node in nodes for arg in node.args}
    idle = sorted(set(range(graph.root)) - used)
    if idle:
        raise ValueError(
            f"problem.graph.nodes holds nodes that the answer does not need: {idle} (distractors are extra)"
        )
    operations = sum(bool(node.args) for node in nodes)
    if len(problem.moves) < operations:
        raise ValueError(
            f"problem.graph.unknown {graph.unknown} cannot be found: the statements determine {len(problem.moves)} of "
            f"{operations} quantities one after the other"
        )
    for move in problem.moves:
        op, terms = equation(nodes, move)
        if fold(op, tuple([nodes[i].value for i in terms]), graph.modulus) != nodes[move.solves].value:
            raise ValueError(f"problem.graph.unknown {graph.unknown} cannot be found: a step would divide by zero")


def style_to_dict(style: SolutionStyle) -> dict[str, object]:
    """A solution style as JSON values; fields at their defaults that came later are left out."""
    skipped = style.skipped
    return {
        "thoughts": style.thoughts,
        "skipped": None if skipped is None else list(skipped),
        "wording": None if style.wording is None else [list(words) for words in style.wording],
        **({} if style.approach is None else {"approach": style.approach, "tagged": style.tagged}),
        **({"unwrapped": True} if style.unwrapped else {}),
    }


def style_from_dict(table: object, problem: Problem) -> SolutionStyle:
    """The inverse of style_to_dict for this problem. Raises ValueError naming the field that is not valid."""
    more = {"approach", "tagged"}  # left out where there is no approach
    present = more & set(table) if isinstance(table, dict) else set()
    unwrapped = isinstance(table, dict) and "unwrapped" in table  # left out where it is false
    absent = (set() if present else more) | (set() if unwrapped else {"unwrapped"})
    exact_fields("problem.style", table, {field.name for field in fields(SolutionStyle)} - absent)
    skipped = table["skipped"]
    if skipped is not None:
        skipped = integers("problem.style.skipped", skipped, 0, len(problem.graph.nodes) - 1)
        may = problem.moves if unwrapped else problem.moves[:-1]
        if list(skipped) != [move.statement for move in may if move.statement in skipped]:
            raise ValueError(f"problem.style.skipped must be steps before the last, in order, got {list(skipped)}")
    wording = table["wording"]
    if wording is not None:
        given = [None, *(i for i in problem.order if i >= 0 and not problem.nodes[i].args)]
        shown = len(problem.moves) - len(skipped or ())
        rows = wording if isinstance(wording, list) and all(isinstance(row, list) for row in wording) else []
        numbers = range(problem.graph.modulus or 0) if problem.graph.unknown is None else range(0)
        known = [
            row
            for row in rows
            if len(row) == 4
            and row[0] in OPENINGS
            and row[1] in CONCLUSIONS
            and row[2] in given
            and (row[3] is None or (type(row[3]) is int and row[3] in numbers))
        ]
        if not len(known) == len(wording) == shown:
            raise ValueError(
                "problem.style.wording must be [opening, conclusion, remark, slip] "
                f"for each of {shown} steps, got {wording!r}"
            )
        wording = tuple([Wording(*row) for row in known])
    if present and (table["approach"] not in (PLAIN, *APPROACHES) or type(table["tagged"]) is not bool):
        raise ValueError(f"problem.style.approach must be an approach, and tagged true or false, got {table!r}")
    if unwrapped and table["unwrapped"] is not True:
        raise ValueError(f"problem.style.unwrapped must be true where it stands, got {table['unwrapped']!r}")
    how = {name: table[name] for name in ("approach", "tagged", "unwrapped") if name in table}
    style = SolutionStyle(table["thoughts"], skipped, wording, **how)
    if wording is not None:
        try:
            as_stated(replace(problem, style=style))
        except ValueError as error:
            raise ValueError(f"problem.style.wording: {error}") from error
    return style


def graph_from_dict(table: object) -> Graph:
    """A graph from its JSON values. Raises ValueError naming the field that is not valid."""
    exact_fields("problem.graph", table, {field.name for field in fields(Graph)})
    modulus, unknown = table["modulus"], table["unknown"]
    check_modulus("problem.graph.modulus", modulus)
    nodes = nodes_from_lists("problem.graph.nodes", table["nodes"], (), modulus)
    if not nodes or (not nodes[-1].args and (len(nodes) > 1 or nodes[0].op != GIVEN)):
        raise ValueError("problem.graph.nodes must end in an operation or a copy, or be one given")
    if unknown is not None and not (
        type(unknown) is int and 0 <= unknown < len(nodes) - 1 and nodes[unknown].op == GIVEN
    ):
        raise ValueError(f"problem.graph.unknown must be null or the index of a given, got {unknown!r}")
    return Graph(nodes, modulus, unknown)


def nodes_to_lists(nodes: tuple[Node, ...]) -> list[list[object]]:
    """Each node as [op, args, value]."""
    return [[node.op, list(node.args), node.value] for node in nodes]


def nodes_from_lists(name: str, table: object, before: tuple[Node, ...], modulus: int | None) -> tuple[Node, ...]:
    """Nodes that follow the nodes ``before``. Raises ValueError where one uses a later node or has a wrong value."""
    if not isinstance(table, list) or any(not isinstance(row, list) or len(row) != 3 for row in table):
        raise ValueError(f"{name} must be a list of [op, args, value], got {table!r}")
    nodes = list(before)
    for op, args, value in table:
        given = integers(f"{name} args", args, 0, len(nodes) - 1)
        values = tuple(nodes[a].value for a in given)
        leaf = op in (GIVEN, LITERAL) and not given
        twice = len(set(given)) < len(given)  # reads as one quantity: the drawn graphs never do it
        computed = (op in FORWARD and len(given) > 1 and not twice) or (op == SAME and len(given) == 1)
        known = leaf or (computed and fold(op, values, modulus) == value)
        if not known or type(value) is not int or value < 0 or value > (LIMIT if modulus is None else modulus - 1):
            raise ValueError(f"{name} holds {[op, args, value]!r}, which is neither a leaf nor a true operation")
        nodes.append(Node(op, given, value))
    return tuple(nodes[len(before) :])


def exact_fields(name: str, table: object, wanted: set[str]) -> None:
    """Raises ValueError unless ``table`` is a dictionary with just these keys."""
    if not isinstance(table, dict):
        raise ValueError(f"{name} must be a dictionary, got {type(table).__name__}")
    missing, unknown = wanted - set(table), set(table) - wanted
    if missing:
        raise ValueError(f"{name} lacks {', '.join(sorted(missing))}")
    if unknown:
        raise ValueError(f"{name} has unknown fields {', '.join(sorted(map(str, unknown)))}")


def integers(name: str, values: object, low: int, high: int) -> tuple[int, ...]:
    """``values`` as a tuple. Raises ValueError unless it is a list of integers between ``low`` and ``high``."""
    if not isinstance(values, list) or any(type(v) is not int or not low <= v <= high for v in values):
        raise ValueError(f"{name} must be a list of integers between {low} and {high}, got {values!r}")
    return tuple(values)


def pack(problem: Problem) -> str:
    """A problem as one line of JSON, for a column of a table."""
    return json.dumps(problem_to_dict(problem), separators=(",", ":"), sort_keys=True)


def unpack(text: str) -> Problem:
    """The problem in a line of JSON written by ``pack``. Raises ValueError for anything else."""
    try:
        table = json.loads(text)
    except (ValueError, RecursionError) as error:  # a JSONDecodeError is a ValueError; a deeply nested list recurses
        raise ValueError(f"a packed problem must be a line of JSON: {error}") from error
    return problem_from_dict(table)


# --- rows ------------------------------------------------------------------------------------------------------------


def rows(
    source: Source | Mixture, n: int, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], Problem]]:
    """``n`` problems of the stream ``path``, each with its own full path: ``source.problem(*full)`` gives it again."""
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    for index in range(n):
        full = (*path, index)
        yield full, source.problem(*full)


def trl(
    source: Source | Mixture, n: int, path: tuple[str | int, ...] = ("export",), conversational: bool = False
) -> Iterator[Row]:
    """Rows as TRL's SFTTrainer (``prompt``, ``completion``), its GRPOTrainer and ``datasets`` read them; ``reward``
    needs the column ``problem``.

    The prompt ends in a line break, as ``HFModel.encode_prompt`` has it, and the completion lacks its closing mark, for
    which the trainer puts the tokenizer's own. conversational: both are lists of one message, for a chat template.
    uid names the problem by its content, structure is its canonical hash (blind to names and order),
    and path is the JSON list that draws it again from the same source.
    """
    for full, problem in rows(source, n, path):
        packed = pack(problem)
        text = problem.solution.removesuffix(END).rstrip()
        yield {
            "prompt": message("user", problem.question) if conversational else f"{problem.question}\n",
            "completion": message("assistant", text) if conversational else text,
            "answer": problem.answer,
            "solution": problem.solution,
            "ops": problem.ops,
            "world": problem.world,
            "mode": problem.mode,
            "uid": blake2b(packed.encode(), digest_size=16).hexdigest(),
            "structure": f"{problem.graph.canonical:016x}",
            "path": json.dumps(list(full)),
            "problem": packed,
        }


def message(role: str, text: str) -> list[dict[str, str]]:
    """A conversation of one message, in the format of chat templates."""
    return [{"role": role, "content": text}]


def verl(
    source: Source | Mixture, n: int, path: tuple[str | int, ...] = ("export",), split: str = "train"
) -> Iterator[Row]:
    """Rows as verl reads them; ``compute_score`` needs ``reward_model.ground_truth``, the problem as JSON."""
    for index, (full, problem) in enumerate(rows(source, n, path)):
        yield {
            "data_source": f"interlude/{problem.world}/{problem.mode}",
            "prompt": message("user", problem.question),
            "ability": ABILITY,
            "reward_model": {"style": "rule", "ground_truth": pack(problem)},
            "extra_info": {
                "split": split,
                "index": index,
                "ops": problem.ops,
                "answer": problem.answer,
                "path": json.dumps(list(full)),
            },
        }


def write_rows(table: Iterable[Row], path: str | Path) -> int:
    """Write rows to ``path`` (.jsonl or .parquet, the latter through pyarrow) whole or not at all;
    returns their number."""
    path = Path(path)
    table = list(table)
    if path.suffix not in (".jsonl", ".parquet"):
        raise ValueError(f"path must end in .jsonl or .parquet, got {str(path)!r}")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            if path.suffix == ".jsonl":
                file.writelines(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in table)
            else:
                write_parquet(table, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return len(table)


def write_parquet(table: list[Row], file) -> None:
    """Writes rows as Parquet; needs pyarrow."""

    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), file)


# --- rewards ---------------------------------------------------------------------------------------------------------

# A solution is strictly right only if it also ends, and whether a completion did, its text may not say: TRL and verl
# decode without special tokens, so a model that closed its solution and one that was cut off right after its answer, at
# the length limit, look the same. ``ended`` says what a text without its closing mark is: True, ended, as the trainer
# takes the mark away; False, cut off, as the trainer keeps it. None, the default, asks the completion's tokens where
# they and the end token's id are given, and otherwise takes it as ended. Then a solution cut off right before its end
# is paid: leave room for an answer and its end, or keep completions that were cut off out of the loss by the trainer's
# own means (TRL: ``mask_truncated_completions``; their rewards still enter the mean of their group).

LEVELS = ("strict", "process", "answer")


def grade(verdict: Verdict, level: str) -> float:
    """1.0 or 0.0 for strict (whole solution right) and answer (last number right);
    the share of right steps for process."""
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, got {level!r}")
    return float({"strict": verdict.strict, "process": verdict.process, "answer": verdict.answer}[level])


def reward(
    prompts: Sequence[object],
    completions: Sequence[object],
    *,
    problem: Sequence[object],
    level: str = "strict",
    ended: bool | None = None,
    end_id: int | None = None,
    completion_ids: Sequence[Sequence[int]] | None = None,
    **columns: object,
) -> list[float]:
    """A ``reward_funcs`` entry for TRL's GRPOTrainer (1.16):
    one float for each completion, from the column ``problem``.

    Use ``functools.partial(reward, level="process", end_id=tokenizer.eos_token_id)`` for another level, and to tell
    from TRL's ``completion_ids`` which completions ended; see above for ``ended``. Completions may be strings or
    message lists.
    """
    if not len(prompts) == len(completions) == len(problem):
        raise ValueError(
            f"{len(prompts)} prompts, {len(completions)} completions and {len(problem)} problems do not match"
        )
    known: list[bool | None] = [ended] * len(completions)
    if ended is None and end_id is not None and completion_ids is not None:
        known = [end_id in ids for ids in completion_ids]
    return [
        grade(verify(read_truth(truth), spoken(completion, each)), level)
        for truth, completion, each in zip(problem, completions, known, strict=True)
    ]


def spoken(completion: object, ended: bool | None) -> str:
    """The text of a completion: itself, or the content of the one message of a conversational completion; closed by
    END if it has none, unless ``ended`` is False."""
    if ended is not None and type(ended) is not bool:
        raise ValueError(f"ended must be True, False or None, got {ended!r}")
    if isinstance(completion, list) and len(completion) == 1 and isinstance(completion[0], dict):
        completion = completion[0].get("content")
    if not isinstance(completion, str):
        raise ValueError(f"completion must be a string or a list of one message, got {completion!r}")
    return completion if ended is False or END in completion else f"{completion} {END}"


def read_truth(truth: object) -> Problem:
    """The problem in a ground truth as trainers hand it on: JSON, the dictionary it stands for, or a list or array that
    holds just one of these."""
    if not isinstance(truth, (str, dict)):
        items = truth.tolist() if isinstance(truth, np.ndarray) else truth  # one of no dimension gives its one item
        items = items if isinstance(items, (list, tuple)) else [items]
        if len(items) != 1 or not isinstance(items[0], (str, dict)):
            raise ValueError(f"a ground truth must be one problem, as JSON or a dictionary, got {truth!r}")
        truth = items[0]
    return unpack(truth) if isinstance(truth, str) else problem_from_dict(truth)


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: object,
    extra_info: dict[str, object] | None = None,
    ended: bool | None = None,
    **more: object,
) -> dict[str, float]:
    """verl's custom reward function (0.9): ``score`` is the reward (strict); the other entries are logged.

    ended: see above; set it in the trainer's configuration, under ``custom_reward_function.reward_kwargs``. Other
    arguments, of which verl passes some, are not looked at.
    """
    verdict = verify(read_truth(ground_truth), spoken(solution_str, ended))
    return {"score": grade(verdict, "strict")} | {level: grade(verdict, level) for level in LEVELS}
