"""Records that nobody changes, where the type checker is who sees to it."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: type[T]) -> type[T]:
    """Make a dataclass with slots that is frozen for the type checker alone.

    For what is made several times for each of a hundred thousand tasks: an `Outcome` takes 0.5 µs to make so, and 1.6
    as a `frozen` one.
    """
    return dataclass(slots=True)(cls)
