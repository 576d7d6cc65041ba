"""Tables of how the arms of a study were trained: each stage once, and the stages of each arm."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass

from interlude.studies.console import large
from interlude.studies.layout import Table

DATA = ("data", "replay")  # fields of a stage that define its data


def recipe_tables(study) -> list[Table]:
    """Two tables: the arms, each as a list of stage numbers (the shared base in brackets); and the numbered stages."""
    numbers: dict = {}
    arms = []
    for arm in study.arms:
        shared = len(study.base_of(arm).stages)
        each = [numbers.setdefault(stage, len(numbers) + 1) for stage in arm.recipe.stages]
        base, own = each[:shared], each[shared:]
        path = f"[{' '.join(map(str, base))}]" * bool(base) + "".join(f" {n}" for n in own)
        arms.append([arm.name, path.strip(), "" if arm.equal else "budget may differ from the other arms"])
    stages = [
        [n, type(stage).__name__, length(stage), stage.batch_size, data(stage), settings(stage)]
        for stage, n in numbers.items()
    ]
    heads = ["stage", "method", "length", "rows per step", "data", "settings that differ from the method's defaults"]
    return [
        ("arms", ["arm", "[base] own stages", ""], arms, "numbers refer to the table of stages"),
        ("stages", heads, stages, ""),
    ]


def length(stage) -> str:
    """The length of a stage, in steps or FLOPs."""
    return f"{stage.steps} steps" if stage.steps is not None else large(stage.flops, "FLOPs")


def data(stage) -> str:
    """The data of a stage, in words."""
    held = [(name, getattr(stage, name, None)) for name in DATA]
    return "\n".join(
        in_words(value) if name == "data" else f"{name}: {in_words(value)}" for name, value in held if value
    )


def settings(stage) -> str:
    """The fields of a stage that differ from the defaults of its class, except data and length."""
    told = []
    for field in fields(stage):
        value = getattr(stage, field.name)
        default = field.default if field.default is not MISSING else None
        if field.default_factory is not MISSING:
            default = field.default_factory()
        if field.name not in ("steps", "flops", "batch_size", *DATA) and value != default:
            told.append(f"{field.name} {in_words(value, default)}")
    return "; ".join(told)


def in_words(value, default=None) -> str:
    """The value of a field in words: a source by ops and world, a recipe by key, another dataclass by the fields that
    differ from the default."""
    name = type(value).__name__
    if name == "Source":
        given = f", {between(value.length)} givens" if value.length else ""
        return f"ops {between(value.ops)} {value.world}" + f" {value.mode}" * (value.mode != "forward") + given
    if name == "Mixture":
        return " + ".join(f"{100 * weight:.3g} % {in_words(part)}" for weight, part in value.parts if weight)
    if name == "Recipe":
        return f"model {value.key[:12]}"
    if is_dataclass(value):
        plain = default if type(default) is type(value) else None
        own = [(f.name, getattr(value, f.name), plain_of(f, plain)) for f in fields(value)]
        return " ".join(f"{n}={v}" for n, v, usual in own if v != usual) or name
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return str(value)


def plain_of(field, plain):
    """The value of a field in ``plain``, the default object, or the default of the field."""
    return getattr(plain, field.name) if plain is not None else field.default


def between(span: tuple[int, int]) -> str:
    """A range in words, such as "1 to 4"."""
    return str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}"
