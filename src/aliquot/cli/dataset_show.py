"""How versions look."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aliquot.cli.output import facts, heading, print_json, print_json_list, say, table
from aliquot.cli.text import ago, count, digest, moment, plain, size
from aliquot.datasets.history import VersionLine
from aliquot.datasets.provenance import provenance_words
from aliquot.datasets.read import Entry, Version
from aliquot.lab.version_look import EntryLine, VersionLook

_FIRST = 10


def show_version(look: VersionLook, *, as_json: bool) -> None:
    """Show a version: its facts, where it came from, and its first files with what is said of them."""
    of, found, first, said = look.version, look.line, look.first, look.said
    if as_json:
        print_json({"dataset": of.dataset, "version": of.number, **(found.document() if found else {"files": 0})})
        return
    if found is None:
        say(f"{of.dataset} has no version yet.")
        return
    facts(
        {
            "version": str(of),
            "tags": ", ".join(found.tags),
            "made": moment(found.created_at),
            "from": provenance_words(found.provenance),
            "holds": f"{count(found.files, 'file')}, {size(found.bytes)}",
            "changed": f"{found.added:,} added, {found.removed:,} removed",
            "parked": _missing(found),
            "digest": found.digest,
            "parent": found.parent,
        }
    )
    if first:
        heading("Files")
        table(("path", ">size", "digest", "said of it"), [_file(each, said) for each in first[:_FIRST]], empty="")
    if len(first) > _FIRST:
        say(f"… and more; `aliquot dataset files {of}` lists all {found.files:,}.")


def show_log(lines: Sequence[VersionLine], *, as_json: bool) -> None:
    """Show a dataset's versions."""
    if as_json:
        print_json([each.document() for each in lines])
        return
    table(
        (">version", "made", ">files", ">size", ">added", ">removed", ">parked", "tags", "from", "digest"),
        [
            (
                each.number,
                ago(each.created_at),
                each.files,
                size(each.bytes),
                each.added or "",
                each.removed or "",
                each.parked or "",
                ", ".join(each.tags),
                provenance_words(each.provenance),
                digest(each.digest),
            )
            for each in lines
        ],
        empty="There is no version yet.",
    )


def show_files(of: Version, found: Iterable[Entry | EntryLine], *, as_json: bool) -> None:
    """Show the files of a version, each as it is read: there may be millions."""
    if as_json:
        print_json_list({"path": each.path, "digest": each.digest, "size": each.size} for each in found)
        return
    files = total = 0
    for each in found:
        # Not through rich, which would take minutes over a million lines.
        sys.stdout.write(f"{size(each.size):>10}  {digest(each.digest)}  {plain(each.path)}\n")
        files += 1
        total += each.size
    say(f"{count(files, 'file')}, {size(total)} of {of}." if files else f"{of} holds no file there.")


def _missing(found: VersionLine) -> str:
    if not found.parked:
        return ""
    named = ", ".join(found.provenance.get("parked", []))
    return f"{count(found.parked, 'datum', 'datums')} missing because they failed: {named}"


def _file(each: EntryLine, said: Mapping[int, Any]) -> tuple[str, str, str, str]:
    words = ", ".join(f"{name}={one['value']}" for name, one in said.get(each.receipt_id or 0, {}).items())
    return each.path, size(each.size), digest(each.digest), words
