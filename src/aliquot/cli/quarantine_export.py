"""`aliquot quarantine export`: taking refused files out, to look at them or to send them to somebody."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import line, print_json
from aliquot.cli.text import plain
from aliquot.intake import taking_out
from aliquot.lab import Lab
from aliquot.lab.held_export import write_folders, write_zip
from aliquot.model.errors import Invalid
from aliquot.remote import held_export as afar
from aliquot.remote.client import Client


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
    written = options.ask(
        lambda lab: _export(lab, numbers, to, findings=findings),
        lambda client: _export_from_afar(client, numbers, to, findings=findings),
    )
    if options.json:
        said = {"id": number} if len(numbers) == 1 else {"ids": numbers}
        print_json({**said, "files": [str(path) for path in written]})
        return
    for path in written:
        line(plain(str(path)))


def _export(lab: Lab, numbers: Sequence[int], to: Path, *, findings: bool) -> list[Path]:
    if to.suffix.lower() == ".zip":
        return [write_zip(lab, numbers, to)]
    if findings or len(numbers) > 1:
        return write_folders(lab, numbers, to)
    return taking_out.export(lab.catalogue, lab.store, numbers[0], to)


def _export_from_afar(client: Client, numbers: Sequence[int], to: Path, *, findings: bool) -> list[Path]:
    if to.suffix.lower() == ".zip":
        return [afar.write_zip(client, numbers, to)]
    if findings or len(numbers) > 1:
        return afar.write_folders(client, numbers, to)
    return afar.export(client, numbers[0], to)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Invalid("number-refused", f"{text!r} is no number of the quarantine; the place comes last.", value=text)
    return int(text)
