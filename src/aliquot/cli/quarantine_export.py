"""`aliquot quarantine export`: taking refused files out, to look at them or to send them to somebody."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import line, print_json
from aliquot.cli.text import plain
from aliquot.intake import quarantine
from aliquot.lab.held_export import write_folders, write_zip
from aliquot.model.errors import Invalid


def export(
    number: Annotated[int, Parameter(name="ID")], /, *more: Annotated[str, Parameter(name="TO")],
    findings: bool = False, options: Options = OPTIONS,
) -> None:  # fmt: skip
    """Write refused files to a place where a person can look at them.

    One alone is written as it came. Several, a zip, and one with --findings have a folder for each number: its files,
    `findings.csv` and `quarantine.json`.

    Parameters
    ----------
    number
        The number that `quarantine list` shows.
    more
        Where to, after further numbers: a new file or a folder that is there, for several a folder, or a new .zip.
    findings
        With the findings also where it is one alone.
    """
    numbers, to = [number, *(_number(each) for each in more[:-1])], Path(more[-1]) if more else None
    if to is None:
        raise Invalid("target-absent", f"Say where to: aliquot quarantine export {number} FOLDER")
    with options.open() as lab:
        if to.suffix.lower() == ".zip":
            written = [write_zip(lab, numbers, to)]
        elif findings or len(numbers) > 1:
            written = write_folders(lab, numbers, to)
        else:
            written = quarantine.export(lab.catalogue, lab.store, number, to)
    if options.json:
        said = {"id": number} if len(numbers) == 1 else {"ids": numbers}
        print_json({**said, "files": [str(path) for path in written]})
        return
    for path in written:
        line(plain(str(path)))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Invalid("number-refused", f"{text!r} is no number of the quarantine; the place comes last.", value=text)
    return int(text)
