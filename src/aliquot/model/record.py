"""Records that nobody changes, where the type checker is who sees to it."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a dataclass with slots that is frozen for the type checker alone.

    For what is made several times for each of a hundred thousand tasks: a `frozen` dataclass of eighteen fields takes
    1.6 µs to make, this one 0.5.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)
