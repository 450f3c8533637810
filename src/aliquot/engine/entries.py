"""The entries of one input: what its glob matches, and the values by which they are joined and grouped."""

import re
from collections.abc import Callable, Sequence

from aliquot.engine.datums import File, Part
from aliquot.model.glob import Captures, compile_glob

_PLACEHOLDER = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)


def parts_of(name: str, glob: str, files: Sequence[File]) -> list[Part]:
    """Make the parts of one input by its glob: one for each entry that matches, in the order of the files."""
    if glob == "/":
        return [Part(name, "/", {}, tuple(files), single=False)] if files else []
    datum_of = compile_glob(glob).datum_of
    found: dict[str, Part] = {}
    several: dict[str, list[File]] = {}
    for file in files:
        hit = datum_of(file.path)
        if hit is None:
            continue
        entry, captures = hit
        if entry not in found:
            found[entry] = Part(name, entry, captures, (file,), single=file.path == entry)
        else:
            several.setdefault(entry, list(found[entry].files)).append(file)
    for entry, members in several.items():
        found[entry] = Part(name, entry, found[entry].captures, tuple(members), single=False)
    return list(found.values())


def filler(template: str) -> Callable[[Captures], str]:
    """Give what fills `$1`, `$name` and `${name}` of a key with captured text, made once for many entries."""
    alone = _PLACEHOLDER.fullmatch(template)
    if alone:
        name = alone[1] or alone[2]
        return lambda captures: captures.get(name, "")
    return lambda captures: _PLACEHOLDER.sub(lambda found: captures.get(found[1] or found[2], ""), template)
