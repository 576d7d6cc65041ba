"""Finding a study and a scale by name or in a file of the user's own (loads torch only once one is built)."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from interlude.studies.refusal import Refused, meant

if TYPE_CHECKING:
    from interlude.studies.scales import Scale
    from interlude.studies.study import Study

HERE = Path(__file__).parent
SCALE_NAMES = (
    "smoke",
    "nano",
    "nano-shuffled",
    "nano-guessable",
    "small",
    "paper",
    "smollm2",
)  # of studies.scales and studies.real_scale, which load torch
DEFAULT_SCALE = "nano"


@dataclass(frozen=True)
class StudySpec:
    """Which study is meant, in words that any process can turn into the same study.

    study: "topic/file", its unique last part, or the path of a file that defines ``study(scale)``. scale: the name of a
    scale, or "path.py:NAME" for one that a file defines. seeds, arms: None for the study's own.
    """

    study: str
    scale: str
    seeds: tuple[int, ...] | None = None
    arms: tuple[str, ...] | None = None

    def absolute(self) -> StudySpec:
        """The same with whole names and absolute paths, for processes that run in other folders."""
        study = str(Path(self.study).resolve()) if is_file(self.study) else full_name(self.study)
        path, _, name = self.scale.rpartition(":")
        return replace(self, study=study, scale=f"{Path(path).resolve()}:{name}" if path else self.scale)


def names() -> list[str]:
    """Every study as "topic/file": the modules in the folders of this package that define ``study(scale)``."""
    found = sorted(path for path in HERE.glob("*/*.py") if defines_study(path))
    return [f"{path.parent.name}/{path.stem}" for path in found]


def defines_study(path: Path) -> bool:
    """Whether a module has a top-level function ``study``, from its text alone."""
    text = path.read_text(encoding="utf-8")
    if "def study(" not in text:
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == "study" for node in ast.parse(text, str(path)).body)


def constant(name: str, variable: str) -> object:
    """The value of a constant of a study, given its whole name or file, from the text of its module alone; None where
    it has none or computes it."""
    tree = ast.parse((Path(name) if is_file(name) else HERE / f"{name}.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [variable]:
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                return None
    return None


def own_scale(study: str) -> str:
    """The scale that a study, given by name or file, is meant for: the constant SCALE of its module, or else nano."""
    if is_file(study) and not Path(study).is_file():
        raise Refused(f"there is no file {Path(study).resolve()}")
    return str(constant(study if is_file(study) else full_name(study), "SCALE") or DEFAULT_SCALE)


def question(name: str) -> str:
    """What a study asks: the constant QUESTION of its module, or else its docstring's first line."""
    text = ast.get_docstring(ast.parse((HERE / f"{name}.py").read_text(encoding="utf-8"))) or ""
    return str(constant(name, "QUESTION") or text.split("\n\n")[0].replace("\n", " "))


def figures() -> dict[str, tuple[tuple[str, str], ...]]:
    """Every figure, by name, with the tables that it draws, each a study and a scale: the studies that name it in the
    constant FIGURES of their modules, at the scales in DRAWN_AT, or else at their own."""
    made: dict[str, tuple[tuple[str, str], ...]] = {}
    for name in names():
        for figure in constant(name, "FIGURES") or ():
            scales = constant(name, "DRAWN_AT") or (own_scale(name),)
            made[figure] = (*made.get(figure, ()), *((name, scale) for scale in scales))
    return made


def topics() -> list[str]:
    """The folders that hold studies."""
    return list(dict.fromkeys(name.split("/")[0] for name in names()))


def full_name(name: str) -> str:
    """The study's whole name, given that or its unique last part."""
    known = names()
    found = [each for each in known if name in (each, each.split("/")[1])]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(f"study {name!r} is ambiguous: it may be {' or '.join(found)}")
    if any(each.startswith(f"{name}/") for each in known):
        raise Refused(f"there is no study {name!r}, which is a topic; `interlude list` prints its studies")
    files = [f"./{name}.py"] if Path(f"{name}.py").is_file() else []
    near = meant(name, known if "/" in name else [each.split("/")[1] for each in known])
    hint = f"; did you mean {files[0]}?" if files else near or "; `interlude list` prints all"
    raise Refused(f"there is no study {name!r}{hint}")


def is_file(name: str) -> bool:
    """Whether a study is given as a file, not by name."""
    return name.endswith(".py")


def loaded(path: Path) -> ModuleType:
    """The module in a file of the user's own, imported under the file's name, with its folder importable, as Python
    does with a script. Raises Refused if there is no such file or another module has its name."""
    path = path.resolve()
    if not path.is_file():
        raise Refused(f"there is no file {path}")
    known = sys.modules.get(path.stem)
    if known is not None and Path(getattr(known, "__file__", None) or "").resolve() == path:
        return known
    if known is not None or not path.stem.isidentifier():
        raise Refused(f"{path}: rename it, as its module cannot be called {path.stem!r} here")
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[path.stem]
        raise
    return module


def defined(text: str, kind: str, what: str) -> tuple[str, object]:
    """The name and the value in "FILE.py:NAME". Raises Refused, saying what ``kind`` of thing was looked for, if there
    is none."""
    path, _, name = text.rpartition(":")
    if not path:
        raise Refused(f"{text!r} must be FILE.py:NAME of a {kind}: {what}")
    found = vars(loaded(Path(path)))
    if name not in found:
        raise Refused(f"{path} defines no {kind} {name!r}: {what}")
    return name, found[name]


def scale_named(name: str) -> Scale:
    """A scale by its name, or by "path.py:NAME". Raises Refused if there is none, or if one in a file has the name of a
    built-in scale, and so its table, and is not that scale."""
    from interlude.studies.scales import Scale

    if ":" in name:
        _, found = defined(name, "scale", "a Scale from interlude.studies.scales")
        if not isinstance(found, Scale):
            raise Refused(f"{name} must be a Scale from interlude.studies.scales, not a {type(found).__name__}")
        if built_in(found.name) not in (None, found):
            raise Refused(
                f"{name} has the name of the built-in scale {found.name!r} and differs from it, so its table would "
                'replace that scale\'s; give it one of its own, as in replace(SMOKE, name="mine", ...)'
            )
        return found
    known = built_in(name)
    if known is None:
        every = (*SCALE_NAMES, "smollm2-Nmin")
        hint = meant(name, every)
        raise Refused(f"there is no scale {name!r}{hint}; known scales: {', '.join(every)}, or FILE.py:NAME")
    return known


def built_in(name: str) -> Scale | None:
    """The scale of this package with this name; None for another name."""
    from interlude.studies.scales import SCALES

    if name in SCALES:
        return SCALES[name]
    from interlude.studies.real_scale import named

    return named(name)


def bands(scale_name: str) -> dict[str, tuple[int, int]]:
    """The fewest and most operations of each band of a scale."""
    return bands_of(scale_named(scale_name))


def bands_of(scale: Scale) -> dict[str, tuple[int, int]]:
    """The same of a scale itself."""
    return {"ID": scale.band, "edge": scale.edge, "hard": scale.hard}


def the_study(spec: StudySpec) -> Study:
    """The study that is meant, at its scale and with its seeds and arms.

    A study in a file of the user's own is called as its file is, and its table lies in the folder ``results`` beside
    that file, or in $INTERLUDE_RESULTS.
    """
    scale = scale_named(spec.scale)
    if is_file(spec.study):
        path = Path(spec.study)
        module = loaded(path)
        if "study" not in vars(module):
            raise Refused(f"{path} does not define study(scale)")
        study = built(module, scale, str(path))
        where = os.environ.get("INTERLUDE_RESULTS") or path.resolve().parent / "results"
        study = replace(study, name=path.stem, results=Path(where))
        check_own_claims(module, study, spec)
    else:
        name = full_name(spec.study)
        study = ours(name, scale)
        if study.name != name:
            raise Refused(f"studies/{name}.py calls its study {study.name!r}; it must be {name!r}")
    study = study.with_seeds(spec.seeds) if spec.seeds else study
    return study.with_arms(spec.arms) if spec.arms else study


def ours(name: str, scale: Scale) -> Study:
    """A study of this package, by its whole name. Raises Refused if it needs what a pretrained model's scale lacks:
    stages of pre-training, a vocabulary, or an exam."""
    from interlude.models.gpt import GPT

    module = importlib.import_module(f"interlude.studies.{name.replace('/', '.')}")
    try:
        return built(module, scale, name)
    except (AttributeError, IndexError, KeyError) as absent:
        if isinstance(scale.model, GPT):
            raise
        raise Refused(f"{name} needs a model trained from scratch, which that of scale {scale.name} is not") from absent


def built(module: ModuleType, scale: Scale, name: str) -> Study:
    """What ``study(scale)`` of a module returns. Raises Refused if that is no study."""
    from interlude.studies.study import Study

    study = module.study(scale)
    if not isinstance(study, Study):
        raise Refused(f"study(scale) of {name} must return a Study, not a {type(study).__name__}")
    return study


def check_own_claims(module: ModuleType, study: Study, spec: StudySpec) -> None:
    """Raises Refused, before anything is trained, for claims of a user's file about arms, exams or bands that the study
    has neither at the scale asked nor at its own: a study at a smaller scale may lack some exams."""
    from interlude.studies.study import unmeasured
    from interlude.studies.verdicts import check_claims

    claims = vars(module).get("CLAIMS", ())
    try:
        check_claims(claims, unmeasured(study), bands(spec.scale), spec.study)
    except Refused:
        own = scale_named(own_scale(spec.study))
        if own.name == study.scale:
            raise
        check_claims(claims, unmeasured(built(module, own, spec.study)), bands_of(own), spec.study)
