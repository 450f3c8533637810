"""YAML 1.2 as plain JSON values, with the place of every key and value.

The events of the parser are composed here rather than by the library, because places, the core schema of YAML 1.2 (in
which `no` is a text and `2030-12-31` is one, too), and bounds on what aliases may grow to are wanted together.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ruamel.yaml import YAML, events
from ruamel.yaml.error import YAMLError

from aliquot.definitions.problem import Path, Problem, dotted
from aliquot.definitions.yaml_words import in_words

LARGEST_FILE = 1 << 20
DEEPEST = 64
MOST_VALUES = 50_000

_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNWANTED = re.compile("[\x00\ud800-\udfff]")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NO_JSON = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Place(NamedTuple):
    """Line and column, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds: its value, and where each key and value begins. `file` is named in problems."""

    file: str
    value: Any
    keys: dict[Path, Place] = field(repr=False)
    values: dict[Path, Place] = field(repr=False)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Give where the value at this path stands, or its key; for a path that is not there, what encloses it."""
        while path:
            of_key, of_value = self.keys.get(path), self.values.get(path)
            if of_key and (key or of_value is None or of_value.line != of_key.line):
                return of_key
            if of_value:
                return of_value
            path, key = path[:-1], True
        return Place(1, 1)

    def problem(self, path: Path, text: str, *, key: bool = False, name: str | None = None) -> Problem:
        """Give a problem at the value of this path, or at its key; `name` is written after the field."""
        place = self.place(path, key=key)
        whole = path if name is None else (*path, name)
        return Problem(self.file, place.line, place.column, dotted(whole), text)


def read_yaml(data: bytes, file: str) -> tuple[Document | None, list[Problem]]:
    """Read one document; None when nothing can be made of the bytes, and always all problems that were seen."""
    text, problem = _decoded(data, file)
    if problem is not None:
        return None, [problem]
    composing = _Composing(file)
    try:
        value = composing.document(YAML(typ="safe", pure=True).parse(text))
    except _StopComposingError:
        return None, composing.problems
    except YAMLError as error:
        line, column, words = in_words(error, text)
        return None, [*composing.problems, Problem(file, line, column, "", words)]
    except ValueError:
        # The library lets escapes beyond the last character through to Python.
        return None, [
            *composing.problems,
            Problem(file, *_beyond(text), "", "an escape names no character; correct it"),
        ]
    return Document(file, value, composing.keys, composing.values), composing.problems


def _beyond(text: str) -> Place:
    escapes = re.finditer(r"\\U([0-9a-fA-F]{8})", text)
    at = next((each.start() for each in escapes if int(each[1], 16) > 0x10FFFF), 0)
    return _place_after(text[:at])


def plain_scalar(text: str) -> Any:
    """Read a text without quotes by the core schema: null, true, false, a number, or the text itself.

    Numbers that JSON cannot hold, and whole numbers of thousands of digits, are a `ValueError`.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _NO_JSON.fullmatch(text):
        raise ValueError(f"{text} is not a number that can be stored; write it in quotes if it is a text")
    if _FLOAT.fullmatch(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError(f"{text} is too large a number")
        return number
    return text


def _decoded(data: bytes, file: str) -> tuple[str, Problem | None]:
    if len(data) > LARGEST_FILE:
        return "", Problem(file, 1, 1, "", "the file is larger than 1 MiB, which no definition is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(errors="replace")
        place = _place_after(before)
        return "", Problem(file, *place, "", "this is not UTF-8 text; save the file as UTF-8")
    if found := _UNPRINTABLE.search(text):
        words = f"the character U+{ord(found[0]):04X} cannot stand in a definition; remove it"
        return "", Problem(file, *_place_after(text[: found.start()]), "", words)
    return text, None


def _place_after(before: str) -> Place:
    return Place(before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


class _StopComposingError(Exception):
    """Nothing more can be read; the problem has been noted."""


class _Composing:
    """Builds the value of one document out of the parser's events."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.count = 0
        self.source: Iterator[Any] = iter(())

    def document(self, source: Iterator[Any]) -> Any:
        self.source = source
        value: Any = None
        documents = 0
        for event in source:
            if isinstance(event, events.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.stop(event, (), "a second document begins here; a file holds one, so write no '---' within it")
                if event.version is not None:
                    self.note(event, (), "definitions are YAML 1.2 without directives; remove the line with '%'")
                value = self.node(next(source), ())
        if not documents:
            self.problems.append(Problem(self.file, 1, 1, "", "the file is empty"))
            raise _StopComposingError
        return value

    def node(self, event: Any, path: Path) -> Any:
        place = _place(event)
        self.values[path] = place
        if isinstance(event, events.AliasEvent):
            return self.alias(event, path)
        self.counted(event, path, 1)
        before = self.count - 1
        if len(path) > DEEPEST:
            self.stop(event, path[:3], f"values lie more than {DEEPEST} levels deep in each other here")
        if event.tag is not None and str(event.tag) not in ("!", ""):
            self.note(event, path, f"the tag {event.tag} means nothing here; remove it, and quote what is a text")
        if isinstance(event, events.MappingStartEvent):
            value: Any = self.mapping(path)
        elif isinstance(event, events.SequenceStartEvent):
            value = self.sequence(path)
        else:
            value = self.scalar(event, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.count - before)
        return value

    def mapping(self, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        while not isinstance(event := next(self.source), events.MappingEndEvent):
            key = self.key(event, path)
            inner = (*path, key)
            if key in value:
                first = self.keys[inner].line
                self.note(
                    event, inner, f"the key {key!r} stands here a second time; it was given on line {first} already"
                )
                self.node(next(self.source), (*inner, "", ""))
                continue
            self.keys[inner] = _place(event)
            value[key] = self.node(next(self.source), inner)
        return value

    def key(self, event: Any, path: Path) -> str:
        if not isinstance(event, events.ScalarEvent):
            self.note(event, path, "a key is a text; lists, mappings and aliases cannot be keys")
            self.node(event, (*path, "", ""))
            return f"\N{REPLACEMENT CHARACTER}{len(self.problems)}"
        text = self.text(event, path)
        if event.implicit[0] and text == "<<":
            self.note(event, path, "YAML 1.2 has no merge keys ('<<'); write the keys out")
        elif event.implicit[0]:
            try:
                meant = plain_scalar(text)
            except ValueError:
                meant = None
            if not isinstance(meant, str):
                what = (
                    f'this one is read as {describe(meant)}; write "{text}"' if text else "none stands before the ':'"
                )
                self.note(event, path, f"a key is a text, but {what}")
        return text

    def sequence(self, path: Path) -> list[Any]:
        value: list[Any] = []
        while not isinstance(event := next(self.source), events.SequenceEndEvent):
            value.append(self.node(event, (*path, len(value))))
        return value

    def scalar(self, event: Any, path: Path) -> Any:
        text = self.text(event, path)
        if not event.implicit[0]:
            return text
        try:
            return plain_scalar(text)
        except ValueError as error:
            too_long = "digits" in str(error)
            self.note(event, path, "the number has too many digits; write it in quotes" if too_long else str(error))
            return 0

    def text(self, event: Any, path: Path) -> str:
        text: str = event.value
        if not _UNWANTED.search(text):
            return text
        # JSON writes characters beyond the first 65,536 as two escapes.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if "\x00" in text or "\ufffd" in text:
            self.note(event, path, "the text holds a character that cannot be stored (NUL or half a pair)")
        return text.replace("\x00", "\ufffd")

    def alias(self, event: Any, path: Path) -> Any:
        found = self.anchors.get(event.anchor)
        if found is None:
            words = (
                f"'*{event.anchor}' refers to nothing; a text that begins with '*' needs quotes: \"*{event.anchor}\""
            )
            self.note(event, path, words)
            return f"*{event.anchor}"
        self.counted(event, path, found[1])
        return found[0]

    def counted(self, event: Any, path: Path, more: int) -> None:
        self.count += more
        if self.count > MOST_VALUES:
            self.stop(
                event, path[:3], f"the file grows to more than {MOST_VALUES:,} values here; aliases multiply them"
            )

    def note(self, event: Any, path: Path, text: str) -> None:
        self.problems.append(Problem(self.file, *_place(event), dotted(path), text))

    def stop(self, event: Any, path: Path, text: str) -> None:
        self.note(event, path, text)
        raise _StopComposingError


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def describe(value: Any) -> str:
    """Say what a value is, in words: the text 'x', the number 5, a list."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value}"
        case str():
            return f"the text {value[:60] + '…' if len(value) > 60 else value!r}"
        case list():
            return "a list"
        case _:
            return "a mapping"
