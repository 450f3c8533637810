"""`aliquot apply`: registering definitions."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.approval import tell_asked
from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import line, print_json, say, stdout, table
from aliquot.cli.text import plain
from aliquot.definitions.difference import Change
from aliquot.definitions.sent import gather_files
from aliquot.lab import approving
from aliquot.lab.definitions import apply as apply_definitions
from aliquot.lab.lab import find_folder
from aliquot.lab.sources import missing_folders
from aliquot.model.errors import Invalid, Missing
from aliquot.remote import definitions as afar

app = noun("apply")

_SIGNS = {"new": ("+", "green"), "changed": ("~", "yellow"), "gone": ("-", "red")}


@app.default
def apply(
    folder: Annotated[Path | None, Parameter(name="DIR")] = None, /, *, dry_run: bool = False, because: str = "",
    base: str = "", options: Options = OPTIONS,
) -> None:  # fmt: skip
    """Register what changed in the lab's folder; with --server, what a folder here defines.

    Parameters
    ----------
    folder
        With --server, where the definitions are; by default the lab's folder around this one, or this one.
    dry_run
        Only show what would change.
    because
        The reason, where aliquot.yaml asks for a second person's approval.
    base
        With --server, where definitions would go: what --dry-run has said, so that nothing goes unseen.
    """
    if options.server:
        _apply_there(options, _folder(folder), because, base, dry_run=dry_run)
        return
    if base:
        raise Invalid("base-not-here", "--base goes with --server; leave it out, or name a server.", base=base)
    if folder is not None:
        words = "A lab registers what its own folder defines; name that with --lab, or a server with --server."
        raise Invalid("folder-not-here", words, folder=str(folder))
    with options.open() as lab:
        if not dry_run and approving.takes_two(lab, approving.PUBLISH):
            tell_asked(approving.ask_publish(lab, lab.by, because), as_json=options.json)
            return
        changes = apply_definitions(lab, dry_run=dry_run)
        missing = missing_folders(lab)
    _tell(options, changes, dry_run=dry_run)
    for name, watched in missing.items():
        say(f"The source {name} watches {watched}, which is not there; make or mount it, or correct aliquot.yaml.")


def _apply_there(options: Options, folder: Path, because: str, base: str, *, dry_run: bool) -> None:
    files = gather_files(folder)
    with options.connect() as client:
        if dry_run:
            seen = afar.compare(client, files)
            _tell(options, seen.changes, dry_run=True)
            if any(each.change == "gone" for each in seen.changes):
                say(f"What is gone from the folder goes there only with --base {seen.base}")
            return
        done = afar.apply(client, files, because, base)
    if done.asked is not None:
        tell_asked(done.asked, as_json=options.json)
        return
    _tell(options, done.changes, dry_run=False)


def _folder(named: Path | None) -> Path:
    if named is not None:
        return named.absolute()
    try:
        return find_folder(Path.cwd())
    except Missing:
        return Path.cwd()


def _tell(options: Options, changes: Sequence[Change], *, dry_run: bool) -> None:
    if options.json:
        print_json([change.document() for change in changes])
        return
    changed = [change for change in changes if change.change != "unchanged"]
    if not changed:
        line(f"Nothing has changed; {_of(changes)} registered.")
        return
    if dry_run:
        _show_differences(changed)
    else:
        _list(changed)
    counts = Counter(change.change for change in changes)
    said = ", ".join(f"{counts[word]} {word}" for word in ("new", "changed", "gone", "unchanged") if counts[word])
    line(f"\n{'Would be registered' if dry_run else 'Registered'}: {said}.")


def _of(changes: Sequence[Change]) -> str:
    return "1 definition is" if len(changes) == 1 else f"{len(changes)} definitions are"


def _list(changed: Sequence[Change]) -> None:
    from rich.text import Text

    rows: list[tuple[Text, str, str]] = []
    for change in changed:
        sign, style = _SIGNS[change.change]
        rows.append((Text(f"{sign} {change.change}", style=style), change.kind, change.name))
    table(("", "kind", "name"), rows, empty="")


def _show_differences(changed: Sequence[Change]) -> None:
    from rich.text import Text

    for position, change in enumerate(changed):
        sign, style = _SIGNS[change.change]
        title = f"{'' if position == 0 else chr(10)}{sign} {change.kind} {plain(change.name)} ({change.change})"
        stdout().print(Text(title, style=f"bold {style}"))
        for each in change.diff.splitlines():
            if each.startswith(("---", "+++")):
                continue
            tint = {"+": "green", "-": "red", "@": "cyan"}.get(each[:1], "dim")
            stdout().print(Text("  " + plain(each), style=tint), soft_wrap=True)
