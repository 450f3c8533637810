"""What a step takes: its inputs by name, and how the entries of several are combined to datums."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Discriminator,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Tag,
    model_serializer,
    model_validator,
)
from pydantic import Field as Setting

from aliquot.model.definition import Definition

How = Literal["cross", "join", "group", "union"]
"""How several inputs are combined."""

HOWS: tuple[How, ...] = ("cross", "join", "group", "union")

At = tuple[str | int, ...]
"""Where a part stands below `inputs`: keys and positions, such as `("join", 0, "reads")`."""


class StepInput(Definition):
    """What a step takes from a pipeline's input or from another step, and how it makes datums of it."""

    from_: str = Setting(alias="from")
    """An input of the pipeline, or another step."""
    glob: str = "/"
    """Which entries are datums: `/` all as one, `/*` each top-level entry, `/**` every file."""
    join_on: str | None = None
    """Captures such as `$sample`: in a `join`, what shares their value belongs together."""
    outer_join: bool = False
    """In a `join`, keep the entries of this input that have no partner, too."""
    group_by: str | None = None
    """Captures such as `$sample`: what shares their value is one datum."""


def _is_input(value: Any) -> bool:
    return isinstance(value, dict | list)


def _form(value: Any) -> str:
    return "[one]" if isinstance(value, dict | StepInput) else "[several]"


_Several = Annotated[
    Annotated[list["Inputs"], Setting(min_length=1), Tag("[several]")] | Annotated[StepInput, Tag("[one]")],
    Discriminator(_form),
]


class Inputs(Definition):
    """Inputs by name, side by side or combined; the four words below may stand in each other."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, StepInput] = Setting(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]  # pydantic's way to give the type of further keys

    cross: _Several = Setting(default_factory=list)
    """Every combination of the datums of these inputs, as of inputs that stand side by side."""
    join: _Several = Setting(default_factory=list)
    """The combinations whose `join_on` has the same value."""
    group: _Several = Setting(default_factory=list)
    """One datum of all entries whose `group_by` has the same value, over all of these inputs."""
    union: _Several = Setting(default_factory=list)
    """The datums of these inputs side by side: in each datum one of them is there."""

    _order: tuple[str, ...] = PrivateAttr(())

    @model_validator(mode="wrap")
    @classmethod
    def _in_the_order_of_writing(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        given: dict[str, Any] = value if isinstance(value, dict) else {}
        for word in HOWS:
            inner = given.get(word)
            if isinstance(inner, dict) and inner and "from" not in inner and all(map(_is_input, inner.values())):
                raise ValueError(f"{word!r} takes a list; write '-' before each of its inputs")
        read = handler(value)
        read._order = tuple(given)  # noqa: SLF001  # its own
        return read

    @model_serializer(mode="plain")
    def _as_written(self) -> dict[str, Any]:
        return dict(self.parts())

    def parts(self) -> Iterator[tuple[str, "StepInput | list[Inputs]"]]:
        """Give what stands here by its key, in the order of writing."""
        for key in self._order:
            yield key, getattr(self, key) if key in HOWS else self.__pydantic_extra__[key]


@dataclass(frozen=True, slots=True)
class Leaf:
    """One input, as a part of a combination."""

    name: str
    at: At


@dataclass(frozen=True, slots=True)
class Combined:
    """Several parts combined; `at` is where the word stands, or what encloses inputs that stand side by side."""

    how: How
    of: "tuple[Combination, ...]"
    at: At


Combination = Leaf | Combined
"""How a step's datums are made of its inputs, as a tree. A cross of nothing has one datum: the empty one."""


def combination(inputs: Inputs) -> Combination:
    """Make the tree of a step's inputs.

    Inputs side by side are crossed, those of them with `group_by` as one group. Elsewhere an input's `group_by` belongs
    to the `group` around it; an input without one is a group by itself.
    """
    return _side_by_side(inputs, ())


def leaves(part: Combination) -> Iterator[Leaf]:
    """Give the inputs of a combination, in the order of writing."""
    if isinstance(part, Leaf):
        yield part
    else:
        for each in part.of:
            yield from leaves(each)


def flat(inputs: Inputs) -> Iterator[tuple[At, str, StepInput]]:
    """Give each input with its place and name, in the order of writing."""
    for key, value in inputs.parts():
        if isinstance(value, StepInput):
            yield (key,), key, value
        else:
            for position, inner in enumerate(value):
                for at, name, given in flat(inner):
                    yield (key, position, *at), name, given


def same_value(one: str | None, other: str | None) -> bool:
    """Say whether two templates such as `$sample` and `${sample}` are there and name the same value."""
    return one is not None and other is not None and _normal(one) == _normal(other)


def meeting(part: Combination, one: str, other: str) -> How | None:
    """Give how two inputs of a combination meet: the innermost word around both; None if they do not."""
    if isinstance(part, Leaf):
        return None
    for each in part.of:
        if found := meeting(each, one, other):
            return found
    names = {each.name for each in leaves(part)}
    return part.how if {one, other} <= names else None


def _normal(template: str) -> str:
    return re.sub(r"\$(\w+)", r"${\1}", template, flags=re.ASCII)


def _side_by_side(inputs: Inputs, at: At) -> Combination:
    crossed: list[Combination] = []
    grouped: list[Combination] = []
    for key, value in inputs.parts():
        if not isinstance(value, StepInput):
            crossed.append(_several(key, value, (*at, key), grouping=False))
        elif value.group_by:
            grouped.append(Leaf(key, (*at, key)))
        else:
            crossed.append(Leaf(key, (*at, key)))
    if grouped:
        crossed.append(Combined("group", tuple(grouped), at))
    return crossed[0] if len(crossed) == 1 else Combined("cross", tuple(crossed), at)


def _several(how: str, inner: list[Inputs], at: At, *, grouping: bool) -> Combination:
    """Combine the parts of a list; `grouping` says that a `group` around it wants the `group_by` of its inputs."""
    grouping |= how == "group"
    parts: list[Combination] = []
    for position, inputs in enumerate(inner):
        for key, value in inputs.parts():
            there = (*at, position, key)
            if not isinstance(value, StepInput):
                parts.append(_several(key, value, there, grouping=grouping))
            elif value.group_by and not grouping:
                parts.append(Combined("group", (Leaf(key, there),), there))
            else:
                parts.append(Leaf(key, there))
    return Combined(HOWS[HOWS.index(how)], tuple(parts), at)
