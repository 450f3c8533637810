r"""Globs over the paths of a version: which entries are datums, and what their names capture.

Paths begin with `/` and have neither empty nor dotted segments. `/` is everything as one datum; `*` and `?` stay within
a path segment, `**` crosses them (`/**/x` finds `/x` too); `[a-z]` and `[!a-z]` are one character; `{a,b}` is a choice;
`{name}` captures at least one character within a segment; `(…)` captures, numbered by opening parenthesis; `\` takes
the next character as it is. A trailing slash asks for a directory. A file belongs to the deepest entry that matches.
"""

import re
from dataclasses import dataclass, field

Captures = dict[str, str]
"""Captured text by number (`"1"`) or name (`"sample"`); a group that took no part is empty."""

CAPTURE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_PLACEHOLDER = re.compile(r"\$(?:\{(\w+)\}|(\w+))", re.ASCII)


class GlobError(ValueError):
    """A glob that cannot be read; `column` counts its characters from 1."""

    def __init__(self, column: int, text: str) -> None:
        super().__init__(f"{text} (at character {column})")
        self.column = column


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled glob. Build it with `compile_glob`.

    `literal` is what every matching path begins with, for a listing by prefix; `captures` are the names of the captures
    in the order of their opening.
    """

    text: str
    captures: tuple[str, ...]
    literal: str
    _pattern: re.Pattern[str] = field(repr=False)
    _whole: re.Pattern[str] = field(repr=False)
    _deepest: bool = field(repr=False)
    _directories: bool = field(repr=False)

    def datum_of(self, path: str) -> tuple[str, Captures] | None:
        """Give the entry that holds this file, without trailing slash, and what it captures; None if none does."""
        if self.text == "/":
            return "/", {}
        found = self._pattern.match(path)
        if found is None:
            return None
        end = found.end()
        if self._deepest and end < len(path):
            found = self._deeper(path, found)
            end = found.end()
        return path[:end], self._captured(found)

    def match(self, path: str) -> Captures | None:
        """Give what the glob captures if it names exactly this path, a file or a directory; else None."""
        if self.text == "/":
            return {} if path == "/" else None
        found = self._whole.match(path)
        return None if found is None else self._captured(found)

    def _deeper(self, path: str, found: re.Match[str]) -> re.Match[str]:
        # Where `**` or a choice lets the depth vary, the first match need not be the deepest one.
        ends = [at for at in range(found.end() + 1, len(path)) if path[at] == "/"]
        for end in ([] if self._directories else [len(path)]) + ends[::-1]:
            if deeper := self._whole.match(path[:end]):
                return deeper
        return found

    def _captured(self, found: re.Match[str]) -> Captures:
        if not self.captures:
            return {}
        return dict(zip(self.captures, found.groups(default=""), strict=True))


def compile_glob(text: str) -> Glob:
    """Read a glob; one that cannot be read is a `GlobError`, which is a `ValueError` with the column."""
    if not text.startswith("/"):
        raise GlobError(1, f"a glob begins with '/': write {'/' + text!r}")
    if text == "/":
        nothing = re.compile("/")
        return Glob(text, (), "/", nothing, nothing, _deepest=False, _directories=False)
    _refuse_segments_of_no_path(text)
    directories = text.endswith("/")
    reading = _Reading(text.removesuffix("/"))
    body = reading.sequence()
    after = "(?=/.)" if directories else r"(?=/|\Z)"
    return Glob(
        text,
        tuple(reading.captures),
        reading.literal(),
        re.compile(body + after, re.DOTALL),
        re.compile(body + r"\Z", re.DOTALL),
        _deepest=reading.depth_varies,
        _directories=directories,
    )


def _refuse_segments_of_no_path(text: str) -> None:
    at = 1
    for segment in text[1:].split("/"):
        if segment in (".", ".."):
            raise GlobError(at + 1, f"no path has the segment {segment!r}")
        if not segment and at < len(text):
            raise GlobError(at + 1, "there is nothing between two '/'")
        at += len(segment) + 1


class _Reading:
    """One pass over a glob's text, from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.captures: list[str] = []
        self.numbered = 0
        self.depth_varies = False

    def literal(self) -> str:
        return re.split(r"[*?\[{(\\]", self.text, maxsplit=1)[0]

    def sequence(self, stop: str = "", opened: int = 0) -> str:
        """Read up to one of the stop characters, of what was opened at this index."""
        parts: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char in stop:
                return "".join(parts)
            parts.append(self.part(char, stop))
        if stop:
            raise GlobError(opened + 1, f"{self.text[opened]!r} is not closed")
        return "".join(parts)

    def part(self, char: str, stop: str) -> str:
        match char:
            case "*":
                return self.star()
            case "[":
                return self.characters()
            case "{":
                return self.braces()
            case "(":
                return self.parenthesis()
            case ")" | "}":
                raise GlobError(self.at + 1, f"{char!r} closes nothing; write '\\{char}' for the character itself")
            case "\\":
                return self.escaped()
            case "/":
                return self.slash(stop)
            case _:
                self.at += 1
                return "[^/]" if char == "?" else re.escape(char)

    def escaped(self) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if following in ("", "/"):
            raise GlobError(self.at + 1, "'\\' takes the next character as it is, and here there is none")
        self.at += 2
        return re.escape(following)

    def slash(self, stop: str) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if stop and following in stop:
            raise GlobError(self.at + 1, "only the whole glob may end with '/'")
        self.depth_varies |= bool(stop)
        self.at += 1
        # Whole segments `**` stand for any number of directories, none included.
        if rest := re.match(r"(?:\*\*+/)+", self.text[self.at :]):
            self.at += rest.end()
            self.depth_varies = True
            return "/(?:.*/)?"
        return "/"

    def star(self) -> str:
        stars = re.match(r"\*+", self.text[self.at :])
        assert stars is not None
        self.at += stars.end()
        if stars.end() == 1:
            return self.first_place() or "[^/]*"
        self.depth_varies = True
        return ".*"

    def first_place(self) -> str:
        """Read what stands between this `*` and the next one of its segment: without captures, its first place will do.

        No other place has to be tried then, so that many stars do not take a power of a name's length.
        """
        between = re.match(r"([^*?\[\]{}()\\/]+)(?=\*(?!\*))", self.text[self.at :])
        if between is None or re.search(r"[{(]", self.text):
            return ""
        self.at += between.end()
        return f"(?>[^/]*?{re.escape(between[1])})"

    def characters(self) -> str:
        # The first character may be `]` itself, as in every shell.
        found = re.match(r"\[([!^]?)(\]?[^\]/]*)\]", self.text[self.at :])
        if found is None or not found[2]:
            raise GlobError(self.at + 1, "'[' is not closed within its path segment, or is empty")
        inner = re.sub(r"([\\\[\]^&~|])", r"\\\1", found[2])
        expression = f"[^/{inner}]" if found[1] else f"[{inner}]"
        try:
            re.compile(expression)
        except re.error:
            raise GlobError(self.at + 1, f"{found[0]!r} is not a set of characters") from None
        # A range such as [+-9] spans '/', which no set of characters may match.
        self.at += found.end()
        return f"(?!/){expression}"

    def braces(self) -> str:
        opened = self.at
        if found := re.match(r"\{(\w*)\}", self.text[self.at :], re.ASCII):
            name = found[1]
            if not CAPTURE_NAME.fullmatch(name):
                raise GlobError(opened + 1, f"{found[0]!r} is no name: use a letter, then letters, digits and '_'")
            if name in self.captures:
                raise GlobError(opened + 1, f"{name!r} is captured twice")
            self.captures.append(name)
            self.at += found.end()
            return "([^/]+)"
        choices: list[str] = []
        while not choices or self.text[self.at] == ",":
            self.at += 1
            choices.append(self.sequence(",}", opened))
        self.at += 1
        if len(choices) == 1:
            whole = self.text[opened : self.at]
            raise GlobError(opened + 1, f"{whole!r} is neither a choice like '{{a,b}}' nor a name to capture")
        return f"(?:{'|'.join(choices)})"

    def parenthesis(self) -> str:
        self.numbered += 1
        self.captures.append(str(self.numbered))
        opened = self.at
        self.at += 1
        inner = self.sequence(")", opened)
        self.at += 1
        return f"({inner})"


def captures_in(template: str) -> list[str]:
    """Give the captures that a `group_by` names, such as `["1", "sample"]` for `$1-$sample`."""
    return [found[1] or found[2] for found in _PLACEHOLDER.finditer(template)]


def fill(template: str, captures: Captures) -> str:
    """Put captured text in the place of `$1`, `$name` or `${name}`: the value by which datums are grouped."""
    return _PLACEHOLDER.sub(lambda found: captures[found[1] or found[2]], template)
