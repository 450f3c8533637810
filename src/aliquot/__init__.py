"""Aliquot, the data platform of biotech and clinical laboratories.

From Python: `Lab` opens a lab, `connect` one on a server; `step` and `Files` are for steps that are functions. Each is
loaded when it is first asked for, so that `import aliquot` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aliquot.lab.api import Lab
    from aliquot.model.function import Files, step
    from aliquot.remote.api import connect

__version__ = "0.1.0"

__all__ = ["Files", "Lab", "__version__", "connect", "step"]

_PLACES = {
    "Files": "aliquot.model.function", "Lab": "aliquot.lab.api", "connect": "aliquot.remote.api",
    "step": "aliquot.model.function",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'aliquot' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
