"""The small GPT compiled for this machine's CPU (``cpp/``): built at first use, and torch's path where it cannot.

$INTERLUDE_KERNELS chooses: "auto" (the default) takes compiled kernels wherever they can be had, "torch" never does,
"native" raises where they cannot be. $INTERLUDE_CACHE is where builds are kept (``~/.cache/interlude`` if not given).
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import platform
import shlex
import shutil
import subprocess
import sys
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from interlude.models.lazy import torch
from interlude.models.lm import SamplingParams

if TYPE_CHECKING:
    from torch import Tensor

# Shapes: B rows, T positions, R rows and C columns of M matrices, N new tokens.

SOURCE = Path(__file__).with_name("cpp") / "native.cpp"  # it includes the headers beside it
CHOICES = ("auto", "native", "torch")
M = TypeVar("M", bound="torch.nn.Module")
KINDS: list[type] = []  # see ``computes``
OWN = ("forward", "logits_at", "decoder", "_hidden", "_logits")  # a model that overrides one computes something else
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-std=c++20", "-fPIC", "-shared", "-w")
LAYER = ("attention_norm", "qkv", "qkv_bias", "q_norm", "k_norm", "out", "mlp_norm", "gate_up", "down")


class Unavailable(RuntimeError):
    """Compiled kernels were asked for and cannot be had."""


class Sizes(ctypes.Structure):
    """``Sizes`` of cpp/model.h."""

    _fields_ = [(name, ctypes.c_int64) for name in ("layers", "width", "heads", "kv_heads", "head_width", "hidden")] + [
        ("vocab", ctypes.c_int64),
        ("eps", ctypes.c_double),
    ]


# --- which path runs -------------------------------------------------------------------------------------------------


def choice() -> str:
    """$INTERLUDE_KERNELS. Raises ValueError for what it cannot be."""
    found = os.environ.get("INTERLUDE_KERNELS", "auto")
    if found not in CHOICES:
        raise ValueError(f"INTERLUDE_KERNELS must be one of {', '.join(CHOICES)}, got {found!r}")
    return found


def path(model: torch.nn.Module) -> str:
    """Which kernels run this model here and now, "native" or "torch". Raises Unavailable if compiled ones were asked
    for and cannot be had."""
    wanted = choice()
    if wanted == "torch":
        return "torch"
    reason = unsupported(model) or library()[1]
    if reason and wanted == "native":
        raise Unavailable(f"INTERLUDE_KERNELS is native, but {reason}")
    return "torch" if reason else "native"


def computes(kind: type[M]) -> type[M]:
    """Class decorator for the model whose arithmetic cpp/ repeats, ``gpt_network.GPTModel``: it imports this module."""
    KINDS.append(kind)
    return kind


def unsupported(model: torch.nn.Module) -> str | None:
    """Why compiled kernels do not run this model, in words; None if they do."""
    kind = next((kind for kind in KINDS if isinstance(model, kind)), None)
    if kind is None or any(
        name in vars(model) or getattr(type(model), name) is not getattr(kind, name) for name in OWN
    ):
        return f"{type(model).__name__} is no plain GPT"
    present = [weight for weight in weights(model) if weight is not None]
    if any(weight.device.type != "cpu" for weight in present):
        return "the model is not on the CPU"
    if any(weight.dtype != torch.float32 or not weight.is_contiguous() for weight in present):
        return "the model's weights are not float32"
    if torch.is_autocast_enabled("cpu"):
        return "arithmetic is to be in bfloat16"
    if model.sizes.width % 16 or model.sizes.hidden % 16:
        return "its width or hidden width is not a multiple of 16"
    return None


# --- building --------------------------------------------------------------------------------------------------------


@cache
def library() -> tuple[ctypes.CDLL | None, str | None]:
    """The compiled kernels, or why there are none; said once on standard error where that is no wish."""
    try:
        return loaded(built()), None
    except (Unavailable, OSError, subprocess.SubprocessError) as error:
        reason = f"compiled kernels cannot be built here ({error})"
        print(f"{reason}: torch's are used, at about half the speed", file=sys.stderr)
        return None, reason


def built() -> Path:
    """The compiled file, made now if this machine has none of these sources, compiler and torch.

    It is written beside its place and renamed, under a lock that ends with its process, so that of several processes
    one builds and the others wait, and none finds half a file. Raises Unavailable.
    """
    if sys.platform != "linux" or platform.machine() != "x86_64":
        raise Unavailable("they are for Linux on x86-64")
    compiler = shlex.split(os.environ.get("CXX", "")) or [shutil.which("c++") or shutil.which("g++")]
    if compiler[0] is None or shutil.which(compiler[0]) is None:
        raise Unavailable("there is no C++ compiler")
    command = [*compiler, *FLAGS, str(SOURCE), *torch_flags()]
    folder = cache_folder()
    place = folder / f"native-{digest(command)}.so"
    if place.exists():
        return place
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / f"{place.stem}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not place.exists():
                beside = place.with_suffix(f".{os.getpid()}")
                done = subprocess.run([*command, "-o", str(beside)], capture_output=True, text=True)
                if done.returncode:
                    found = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr.strip()]
                    raise Unavailable(f"{compiler[0]} failed: {found[0][:300]}")
                os.replace(beside, place)
    except OSError as error:
        raise Unavailable(f"{folder} cannot be written: {error}") from error
    return place


def cache_folder() -> Path:
    """Where builds are kept."""
    if found := os.environ.get("INTERLUDE_CACHE"):
        return Path(found)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interlude"


def torch_flags() -> list[str]:
    """What finds torch's vector types, has them use the widest vectors that torch itself uses here, and finds the
    exponential function behind them, which is in torch's own library."""
    home = Path(torch.__file__).parent
    width = torch.backends.cpu.get_cpu_capability()
    wide = [f"-DCPU_CAPABILITY_{width}", f"-DCPU_CAPABILITY={width}"] if width in ("AVX2", "AVX512") else []
    return [f"-I{home / 'include'}", *wide, f"-L{home / 'lib'}", "-ltorch_cpu"]


def digest(command: list[str]) -> str:
    """What a build depends on: the sources, the command with its compiler's version, torch, and the processor."""
    version = subprocess.run([command[0], "--version"], capture_output=True, text=True).stdout
    flags = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("flags")), "")
    sources = (path.read_text() for path in sorted(SOURCE.parent.glob("*.[ch]*")))
    parts = (*sources, *command, version, torch.__version__, flags)
    return blake2b("\0".join(parts).encode(), digest_size=12).hexdigest()


def loaded(place: Path) -> ctypes.CDLL:
    """The functions of a compiled file. torch's library, which it needs, is in this process already."""
    found = ctypes.CDLL(str(place))
    pointer, number, real = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double
    rows = (pointer, pointer, pointer, number, pointer, pointer, number, pointer, pointer, real)
    found.native_room.argtypes = (pointer, number, number, number, ctypes.c_int)
    found.native_room.restype = number
    found.native_forward.argtypes = (*rows, ctypes.c_int, pointer, pointer)
    found.native_forward.restype = None
    found.native_backward.argtypes = (*rows, pointer, pointer, pointer)
    found.native_backward.restype = None
    found.native_orthogonal.argtypes = (number, number, number, number, real, real, real, pointer, pointer)
    found.native_orthogonal.restype = None
    found.native_sample.argtypes = (
        *(pointer, pointer, pointer, number, pointer, pointer, pointer, number, number, real, real),
        *(number, number, number, number, pointer, pointer),
    )
    found.native_sample.restype = ctypes.c_int
    return found


# --- what a model looks like from there ------------------------------------------------------------------------------


def weights(model: torch.nn.Module) -> list[Tensor | None]:
    """The model's weights in the order of cpp/model.h; None where it has none such, and for a tied head."""
    own = model._parameters  # as a module's attributes are found slowly
    found = [own["embed"], own["norm"], own.get("head")]
    for layer in model.layers:
        own = layer._parameters
        found += [own.get(name) for name in LAYER]
    return found


def addresses(tensors: list[Tensor | None]) -> ctypes.Array:
    """Where they lie, with the embeddings for a tied head."""
    found = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    found[2] = found[2] or found[0]
    return (ctypes.c_void_p * len(found))(*found)


def sizes(model: torch.nn.Module) -> Sizes:
    """The sizes of a GPT as the compiled kernels take them."""
    s = model.sizes
    return Sizes(s.layers, s.width, s.heads, s.kv_heads, s.head_width, s.hidden, s.vocab.size, s.norm_eps)


# --- Newton-Schulz ---------------------------------------------------------------------------------------------------


def orthogonal(x_MRC: Tensor, iterations: int, quintic: tuple[float, float, float]) -> Tensor:
    """``models.optim.orthogonal`` in place of ``x_MRC``, whose dimensions R <= C are multiples of 16."""
    count, rows, columns = x_MRC.shape
    scratch = torch.empty(2 * rows * (rows + columns))
    library()[0].native_orthogonal(count, rows, columns, iterations, *quintic, x_MRC.data_ptr(), scratch.data_ptr())
    return x_MRC


# --- sampling --------------------------------------------------------------------------------------------------------


def sample(
    model: torch.nn.Module, prompts: list[list[int]], streams: np.ndarray, params: SamplingParams
) -> tuple[np.ndarray, np.ndarray]:
    """New ids and their log-probabilities, one row a prompt and ``max_new_tokens`` columns, with padding and zeros
    after a row's end; see ``models.sample.sample_piece``. Raises ValueError for logits that are not finite."""
    room = params.max_new_tokens
    start = np.concatenate(([0], np.cumsum([len(prompt) for prompt in prompts])))
    ids = np.fromiter((token for prompt in prompts for token in prompt), dtype=np.int64, count=start[-1])
    longest = max(map(len, prompts))
    if longest + room > len(model.turns):
        raise ValueError(f"{longest} prompt and {room} new tokens exceed the model's {len(model.turns)} positions")
    streams = np.ascontiguousarray(streams)
    out, logp = np.empty((len(prompts), room), np.int64), np.empty((len(prompts), room), np.float32)
    s = sizes(model)
    failed = library()[0].native_sample(
        *(ctypes.byref(s), addresses(weights(model)), model.turns.data_ptr(), len(prompts), start.ctypes.data),
        *(ids.ctypes.data, streams.ctypes.data, streams.shape[1], room, params.temperature, params.top_p),
        *(-1 if params.stop_token is None else params.stop_token, params.tokens_after_stop),
        *(model.end, model.pad, out.ctypes.data, logp.ctypes.data),
    )
    if failed:
        raise ValueError("the model's logits are not finite: it has diverged or its weights are damaged")
    return out, logp
