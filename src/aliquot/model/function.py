"""A step that is a Python function: its name in a pipeline, its decorator, and the files that it may return."""

import re
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

FUNCTION = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
"""How a pipeline names a function: `module:function`, the module as Python names it from the lab's folder."""

STEP_MARK = "__aliquot_step__"
"""The attribute by which a worker knows a function that may be called as a step."""


def step(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function a step that a pipeline can name under `python: module:function`.

    It is called once for each datum, by name: an input is a `pathlib.Path` of the file or folder, or its `bytes`, as
    the annotation says; `out` is the folder for results; parameters, captures and exports of earlier steps have their
    own types. It may return a dict of exports, or `Files`. The function itself is not changed: tests call it directly.
    """
    setattr(function, STEP_MARK, True)
    return function


class Files(dict[str, "bytes | str"]):
    """Results that a step returns in place of writing them: content by path below `out/`, and exports beside it.

    A text is written as UTF-8. `exports` are what `out/exports.json` would hold.
    """

    def __init__(
        self, files: Mapping[str, bytes | str] | None = None, *, exports: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(files or {})
        self.exports = exports


def require_function(text: str) -> str:
    """Refuse what names no function of a module, with `ValueError`."""
    if not re.fullmatch(FUNCTION, text, re.ASCII):
        raise ValueError(f"{text!r} is no function; write module:function, like steps.smooth:smooth")
    return text


def module_file(function: str) -> str:
    """Give the file below the lab's folder that holds a function's module."""
    return function.partition(":")[0].replace(".", "/") + ".py"
