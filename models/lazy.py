"""torch, imported at its first use: commands that read descriptions and tables never wait for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from importlib import import_module


class Lazy:
    """Stands for a module, which is imported when an attribute of it is first read.

    It is no module in ``sys.modules``: libraries that look there for torch must not find it before it is loaded.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str):
        return getattr(import_module(self._name), attribute)


torch = Lazy("torch")


def within(context: str) -> Callable:
    """``torch.no_grad()`` or ``torch.inference_mode()`` as a decorator that loads torch only once the function is
    called."""

    def decorate(function: Callable) -> Callable:
        @wraps(function)
        def call(*args, **more):
            with getattr(torch, context)():
                return function(*args, **more)

        return call

    return decorate


no_grad, inference_mode = within("no_grad"), within("inference_mode")
