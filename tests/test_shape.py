"""The shape of the code: imports point downward, heavy ones stay where they belong, and every file says what it is."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("synth", "models", "studies", "figures")
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]
# Imported where they are used: they take seconds, or are extras that most installations lack.
HEAVY = {
    "transformers",
    "tokenizers",
    "pyarrow",
    "ray",
    "submitit",
    "trl",
    "datasets",
    "matplotlib",
    "peft",
    "safetensors",
}
EXTRAS = {"interlude.synth.gym": "reasoning_gym"}  # modules that stand on a package of an extra
# Whatever loads torch is imported where it is needed: looking at a problem or a table must not take seconds.
LAZY = {
    **{f"studies/{name}.py": {"studies", "models"} for name in ("find", "cli/look", "cli/export", "report/examples")},
    **{f"{name}.py": {"models"} for name in ("models/gpt", "models/graders", "models/stage", "studies/speed")},
}


def module(path: Path) -> str:
    parts = "interlude", *path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer(name: str) -> str | None:
    """The layer of one of our modules, or None for any other."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "interlude" and parts[1] in LAYERS else None


MODULES = {module(path): path for path in FILES}
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}


def statements(node: ast.AST, inside: bool = False):
    """Every import statement, those for type checkers included, and whether it stands inside a function."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child, inside
        within = inside or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        yield from statements(child, within)


def targets(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The modules an import statement names: ``from a import b`` is module a.b if that is one."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    return [full if (full := f"{node.module}.{alias.name}") in MODULES else node.module for alias in node.names]


def edges(also_inside: bool) -> list[tuple[str, str]]:
    return [
        (module(path), target)
        for path, tree in TREES.items()
        for node, inside in statements(tree)
        for target in targets(node)
        if layer(target) and (also_inside or not inside)
    ]


def test_the_walk_sees_the_code():
    # Mutant: a glob that finds nothing, and every test below passes.
    assert {
        "interlude.synth.rng",
        "interlude.models.train",
        "interlude.models.stages.rl",
        "interlude.studies.run",
    } <= set(MODULES)
    assert ("interlude.models.train", "interlude.models.stage") in edges(False)
    assert ("interlude.studies.find", "interlude.studies.study") in edges(False)  # for type checkers only


def test_every_import_exists():
    assert [edge for edge in edges(True) if edge[1] not in MODULES] == []


@pytest.mark.parametrize("also_inside", (False, True), ids=("at the top", "with those inside functions"))
def test_imports_have_no_cycle(also_inside):
    graph = nx.DiGraph(edges(also_inside))
    assert graph.number_of_edges() > 50
    cycles = nx.simple_cycles(graph)
    assert next(cycles, None) is None


def test_imports_point_downward():
    # Mutant: a model that looks into a study.
    rank = {layer: i for i, layer in enumerate(LAYERS)}
    upward = [(a, b) for a, b in edges(True) if rank[layer(a)] < rank[layer(b)]]
    assert [
        edge for edge in upward if not (edge[0] == "interlude.studies.__main__" and layer(edge[1]) == "figures")
    ] == []


def test_nothing_below_looks_up_at_the_stages():
    """Mutant: a policy that imports a stage. Only studies and the bench know which stages there are."""
    for a, b in edges(True):
        if b.startswith("interlude.models.stages"):
            assert layer(a) != "models" or a.startswith(("interlude.models.stages", "interlude.models.bench")), (a, b)


def test_stages_and_studies_never_import_each_other():
    packages = (
        "interlude.models.stages.",
        *(f"interlude.studies.{topic}." for topic in ("exams", "interplay", "midtraining", "stages")),
    )
    for a, b in edges(True):
        for package in packages:
            assert not (a.startswith(package) and b.startswith(package)), (a, b)


def test_figures_read_tables_only():
    allowed = {f"interlude.studies.{name}" for name in ("table", "stats", "results", "evidence")}
    read = [(a, b) for a, b in edges(True) if layer(a) == "figures" and layer(b) != "figures"]
    assert len(read) > 50
    assert [edge for edge in read if edge[1] not in allowed] == []


# Networks, and what runs them: all else describes, reads or draws.
NETWORKS = {
    "interlude.models.bench", "interlude.models.engine", "interlude.models.examples", "interlude.models.gpt_network",
    "interlude.models.hf", "interlude.models.hf_checkpoint", "interlude.models.kernels",
    "interlude.models.native_logprobs", "interlude.studies.cli.bench", "interlude.studies.real",
    "interlude.studies.real_scale", "interlude.studies.side_by_side", "interlude.studies.workload",
}  # fmt: skip
LIGHT = [name for name in MODULES if not any(f"{name}.".startswith(f"{heavy}.") for heavy in NETWORKS)]


def test_torch_stays_out():
    # Mutant: one import of a network in a description, and looking at a table takes seconds.
    names = [name for name in LIGHT if not name.endswith("__main__") and find_spec(EXTRAS.get(name, "numpy"))]
    check = "import sys, importlib\nfor name in sys.argv[1:]:\n    importlib.import_module(name)\n    "
    check += "assert not {'torch', 'transformers'} & set(sys.modules), name"
    ran = subprocess.run([sys.executable, "-c", check, *names], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_no_import_hides_in_a_function(path):
    allowed = HEAVY | LAZY.get(str(path.relative_to(ROOT)), set())
    hidden = {target for node, inside in statements(TREES[path]) if inside for target in targets(node)}
    assert {target for target in hidden if (layer(target) or target.split(".")[0]) not in allowed} == set()


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_every_file_says_what_it_is(path):
    # The first paragraph is one sentence that can be read aloud.
    first = " ".join((ast.get_docstring(TREES[path]) or "").split("\n\n")[0].split())
    assert first and first[-1] in ".?", f"{path} opens with {first!r}"
    assert first.count(". ") == 0 and len(first) <= 240


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_is_guessed_or_swallowed(path):
    # No bare except, no except that passes, no hasattr, no unseeded randomness.
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.ExceptHandler):
            assert node.type is not None, f"{path}:{node.lineno} catches everything"
            assert not (isinstance(node.type, ast.Name) and node.type.id == "ImportError"), f"{path}:{node.lineno}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "hasattr", f"{path}:{node.lineno} asks hasattr"
        if (
            isinstance(node, ast.Attribute)
            and node.attr in ("seed", "manual_seed")
            and isinstance(node.value, ast.Name)
        ):
            assert node.value.id not in ("random", "torch"), f"{path}:{node.lineno} seeds the whole process"


def test_names_are_nouns_and_verbs():
    fillers = {"utils", "util", "manager", "helper", "helpers", "handler", "misc", "common"}
    assert [path for path in FILES if set(path.stem.split("_")) & fillers] == []


@pytest.mark.parametrize("words", (("check",), ("format", "--check", "--diff")), ids=("rules", "layout"))
def test_ruff_has_nothing_to_say(words):
    # Mutants: a line of 121 characters; an unused import; a quote turned round. Which rules and why: pyproject.toml.
    ran = subprocess.run(
        [sys.executable, "-m", "ruff", *words, "--no-cache", "."], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_tests_open_with_a_sentence():
    for path in sorted((ROOT / "tests").rglob("*.py")):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_tests_mirror_the_layers():
    """A test stands in the folder of its layer; what the whole repository is asked stands beside them."""
    found = {path.relative_to(ROOT / "tests").parts for path in (ROOT / "tests").rglob("*.py")}
    folders = {parts[0] for parts in found if len(parts) > 1}
    assert folders == {*LAYERS, "support"}
    assert {parts for parts in found if parts[0] == "support" and parts[1].startswith("test_")} == set()
    names = [parts[-1] for parts in found]
    assert len(names) == len(set(names))  # pytest imports tests by their file names


def test_files_are_short():
    """Mutant: one more line in a file of 500. Tests count too."""
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert len(tests) > 60
    lines = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in (*FILES, *tests)}
    assert {path: count for path, count in lines.items() if count > 500} == {}


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_docstrings_are_short(path):
    """Mutant: a docstring of 151 words. What a field means stands beside the field."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = {node: ast.get_docstring(node) or "" for node in ast.walk(TREES[path]) if isinstance(node, kinds)}
    assert [getattr(node, "name", "module") for node, text in texts.items() if len(text.split()) > 150] == []
