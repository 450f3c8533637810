"""`aliquot apply`: registering definitions."""

from collections import Counter
from collections.abc import Sequence

from aliquot.cli.approval import tell_asked
from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import line, print_json, stdout, table
from aliquot.cli.text import plain
from aliquot.definitions.difference import Change
from aliquot.lab import approving
from aliquot.lab.definitions import apply as apply_definitions

app = noun("apply")

_SIGNS = {"new": ("+", "green"), "changed": ("~", "yellow"), "gone": ("-", "red")}


@app.default
def apply(*, dry_run: bool = False, because: str = "", options: Options = OPTIONS) -> None:
    """Register what changed in the lab's folder.

    Parameters
    ----------
    dry_run
        Only show what would change.
    because
        The reason, where aliquot.yaml asks for a second person's approval.
    """
    with options.open() as lab:
        if not dry_run and approving.takes_two(lab, approving.PUBLISH):
            tell_asked(approving.ask_publish(lab, lab.by, because), as_json=options.json)
            return
        changes = apply_definitions(lab, dry_run=dry_run)
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
