"""A content key names a description by everything in it and refuses whatever has no stable meaning.

Equal descriptions have equal keys, different ones different keys. As Python has 1 == 1.0 == True, a field's annotation
decides what a number is: an int in a field typed `float` becomes that float; a float or a bool in a field typed `int`
is refused; where the annotation does not speak of numbers, 1 and 1.0 are distinct. -0.0 is 0.0. Classes enter by their
bare name, so that a class may move to another file without changing any key.

Beyond its fields, a class says that its code changed by raising ``version: ClassVar[int]``; a property ``content``
(None: nothing) holds what else enters the key, such as the digest of a file, and fields made by `place` are then left
out: the digest says more than where the file lies.
"""

import hashlib
import json
import math
import re
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import MISSING, fields
from functools import cache
from inspect import get_annotations
from typing import Annotated, Any, ClassVar, ForwardRef, Literal, TypeVar, Union, get_args, get_origin

from interlude.models.provenance import own_code
from interlude.synth.added_field import ADDED, PLACE

_READ: ContextVar[dict[int, tuple[object, dict]] | None] = ContextVar("_READ", default=None)
UNRESOLVED = ForwardRef("unresolved")  # an annotation that names something its module does not import at run time


def canonical(description) -> str:
    """The canonical JSON of a description: sorted names, no spaces, ASCII only, floats by `repr`.

    Accepts frozen dataclasses (class name, every field, `version: ClassVar[int]`, the property `content` if there is
    one, and the code of a user's own class), tuples, str, int, bool, None and finite floats. Raises TypeError or
    ValueError naming the path inside the description otherwise.
    """
    root = type(description).__name__ if _is_dataclass(description) else "description"
    return _dump(_plain(description, Any, root))


def key(description) -> str:
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical(description).encode("ascii")).hexdigest()


@contextmanager
def remembering() -> Iterator[None]:
    """Inside, a description that stands in many others is read once. A plan names some hundred recipes made of the same
    few stages, and nothing they mean may change while it does. By identity, as equal numbers may have different keys.
    """
    outer = _READ.get()
    token = _READ.set({} if outer is None else outer)
    try:
        yield
    finally:
        _READ.reset(token)


def short(key: str) -> str:
    """The first 12 digits of a key (48 bits: among 10^5 runs, two share them with probability 2e-5)."""
    if re.fullmatch(r"[0-9a-f]{64}", key) is None:
        raise ValueError(f"key must be 64 lower-case hexadecimal digits, not {key!r}")
    return key[:12]


def folder(name: str, key: str) -> str:
    """The folder of a run: a name for people and a key for the cache, like `grpo-1fed5d864e01`."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) is None:
        raise ValueError(f"name must be letters, digits, '.', '_' or '-' and begin with neither of these, not {name!r}")
    return f"{name}-{short(key)}"


def _dump(plain) -> str:
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def _plain(value, annotation, path: str):
    # Exact types: numpy scalars, enums and named tuples are subclasses of these, and each has a meaning of its own.
    if value is None or type(value) is str:
        return value
    if type(value) in (bool, int, float):
        return _number(value, annotation, path)
    if type(value) is tuple:
        return [
            _plain(item, inner, f"{path}[{i}]")
            for i, (item, inner) in enumerate(zip(value, _inner(annotation, len(value)), strict=True))
        ]
    if _is_dataclass(value):
        return _dataclass(value, path)
    raise TypeError(f"{path}: a {type(value).__name__} has no stable meaning in a key")


def _number(value, annotation, path: str):
    kinds = _kinds(annotation)
    if UNRESOLVED in kinds:
        raise TypeError(f"{path}: a number needs an annotation that its module can resolve")
    if type(value) is int and float in kinds and int not in kinds and Any not in kinds:
        value = _widen(value, path)
    if type(value) not in kinds and Any not in kinds:
        raise TypeError(f"{path}: the {type(value).__name__} {value!r} does not fit the annotation {annotation!r}")
    if type(value) is float and not math.isfinite(value):
        raise ValueError(f"{path}: {value!r} is not finite")
    return value + 0.0 if type(value) is float else value  # -0.0 + 0.0 is 0.0


def _widen(value: int, path: str) -> float:
    if abs(value) > 2**1023 or int(float(value)) != value:
        raise ValueError(f"{path}: the int {value} has no float of the same value")
    return float(value)


def _kinds(annotation) -> set:
    """The types of number that an annotation admits; {Any} where it does not speak of numbers at all."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return set().union(*(_kinds(member) for member in get_args(annotation)))
    if origin is Annotated:
        return _kinds(get_args(annotation)[0])
    if origin is Literal:
        return {type(choice) for choice in get_args(annotation)}
    if annotation in (Any, object) or isinstance(annotation, TypeVar):
        return {Any}
    if isinstance(annotation, (str, ForwardRef)):
        return {UNRESOLVED}
    return {annotation} & {bool, int, float}


def _inner(annotation, length: int) -> list:
    """The annotation of each of `length` items of a tuple; Any for each where the annotation does not say."""
    if isinstance(annotation, (str, ForwardRef)):
        return [UNRESOLVED] * length
    if get_origin(annotation) is Annotated:
        return _inner(get_args(annotation)[0], length)
    if get_origin(annotation) in (Union, types.UnionType):
        fitting = [member for member in get_args(annotation) if _fits(member, length)]
        return _inner(fitting[0], length) if len(fitting) == 1 else [Any] * length
    items = get_args(annotation) if get_origin(annotation) is tuple else ()
    if len(items) == 2 and items[1] is Ellipsis:
        return [items[0]] * length
    return list(items) if len(items) == length else [Any] * length


def _fits(annotation, length: int) -> bool:
    items = get_args(annotation)
    return get_origin(annotation) is tuple and (Ellipsis in items or len(items) == length)


def _is_dataclass(value) -> bool:
    # Asked of the class itself: an undecorated subclass inherits the fields of its parent and hides its own.
    return "__dataclass_fields__" in vars(type(value))


def _dataclass(value, path: str) -> dict:
    read = _READ.get()
    if read is None:
        return _fields(value, path)
    if id(value) not in read:
        read[id(value)] = value, _fields(value, path)  # holding it, so that no other gets its id
    return read[id(value)][1]


def _fields(value, path: str) -> dict:
    kind = type(value)
    if not kind.__dataclass_params__.frozen:
        raise TypeError(f"{path}: the dataclass {kind.__name__} is not frozen")
    plain, more = {"class": kind.__name__, "fields": {}}, _content(value, path)
    for part in fields(value):
        if PLACE in part.metadata and more:
            continue
        if part.name == "version":
            raise TypeError(f"{path}.version: version must be a ClassVar[int], not a field")
        annotation, here = _annotation(kind, part.name), f"{path}.{part.name}"
        content = _plain(_value(value, part.name, here), annotation, here)
        if not (ADDED in part.metadata and _dump(content) == _dump(_default(part, annotation, here))):
            plain["fields"][part.name] = content
    return plain | _version(kind, path) | _code(kind) | more


def _value(value, name: str, path: str):
    try:
        return getattr(value, name)
    except AttributeError:
        raise ValueError(f"{path}: the field was never set") from None


def _default(part, annotation, path: str):
    if part.default is MISSING:
        raise TypeError(f"{path}: a later field needs a default")
    return _plain(part.default, annotation, f"{path} (default)")


def _version(kind: type, path: str) -> dict:
    owner = next((base for base in kind.__mro__ if "version" in vars(base)), None)
    if owner is None:
        return {}
    version = vars(owner)["version"]
    if _annotation(kind, "version") != ClassVar[int] or type(version) is not int:
        raise TypeError(f"{path}.version: version must be annotated ClassVar[int] and be an int, not {version!r}")
    return {"version": version}


def _code(kind: type) -> dict:
    digest = own_code(kind)
    return {} if digest is None else {"code": digest}


def _content(value, path: str) -> dict:
    owner = next((base for base in type(value).__mro__ if "content" in vars(base)), None)
    if owner is None or not isinstance(vars(owner)["content"], property):  # a field of that name is in the key already
        return {}
    content = value.content
    return {} if content is None else {"content": _plain(content, Any, f"{path}.content")}


@cache  # a class does not change, and a study asks for the same few fields some hundred thousand times
def _annotation(kind: type, name: str):
    owner = next((base for base in kind.__mro__ if name in get_annotations(base)), None)
    if owner is None:
        return Any
    annotation = get_annotations(owner)[name]
    if type(annotation) is not str:
        return annotation
    try:  # field by field, unlike typing.get_type_hints: one name imported for type checkers must not hide the others
        return eval(annotation, vars(sys.modules[owner.__module__]), dict(vars(owner)))
    except NameError:
        return UNRESOLVED
