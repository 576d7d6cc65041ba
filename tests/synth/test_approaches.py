"""Approaches: each told rightly and recognised, alone and together; spoilt ones refused; off, nothing has changed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import fuzz
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlude.models.key import canonical
from interlude.synth import worlds
from interlude.synth.approaches import APPROACHES, PLAIN, coincides, signature, with_approach
from interlude.synth.export import pack, problem_from_dict, problem_to_dict, unpack
from interlude.synth.parse import parse
from interlude.synth.problem import Problem
from interlude.synth.render import APPROACH_WORDS
from interlude.synth.solution_style import MARKERS, Grammar, SolutionStyle, Words
from interlude.synth.source import Source
from interlude.synth.tokens import Vocabulary
from interlude.synth.verify import verify

MUTANTS = 16  # of each of 20 problems' 16 solutions: 5,120


def correct(problem: Problem, text: str) -> bool:
    plain = replace(problem, style=None)
    return fuzz.correct_approach(plain.question, text, problem.dialect, problem.graph.modulus)


def wide(dialect: str = "terse", mode: str = "forward") -> Problem:
    """Five operations with a distractor, several levels, and something to commute."""
    return Source(ops=(5, 5), connected=(1, 1), dialect=dialect, mode=mode, split="any").problem("wide", 26)


def test_each_gold_is_right_and_shows_just_its_own_signature():
    # Mutants: any writer that breaks its own promise; a judge that another approach's lines trip; a marker of two
    # approaches; a role or token lost; a problem of one step, or of none, that raises.
    shown = Counter()
    for nth in range(144):
        base = fuzz.problem(nth)
        texts = set()
        for name in (PLAIN, *APPROACHES):
            problem = with_approach(base, name)
            written, verdict = problem.written, verify(problem, problem.solution)
            assert verdict.strict and verdict.process == 1.0, (problem.question, problem.solution, verdict.faults)
            assert correct(problem, problem.solution), (problem.question, problem.solution)
            own = frozenset() if name == PLAIN or coincides(base, name) else {name}
            assert signature(base, problem.solution) == signature(problem, problem.solution) == own
            assert (problem.solution == base.solution) == (not own)
            assert not own or not verify(base, problem.solution).strict or (name, base.dialect) == ("commuted", "prose")
            assert len(written.solution_roles) == len(written.solution_tokens)
            assert len(written.question_roles) == len(written.question_tokens)
            assert ("strategy" in written.solution_roles) == bool(own - {"commuted"})
            vocabulary = Vocabulary(base.graph.modulus, (base.world,), dialects=(base.dialect,), approaches=True)
            for text in (problem.question, problem.solution):
                assert vocabulary.decode(vocabulary.encode(text)) == text
            assert unpack(pack(problem)) == problem == problem_from_dict(problem_to_dict(problem))
            shown.update(own)
            if own:
                texts.add(problem.solution)
        assert len(texts) == sum(not coincides(base, name) for name in APPROACHES)  # no two coincide
        assert len(base.moves) == 0 or all(not coincides(base, name) for name in APPROACHES if name != "commuted")
    assert len(APPROACHES) == 15 and min(shown[name] for name in APPROACHES) > 90, shown


def test_the_second_opinion_agrees_on_spoilt_ones():
    # Mutants: each check of each judge left out; a line not read; a promise judged by the plain solution's order;
    # a step that answers nothing let through without a table; a distractor missing from one.
    counts = Counter()
    for nth in range(20):
        base, random = fuzz.problem(nth * 7), Random(nth)
        for name in (PLAIN, *APPROACHES):
            problem = with_approach(base, name)
            draft = replace(fuzz.draft(base, random), text=problem.solution)
            for k in range(MUTANTS):
                mutation = random.choice(fuzz.LINE_MUTATIONS if k % 3 else fuzz.TEXTUAL)
                borrows = mutation in (fuzz.borrowed, fuzz.merged)
                other = (with_approach(base, random.choice(APPROACHES)).solution,) if borrows else ()
                text = mutation(draft, *other)
                due, verdict = correct(problem, text), verify(problem, text)
                assert verdict.strict == due, (problem.question, text, verdict.faults)
                assert signature(problem, text) <= set(APPROACHES)
                counts[mutation.__name__, due] += 1
    assert counts.total() == 20 * 16 * MUTANTS
    assert sum(n for (_, due), n in counts.items() if not due) > 3500
    assert all(counts[mutation.__name__, False] for mutation in (*fuzz.LINE_MUTATIONS, *fuzz.TEXTUAL))
    assert counts["merged", True] > 100


BASE = "hares = horses + koalas ; lions = giraffes - hares ; sheep = lions + storks ; bats = storks * lions ; sheep ?"
LETTERS = {  # steps as in the plain solution are in capitals
    "levels": "level ; STORKS ; KOALAS ; level ; HARES ; level ; LIONS ; level ; SHEEP",
    "depth": (
        "find sheep ; find lions ; find hares ; find koalas ; KOALAS ; HARES ; LIONS ; find storks ; STORKS ; SHEEP"
    ),
    "backward": (
        "need sheep from lions , storks ; need lions from giraffes , hares ; "
        "need storks from foxes , rhinos ; need hares from horses , koalas ; need koalas from goats , owls ; "
        "KOALAS ; HARES ; STORKS ; LIONS ; SHEEP"
    ),
    "subgoals": "part lions ; KOALAS ; HARES ; LIONS ; part storks ; STORKS ; merge sheep ; SHEEP",
    "symbolic": (
        "let storks = foxes * rhinos ; let koalas = goats + owls ; let hares = horses + koalas ; "
        "let lions = giraffes - hares ; let sheep = lions + storks ; STORKS ; KOALAS ; HARES ; LIONS ; "
        "SHEEP"
    ),
    "simplify": (
        "put storks = 2 * 3 ; put koalas = 2 + 3 ; put hares = 6 + koalas ; put lions = 2 - hares ; "
        "put sheep = lions + storks ; STORKS ; KOALAS ; HARES ; LIONS ; SHEEP"
    ),
    "plan": "order storks , koalas , hares , lions , sheep ; STORKS ; KOALAS ; HARES ; LIONS ; SHEEP",
    "restate": (
        "given rhinos 3 , foxes 2 , horses 6 , owls 3 , goats 2 , giraffes 2 , asked sheep ; STORKS ; "
        "KOALAS ; HARES ; LIONS ; SHEEP"
    ),
    "relevant": (
        "keep rhinos , foxes , storks , horses , owls , goats , koalas , giraffes , hares , lions , sheep ; "
        "STORKS ; KOALAS ; HARES ; LIONS ; SHEEP"
    ),
    "table": (
        "tabulate ; STORKS ; KOALAS ; HARES ; LIONS ; SHEEP ; "
        "bats = storks * lions , storks 6 lions 5 , 6 * 5 = 2 , bats 2"
    ),
    "check": (
        "STORKS ; KOALAS ; HARES ; LIONS ; SHEEP ; undo storks , 6 / 3 = 2 ; undo koalas , 5 - 3 = 2 ; "
        "undo hares , 4 - 5 = 6 ; undo lions , 5 + 4 = 2 ; undo sheep , 4 - 6 = 5"
    ),
    "grouped": "group * ; STORKS ; group + ; KOALAS ; HARES ; group - ; LIONS ; group + ; SHEEP",
    "running": (
        "STORKS ; hold storks 6 ; KOALAS ; hold storks 6 , koalas 5 ; HARES ; hold storks 6 , hares 4 ; "
        "LIONS ; hold storks 6 , lions 5 ; SHEEP ; hold sheep 4"
    ),
    "commuted": (
        "storks = rhinos * foxes , rhinos 3 foxes 2 , 3 * 2 = 6 , storks 6 ; "
        "koalas = owls + goats , owls 3 goats 2 , 3 + 2 = 5 , koalas 5 ; "
        "hares = koalas + horses , koalas 5 horses 6 , 5 + 6 = 4 , hares 4 ; LIONS ; "
        "sheep = storks + lions , storks 6 lions 5 , 6 + 5 = 4 , sheep 4"
    ),
    "countdown": (
        "left storks , koalas , hares , lions , sheep ; STORKS ; left koalas , hares , lions , sheep ; "
        "KOALAS ; left hares , lions , sheep ; HARES ; left lions , sheep ; LIONS ; left sheep ; SHEEP"
    ),
}


def test_the_lines_to_the_letter():
    # Mutants: a word, its place, or the order of steps of any approach.
    base = wide()
    assert base.question.endswith(BASE)
    steps = {step.split(" ")[0]: step for step in base.solution.split(" ; ")[:-1]}
    for name, due in LETTERS.items():
        *said, _ = with_approach(base, name).solution.split(" ; ")
        for part in said:
            shown = [part.split(" ")[0].upper() if part in steps.values() else part for part in said]
        assert " ; ".join(shown) == due, (name, " ; ".join(shown))
    prose = with_approach(wide("prose"), "restate")
    assert prose.solution.startswith("Given ")
    assert f", asked {prose.words[prose.graph.target]}. The number of" in prose.solution
    assert (
        prose.question.endswith("? Use restate.") and with_approach(base, "check").question == f"{base.question} check"
    )
    assert with_approach(base, "check", tagged=False).question == with_approach(base, PLAIN).question == base.question


def test_approaches_compose():
    # Mutants: lines of one approach read as steps or as breaches of another; only one approach recognised in a text.
    # Those with steps as in the plain one.
    follow = ("symbolic", "simplify", "plan", "restate", "relevant", "check", "running", "countdown")
    for nth in range(24):
        base = fuzz.problem(nth)
        if not base.moves:
            continue
        for a, b in zip(follow, (*follow[3:], *follow[:3]), strict=True):
            draft = replace(fuzz.draft(base, Random(nth)), text=with_approach(base, a).solution)
            text = fuzz.merged(draft, with_approach(base, b).solution)
            assert verify(with_approach(base, PLAIN), text).strict and signature(base, text) == {a, b}, text


@pytest.mark.parametrize("dialect", ["terse", "prose"])
def test_what_breaks_a_promise_is_named_and_not_shown(dialect):
    # Mutants: a broken promise shown all the same; a wrong number taken for another form; a fault without its place.
    base = wide(dialect)
    for name in ("levels", "depth", "backward", "subgoals", "symbolic", "grouped", "running", "countdown", "check"):
        problem = with_approach(base, name)
        parts = [part.strip(" ") for part in fuzz.units(problem.solution, dialect)]
        lines = [nth for nth, part in enumerate(parts) if fuzz.line_of(part, dialect)]
        text = " ".join([*parts[: lines[-1]], *parts[lines[-1] + 1 :]])
        verdict = verify(problem, text)
        assert name not in signature(problem, text) and verdict.answer and verdict.parsed and not verdict.strict, text
        assert {fault.kind for fault in verdict.faults} == {"order"}
        assert all(0 <= fault.where <= len(text) and fault.detail.endswith(".") for fault in verdict.faults)
    plan, other = fuzz.units(with_approach(base, "plan").solution, dialect)[0], with_approach(base, "depth").solution
    assert signature(base, f"{plan} {other}") == {"depth"}  # whose steps come in another order
    text = with_approach(base, "running").solution
    first = text.lower().index("hold")
    number = next(nth for nth in range(first, len(text)) if text[nth].isdigit())
    text = text[:number] + str((int(text[number]) + 1) % 7) + text[number + 1 :]
    assert signature(base, text) == {"running"}
    assert [fault.kind for fault in verify(with_approach(base, PLAIN), text).faults] == ["recall"]


def test_steps_that_answer_nothing_need_a_table():
    # Mutants: an extra step let through by other lines; a table without its distractors let through.
    base = wide()
    table, plan = with_approach(base, "table"), with_approach(base, "plan")
    without = table.solution.replace("tabulate ; ", "")
    assert [fault.kind for fault in verify(table, without).faults] == ["extra"]
    assert [fault.kind for fault in verify(plan, f"tabulate ; {base.solution}").faults] == ["order"]
    line = plan.solution.split(" ; ")[0]
    assert "extra" in [fault.kind for fault in verify(plan, f"{line} ; {without}").faults]


def test_draws_are_pure_and_as_often_as_stated():
    # Mutants: a question moved by the fields; chances ignored; a draw that depends on an earlier one; a tag on "plain".
    plain = Source(ops=(1, 4), order="shuffled", connected=(0, 1))
    source = replace(plain, approach=(PLAIN, "depth", "check"), chances=(0.5, 0.4, 0.1), tagged=True)
    drawn = [source.problem("often", i) for i in range(600)]
    assert drawn == [source.problem("often", i) for i in reversed(range(600))][::-1]
    counts = Counter(problem.style.approach for problem in drawn)
    for name, chance in zip(source.approach, source.chances, strict=True):
        assert abs(counts[name] / 600 - chance) < 5 * (chance * (1 - chance) / 600) ** 0.5
    for i, problem in enumerate(drawn[:100]):
        base, name = plain.problem("often", i), problem.style.approach
        assert replace(problem, style=None) == base
        assert problem.question == (base.question if name == PLAIN else f"{base.question} {name}")
        assert with_approach(base, name) == problem
    alike = Counter(replace(source, chances=None).problem("often", i).style.approach for i in range(600))
    assert min(alike.values()) > 140 and len(alike) == 3
    one = replace(plain, approach="levels")
    assert {one.problem(i).style for i in range(20)} == {SolutionStyle(approach="levels")}


def test_off_nothing_has_changed():
    # Mutants: a plain field; a token before others; a line or another order accepted where no approach may be followed.
    words = canonical(Source(ops=(1, 2)))[1:-1].replace('"', " ").split()
    assert not {"approach", "chances", "tagged", "approaches"} & set(words)
    assert "approaches" not in canonical(Vocabulary())
    for dialects in (("terse",), ("prose",), ("terse", "prose")):
        for more in ({}, {"words": True, "thoughts": True}):
            old, new = Vocabulary(dialects=dialects, **more), Vocabulary(dialects=dialects, approaches=True, **more)
            assert new.tokens[: old.size] == old.tokens and len(set(new.tokens)) == new.size > old.size
            assert set(APPROACHES) <= set(new.ids)
    assert Vocabulary().size == 164 and Vocabulary(approaches=True).size == 164 + 32
    assert {word.lower() for words in APPROACH_WORDS.values() for word in words} <= worlds.RESERVED
    assert not {*MARKERS} & {*APPROACHES}
    base = wide()
    assert "style" not in problem_to_dict(base) and "approach" not in pack(
        replace(base, style=SolutionStyle("ignored"))
    )
    for name in APPROACHES:
        faults = {fault.kind for fault in verify(base, with_approach(base, name).solution).faults}
        assert faults == {"order"} if name == "commuted" else "format" in faults


def test_thoughts_may_stand_between():
    # Mutant: lines looked for in thoughts, or thoughts that hide lines from the signature.
    source = Source(ops=(3, 3), approach="plan", thoughts="ignored")
    problem = source.problem("think", 0)
    text = f"<think> order bears ; </think> {problem.solution}"
    assert verify(problem, text).strict and signature(problem, text) == {"plan"}
    hidden = f"<think> {problem.solution.split(' ; ')[0]} ; </think> {problem.solution.split(' ; ', 1)[1]}"
    assert verify(problem, hidden).strict and signature(problem, hidden) == frozenset()


def test_cut_short_is_no_junk():
    # Mutant: a text that stops inside a line called junk.
    for dialect in ("terse", "prose"):
        for name in APPROACHES:
            problem = with_approach(wide(dialect), name)
            tokens = problem.solution.split(" ")
            for n in range(len(tokens)):
                assert parse(" ".join(tokens[:n]), Grammar(dialect, approached=True)).junk is None, tokens[:n]


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(), max_size=60), st.integers(0, 14), st.integers(0, 31), st.floats(0, 1), st.floats(0, 1))
def test_any_text_has_a_signature(noise, which, nth, start, stop):
    # Mutants: an exception on a line without words, on nouns that nothing finds, on steps of no statement.
    problem = with_approach(fuzz.problem(nth), APPROACHES[which])
    gold = problem.solution
    for text in (gold[: int(start * len(gold))] + noise + gold[int(stop * len(gold)) :], noise):
        assert signature(problem, text) <= set(APPROACHES)
        assert verify(problem, text).strict <= correct(problem, text)


def test_any_lines_have_a_signature():
    # Mutants: as above; an unbounded search. Lines of one problem are no lines of another.
    for nth in range(32):
        random = Random(nth)
        problem = with_approach(fuzz.problem(nth), PLAIN)
        words = [*problem.words, *"0123+-*/=,", "from", "asked", "unicorns"]
        lines = [" ".join([m, *random.choices(words, k=random.randrange(5)), ";"]) for m in MARKERS for _ in range(3)]
        text = " ".join([*random.sample(lines, len(lines)), problem.solution])
        if problem.dialect == "prose":
            text = " ".join(line.capitalize().replace(";", ".") for line in lines) + problem.solution
        assert signature(problem, text) <= set(APPROACHES) and not verify(problem, text).strict


def test_bad_input_is_refused_by_name():
    # Mutant: any check removed.
    for fields, message in (
        ({"approach": "guess"}, "Source.approach must be None"), ({"approach": ()}, "Source.approach must be None"),
        ({"approach": ("plan", "plan")}, "Source.approach must be None"),
        ({"approach": "plan", "skip_prob": 0.5}, "Source.approach needs"),
        ({"approach": "plan", "words": Words()}, "Source.approach needs"),
        ({"chances": (1.0,)}, "Source.chances"), ({"approach": "plan", "chances": (1.0,)}, "Source.chances"),
        ({"approach": ("plan", "depth"), "chances": (1.0,)}, "Source.chances"),
        ({"approach": ("plan", "depth"), "chances": (0.5, 0.4)}, "Source.chances"),
        ({"approach": ("plan", "depth"), "chances": (1.5, -0.5)}, "Source.chances"),
        ({"tagged": True}, "Source.tagged"), ({"approach": PLAIN, "tagged": True}, "Source.tagged"),
        ({"approach": "plan", "tagged": 1}, "Source.tagged"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            Source(ops=(1, 2), **fields)
    base = wide()
    for call, message in (
        (lambda: with_approach(base, "guess"), "SolutionStyle.approach must be one of"),
        (lambda: with_approach(Source(ops=(2, 2), skip_prob=0.5).problem(0), "plan"), "with_approach needs"),
        (lambda: SolutionStyle(skipped=(), approach="plan"), "SolutionStyle.approach must be None"),
        (lambda: SolutionStyle(approach=PLAIN, tagged=True), "SolutionStyle.tagged"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    for change in ({"approach": "guess"}, {"approach": None}, {"tagged": 1}):
        table = problem_to_dict(with_approach(base, "plan"))
        table["style"] |= change
        with pytest.raises(ValueError, match="problem.style.approach"):
            problem_from_dict(table)


ALL = "STORKS ; KOALAS ; HARES ; LIONS ; SHEEP"
BROKEN = {  # each breaks one promise; steps in capitals
    "levels": (
        f"{LETTERS['levels']} ; level", "level ; STORKS ; KOALAS",
        "level ; level ; HARES ; level ; LIONS ; level ; SHEEP",
        f"STORKS ; {LETTERS['levels'].replace('STORKS ; ', '')}", f"level ; {ALL}",
    ),
    "depth": (
        "find sheep ; find lions ; find hares ; find koalas ; KOALAS ; find storks ; STORKS ; HARES ; LIONS ; SHEEP",
        "find sheep ; find storks ; STORKS", "find sheep ; KOALAS ; HARES ; LIONS ; STORKS ; SHEEP",
        f"find storks ; STORKS ; {LETTERS['depth'].replace('find storks ; STORKS ; ', '')}",
        f"{LETTERS['depth']} ; find sheep", f"find sheep ; find storks ; {ALL}",
    ),
    "backward": (
        LETTERS["backward"].replace("KOALAS ; HARES ; STORKS ; LIONS", "STORKS ; KOALAS ; HARES ; LIONS"),
        LETTERS["backward"].replace("need koalas from goats , owls ; ", ""),
        LETTERS["backward"].replace("need koalas from goats , owls ; KOALAS", "KOALAS ; need koalas from goats , owls"),
        LETTERS["backward"]
        .replace("need sheep from lions , storks ; ", "")
        .replace(" ; KOALAS", " ; need sheep from lions , storks ; KOALAS"),
        f"need sheep from lions , storks ; {LETTERS['backward']}",
    ),
    "subgoals": (
        ALL.replace("SHEEP", "merge sheep ; SHEEP"), f"merge sheep ; {ALL}", f"{ALL} ; merge sheep",
        "part storks ; KOALAS ; STORKS ; part lions ; HARES ; LIONS ; merge sheep ; SHEEP",
        "part lions ; KOALAS ; part storks ; STORKS ; HARES ; LIONS ; merge sheep ; SHEEP",
        "part lions ; KOALAS ; HARES ; LIONS ; STORKS ; merge sheep ; SHEEP",
        "part hares ; KOALAS ; HARES ; part lions ; LIONS ; part storks ; STORKS ; merge sheep ; SHEEP",
        "part lions ; KOALAS ; HARES ; LIONS ; part lions ; part storks ; STORKS ; merge sheep ; SHEEP",
        "part lions ; KOALAS ; HARES ; LIONS ; part storks ; merge sheep ; STORKS ; SHEEP",
        "part lions ; KOALAS ; HARES ; LIONS ; merge sheep ; part storks ; STORKS ; SHEEP",
        "part lions ; KOALAS ; HARES ; LIONS ; part storks ; STORKS ; SHEEP", f"{LETTERS['subgoals']} ; merge sheep",
    ),
    "symbolic": (
        LETTERS["symbolic"].replace("let sheep = lions + storks ; STORKS", "STORKS ; let sheep = lions + storks"),
        f"let storks = foxes * rhinos ; {LETTERS['symbolic']}",
        LETTERS["symbolic"].replace("let sheep = lions + storks ; ", ""),
    ),
    "simplify": (
        LETTERS["simplify"].replace("put sheep = lions + storks ; STORKS", "STORKS ; put sheep = lions + storks"),
        LETTERS["simplify"].replace("put sheep = lions + storks ; ", ""),
    ),
    "plan": (
        f"order koalas , storks , hares , lions , sheep ; {ALL}", f"order storks , koalas , hares , lions ; {ALL}",
        f"order storks koalas hares lions sheep ; {ALL}", f"order storks ; {LETTERS['plan']}",
        f"STORKS ; order storks , koalas , hares , lions , sheep ; {ALL[9:]}",
        f"order storks = koalas = hares = lions = sheep ; {ALL}",
    ),
    "restate": (f"{ALL} ; {LETTERS['restate'].split(' ; ')[0]}", LETTERS["restate"].replace("foxes 2 , ", "")),
    "relevant": (
        f"{ALL} ; {LETTERS['relevant'].split(' ; ')[0]}", LETTERS["relevant"].replace("foxes , ", "foxes , bats , "),
    ),
    "table": (f"tabulate ; {ALL}", f"tabulate storks ; {LETTERS['table'][11:]}", f"tabulate ; {LETTERS['table']}"),
    "check": (
        LETTERS["check"].replace("SHEEP ; undo storks", "undo storks , 6 / 3 = 2 ; SHEEP ; undo storks"),
        f"undo storks , 6 / 3 = 2 ; {LETTERS['check'].replace('undo storks , 6 / 3 = 2 ; ', '')}",
        LETTERS["check"].replace("undo storks , 6 / 3 = 2 ; ", ""),
    ),
    "grouped": (
        LETTERS["grouped"].replace("group - ; LIONS", "LIONS"), f"{LETTERS['grouped']} ; group *",
        f"STORKS ; {LETTERS['grouped'][19:]}", LETTERS["grouped"].replace("KOALAS ; ", "KOALAS ; group + ; "),
        LETTERS["grouped"].replace("group * ; ", "group * + ; "),
        "group + ; KOALAS ; group * ; STORKS ; group + ; HARES ; group - ; LIONS ; group + ; SHEEP",
    ),
    "running": (
        LETTERS["running"].replace("hold storks 6 ; ", ""), f"{LETTERS['running']} ; hold sheep 4",
        f"hold ; {LETTERS['running']}", LETTERS["running"].replace(" ; hold sheep 4", ""),
        LETTERS["running"].replace("storks 6 , hares 4", "hares 4"),
    ),
    "countdown": (
        LETTERS["countdown"].replace("left sheep ; ", ""), f"{LETTERS['countdown']} ; left",
        LETTERS["countdown"].replace("left sheep ; ", "left sheep ; left sheep ; "),
        LETTERS["countdown"].replace("left lions , sheep", "left sheep"),
    ),
    "commuted": (
        LETTERS["commuted"].replace("storks = rhinos * foxes , rhinos 3 foxes 2 , 3 * 2 = 6 , storks 6", "STORKS"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", APPROACHES)
def test_broken_promises_by_hand(name):
    # Mutants: every condition of every judge left out, one at a time (those in which it says what another says remain).
    base = wide()
    steps = {step.split(" ")[0].upper(): step for step in base.solution.split(" ; ")[:-1]}
    for told in (LETTERS[name], *BROKEN[name]):
        text = " ; ".join([*(steps.get(part, part) for part in told.split(" ; ")), f"answer {base.answer} <end>"])
        right = told == LETTERS[name]
        assert (signature(base, text) == {name}) == right and (name in signature(base, text)) == right, told
        assert (
            verify(with_approach(base, PLAIN), text).strict == correct(base, text) == (right or name == "commuted")
        ), told
