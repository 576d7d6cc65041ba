"""How the arms of a study were trained, as one table: every stage once, and which stages each arm goes through."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass

from interlude.studies.console import large
from interlude.studies.layout import Table

DATA = ("data", "replay")  # fields that say what is read or asked


def recipe_tables(study) -> list[Table]:
    """Two tables: the arms by the numbers of their stages, those of the shared base in brackets; and the stages."""
    numbers: dict = {}
    arms = []
    for arm in study.arms:
        shared = len(study.base_of(arm).stages)
        each = [numbers.setdefault(stage, len(numbers) + 1) for stage in arm.recipe.stages]
        base, own = each[:shared], each[shared:]
        path = f"[{' '.join(map(str, base))}]" * bool(base) + "".join(f" {n}" for n in own)
        arms.append([arm.name, path.strip(), "" if arm.equal else "its compute need not equal the others'"])
    stages = [
        [n, type(stage).__name__, length(stage), stage.batch_size, data(stage), settings(stage)]
        for stage, n in numbers.items()
    ]
    heads = ["stage", "method", "length", "rows a step", "data", "settings that are not the method's defaults"]
    return [
        ("arms", ["arm", "[base] own stages", ""], arms, "numbers of the stages below"),
        ("stages", heads, stages, ""),
    ]


def length(stage) -> str:
    return f"{stage.steps} steps" if stage.steps is not None else large(stage.flops, "FLOPs")


def data(stage) -> str:
    """What a stage reads or asks."""
    held = [(name, getattr(stage, name, None)) for name in DATA]
    return "\n".join(
        in_words(value) if name == "data" else f"{name}: {in_words(value)}" for name, value in held if value
    )


def settings(stage) -> str:
    """The fields of a stage that differ from its class's defaults, data and length aside."""
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
    """A field's value: sources by ops and world, recipes by key, other descriptions by what differs from the
    default."""
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
    """The value of a field in the description that serves as default, or its own default."""
    return getattr(plain, field.name) if plain is not None else field.default


def between(span: tuple[int, int]) -> str:
    return str(span[0]) if span[0] == span[1] else f"{span[0]} to {span[1]}"
