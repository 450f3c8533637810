"""Aliquot, the data platform of biotech and clinical laboratories.

From Python: `Lab` opens a lab; `step` and `Files` are for steps that are functions. Each is loaded when it is first
asked for, so that `import aliquot` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aliquot.lab.api import Lab
    from aliquot.model.function import Files, step

__version__ = "0.1.0"

__all__ = ["Files", "Lab", "__version__", "step"]

_PLACES = {"Files": "aliquot.model.function", "Lab": "aliquot.lab.api", "step": "aliquot.model.function"}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'aliquot' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
