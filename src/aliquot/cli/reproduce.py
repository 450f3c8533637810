"""`aliquot reproduce`: make files again, and see whether they are the same."""

from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import heading, line, print_json, say, stderr, table
from aliquot.cli.text import count, digest, plain, plain_lines
from aliquot.lab.reproduce import FileAgain, Reproduced, TaskAgain, find_chain
from aliquot.lab.reproduce import reproduce as make_again
from aliquot.model.reference import parse_reference
from aliquot.remote import reproduce as afar

app = noun("reproduce")

_TAIL = 12


@app.default
def reproduce(reference: Annotated[str, Parameter(name="REFERENCE")], /, *, options: Options = OPTIONS) -> int:
    """Do the chain of tasks again that made a file, from what arrived on, and compare: apart, and without the cache.

    Nothing in the lab changes. Exits 1 unless every file is identical.

    Parameters
    ----------
    reference
        dataset@version:path; a folder or a whole version makes all of its files again.
    """
    asked = parse_reference(reference)
    with stderr().status("") as status:

        def tell(done: int, of: int, task: str) -> None:
            last = f"; the last was {plain(task)}" if task else ""
            status.update(f"{done:,} of {count(of, 'task')} done again{last}" if of else "")

        found = options.ask(
            lambda lab: make_again(lab, asked, find_chain(lab, lab.by, asked), tell),
            lambda client: afar.reproduce(client, asked, tell),
        )
    if options.json:
        print_json(found.document())
        return 0 if found.identical else 1
    table(
        ("file", "", "was", "is", "made by"),
        [(each.path, each.verdict, _short(each.before), _short(each.after), each.task) for each in found.files],
        empty="",
    )
    for each in found.files:
        _show_difference(each)
    for each in found.tasks:
        if not each.identical:
            _show_task(each)
    say(f"\n{_verdict(found)}")
    return 0 if found.identical else 1


def _show_difference(each: FileAgain) -> None:
    if each.verdict != "different":
        return
    heading(plain(each.path))
    if each.first_byte is not None:
        line(f"  the first difference is at byte {each.first_byte:,}")
    for text in plain_lines(each.lines).split("\n") if each.lines else ():
        line(f"  {text}", "green" if text.startswith("+") else "red" if text.startswith("-") else "dim")


def _show_task(each: TaskAgain) -> None:
    heading(f"Task {plain(each.task)}")
    if each.state != "COMPLETE":
        line(f"  {each.cause}: {plain(each.message)}", "red")
        for text in plain_lines(each.tail).rstrip("\n").split("\n")[-_TAIL:] if each.tail else ():
            line(f"  │ {text}", "dim")
        return
    for what in each.differed:
        line(f"  differed: {plain(what)}")
    if not each.differed:
        line("  Its inputs, code, parameters and environment are as they were: its command does not repeat itself.")


def _verdict(found: Reproduced) -> str:
    again = f"{count(len(found.tasks), 'task')} done again."
    if found.identical:
        several = "The file is" if len(found.files) == 1 else f"All {len(found.files):,} files are"
        return f"{several} identical: {again}"
    other = sum(each.verdict != "identical" for each in found.files)
    return f"{other:,} of {count(len(found.files), 'file')} could not be made again as {_were(other)}: {again}"


def _were(number: int) -> str:
    return "it was" if number == 1 else "they were"


def _short(text: str | None) -> str:
    return digest(text) if text else ""
