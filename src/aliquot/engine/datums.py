"""Datums: the parts of the inputs that one task each works on.

The rules are Pachyderm's, as its documentation of globs, cross and group inputs gives them: a glob makes datums of an
input's entries, several inputs are crossed, and the inputs with `group_by` are put together by the value of their key.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aliquot.model.digest import Digest
from aliquot.model.glob import Captures, compile_glob
from aliquot.model.pipeline import StepInput


class File(NamedTuple):
    """A file that a step may take: path, digest, size in bytes, and the key of the task that made it."""

    path: str
    digest: Digest
    size: int
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What a datum holds of one input.

    `matched` is the entry that the glob matched, `/` when there are several; `single` says that it is one file.
    """

    input: str
    matched: str
    captures: Captures
    files: tuple[File, ...]
    single: bool


Datum = tuple[Part, ...]
"""What one task works on: a part of each input, in the order in which the step names them."""


def form(inputs: Mapping[str, StepInput], files: Mapping[str, Sequence[File]]) -> list[Datum]:
    """Make the datums of a step, in a stable order, from the files of each input."""
    lines: list[list[Datum]] = []
    grouped: list[str] = []
    for name, given in inputs.items():
        if given.group_by:
            grouped.append(name)
        else:
            lines.append([(part,) for part in match(name, given.glob, files[name])])
    if grouped:
        lines.append(_group(grouped, inputs, files))
    order = {name: position for position, name in enumerate(inputs)}
    if len(lines) == 1:
        return lines[0]
    return [
        tuple(sorted(itertools.chain.from_iterable(combination), key=lambda part: order[part.input]))
        for combination in itertools.product(*lines)
    ]


def match(name: str, glob: str, files: Sequence[File]) -> list[Part]:
    """Make the parts of one input by its glob: one for each entry that matches."""
    compiled = compile_glob(glob)
    if glob == "/":
        return [Part(name, "/", {}, tuple(files), single=False)] if files else []
    datum_of = compiled.datum_of
    found: dict[str, tuple[Captures, list[File]]] = {}
    for file in files:
        hit = datum_of(file.path)
        if hit is None:
            continue
        entry, captures = hit
        if entry in found:
            found[entry][1].append(file)
        else:
            found[entry] = (captures, [file])
    return [
        Part(name, entry, captures, tuple(members), single=len(members) == 1 and members[0].path == entry)
        for entry, (captures, members) in found.items()
    ]


def _group(names: Sequence[str], inputs: Mapping[str, StepInput], files: Mapping[str, Sequence[File]]) -> list[Datum]:
    """Put together what shares the value of its group key, over all inputs that have one."""
    groups: dict[str, dict[str, list[Part]]] = {}
    for name in names:
        template = inputs[name].group_by or ""
        for part in match(name, inputs[name].glob, files[name]):
            groups.setdefault(key_value(template, part.captures), {}).setdefault(name, []).append(part)
    return [tuple(_together(name, parts) for name, parts in members.items()) for _, members in sorted(groups.items())]


def _together(name: str, parts: Sequence[Part]) -> Part:
    first = parts[0].captures
    shared = {each: value for each, value in first.items() if all(part.captures.get(each) == value for part in parts)}
    return Part(name, "/", shared, tuple(file for part in parts for file in part.files), single=False)


def key_value(template: str, captures: Captures) -> str:
    """Fill `$1`, `$name` and `${name}` in a group key with what a glob captured."""
    return re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: captures.get(found[1] or found[2], ""), template)


def named(datum: Datum) -> dict[str, str]:
    """Give the named captures of a datum, which commands see in capitals."""
    return {name: value for part in datum for name, value in part.captures.items() if not name.isdigit()}


def label(datum: Datum) -> str:
    """Name a datum for a person: what it captured or matched."""
    return label_of([(part.matched, part.captures) for part in datum])


def label_of(parts: Sequence[tuple[str, Captures]]) -> str:
    """Name a datum by what its parts matched, or else by what they captured, under a name or a number."""
    matched = [entry for entry, _ in parts if entry != "/"]
    found = [(name.isdigit(), value) for _, captures in parts for name, value in captures.items()]
    captured = [value for numbered, value in found if not numbered] or [value for _, value in found]
    return " + ".join(matched or dict.fromkeys(captured)) or "everything"
