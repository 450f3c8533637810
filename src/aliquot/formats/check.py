"""The check of a file, or of the files of a set, as its type says."""

from collections.abc import Mapping
from pathlib import Path

from aliquot.formats.collected import Collected, together
from aliquot.model.file_type import FileType
from aliquot.model.finding import Report
from aliquot.model.seams import Format


def check(file_type: FileType, files: Mapping[str, Path], references: Mapping[str, object] | None = None) -> Report:
    """Check files, given under their original names, against their type; what is wrong with them is in the report.

    `references` are the tables to which foreign keys point, by the name of their dataset; without it, those are not
    followed. A table without a Table Schema is as good as any file. `Unavailable` where an extra is missing.
    """
    name = "any" if file_type.format == "table" and file_type.table is None else file_type.format
    try:
        options = {"table": file_type.table, "rules": file_type.rules, "references": references}
        return format_named(name).check(files, options)
    except OSError as error:
        found = Collected(next(iter(files), None))
        found.error("file-unreadable", f"The file cannot be read: {error.strerror or error}.")
        return found.report()


def format_named(name: str) -> Format:
    """Give a format. Each is loaded when it is asked for, since tables bring polars with them."""
    match name:
        case "table":
            from aliquot.formats.table import TableFormat

            return TableFormat()
        case "imzml":
            from aliquot.formats.imzml import Imzml

            return Imzml()
        case "fastq":
            from aliquot.formats.fastq import Fastq

            return Fastq()
        case "mzml":
            from aliquot.formats.mzml import Mzml

            return Mzml()
        case "bam":
            from aliquot.formats.bam import Bam

            return Bam()
        case "vcf":
            from aliquot.formats.vcf import Vcf

            return Vcf()
        case "archive":
            from aliquot.formats.archive import Archive

            return Archive()
        case _:
            return Anything()


class Anything:
    """The format `any`: bytes that nobody looks into."""

    name = "any"

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """See that the files are there and can be read; an empty one is worth a warning, for some are meant to be."""
        del options
        return together({name: _check_any(name, path) for name, path in files.items()})


def _check_any(name: str, path: Path) -> Report:
    found = Collected(name)
    facts: dict[str, object] = {}
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
        facts["bytes"] = path.stat().st_size
        if empty:
            found.warning("file-empty", "The file is empty. Was it still being written when it was copied?")
    except OSError as error:
        found.error("file-unreadable", f"The file cannot be read: {error.strerror or error}.")
    return found.report(facts)
