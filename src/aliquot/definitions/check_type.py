"""A file type or a record type by itself: its globs, patterns, sets and schemas."""

import re
from collections.abc import Iterator, Sequence

from aliquot.definitions.check_rules import check_fields, check_rules
from aliquot.definitions.check_schema import check_schema
from aliquot.definitions.problem import Path, Problem
from aliquot.definitions.yaml_text import Document
from aliquot.model.file_type import FileType
from aliquot.model.glob import GlobError, compile_glob
from aliquot.model.pattern import compiled
from aliquot.model.record_type import RecordType
from aliquot.model.table_schema import TableSchema

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)\}", re.ASCII)


def check_type(document: Document, file_type: FileType) -> list[Problem]:
    """Give what is wrong in a file type beside the shape of it."""
    recognise = file_type.recognise
    problems: list[Problem] = []
    if recognise.name is not None:
        problems += name_glob(document, ("recognise", "name"), recognise.name)
    if recognise.path is not None:
        problems += _path_glob(document, ("recognise", "path"), recognise.path)
    if recognise.first is not None:
        try:
            compiled(recognise.first)
        except re.error as error:
            words = f"{recognise.first!r} is not a regular expression: {error.msg}"
            problems.append(document.problem(("recognise", "first"), words))
    magic = recognise.magic
    if magic is not None and not re.fullmatch(r"(?:[0-9a-fA-F]{2}\s*)+", magic):
        words = f"{magic!r} is not bytes in hexadecimal; write pairs of digits, like 1f8b"
        problems.append(document.problem(("recognise", "magic"), words))
    if file_type.describe is not None:
        problems += check_schema(document, ("describe",), file_type.describe)
    if file_type.table is not None:
        problems += check_table(document, ("table",), file_type.table)
        problems += check_rules(document, ("rules",), file_type.rules, file_type.table)
    return problems + list(check_set(document, ("set",), file_type.set))


def check_record(document: Document, record: RecordType) -> list[Problem]:
    """Give what is wrong in a record type beside the shape of it."""
    return check_schema(document, ("schema",), record.schema_)


def check_table(document: Document, path: Path, table: TableSchema) -> Iterator[Problem]:
    """Give what is wrong in a Table Schema beside the shape of it: formats, patterns, bounds, keys elsewhere."""
    yield from check_fields(document, path, table)
    for at, column in enumerate(table.fields):
        where, limits = (*path, "fields", at, "constraints"), column.constraints
        if limits.pattern is not None:
            try:
                compiled(limits.pattern)
            except re.error as error:
                words = f"{limits.pattern!r} is not a regular expression: {error.msg}"
                yield document.problem((*where, "pattern"), words)
        if limits.min_length is not None and limits.max_length is not None and limits.min_length > limits.max_length:
            yield document.problem((*where, "minLength"), "is greater than 'maxLength', so no value can meet both")
        if limits.json_schema is not None:
            yield from check_schema(document, (*where, "jsonSchema"), limits.json_schema)


def check_set(document: Document, path: Path, members: Sequence[str]) -> Iterator[Problem]:
    """Give what is wrong with the names of files that belong together."""
    if not members:
        return
    if len(members) == 1:
        yield document.problem(path, "a set has two files or more; give the others, too")
    first = set(_PLACEHOLDER.findall(members[0]))
    for at, member in enumerate(members):
        names = set(_PLACEHOLDER.findall(member))
        if not names:
            words = f"{member!r} does not say what the files share; write it in braces, like '{{name}}.csv'"
            yield document.problem((*path, at), words)
        elif names != first and first:
            words = f"{member!r} and {members[0]!r} do not share the same names in braces"
            yield document.problem((*path, at), words)
        if member in members[:at]:
            yield document.problem((*path, at), f"{member!r} is listed twice")


def name_glob(document: Document, path: Path, text: str) -> Iterator[Problem]:
    """Give what is wrong with a glob over the names of files, such as `*.csv`."""
    if "/" in text:
        yield document.problem(path, f"{text!r} has a '/', but it is matched against the file's name alone")
        return
    try:
        compile_glob("/" + text)
    except GlobError as error:
        words = str(error).replace(f"(at character {error.column})", f"(at character {error.column - 1})")
        yield document.problem(path, words)


def _path_glob(document: Document, path: Path, text: str) -> Iterator[Problem]:
    try:
        compile_glob(text)
    except GlobError as error:
        yield document.problem(path, str(error))
