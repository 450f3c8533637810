"""What the YAML parser says, in words that help a person who does not know the grammar."""

import re
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError

_FLOW = {"sequence": ("[", "]"), "mapping": ("{", "}")}


def in_words(error: YAMLError, text: str) -> tuple[int, int, str]:
    """Give line and column, from 1, and a sentence for a text that does not parse."""
    if not isinstance(error, MarkedYAMLError):
        return 1, 1, f"this is not YAML: {str(error).splitlines()[0]}"
    context = str(error.context or "")
    problem = str(error.problem or "this is not YAML")
    mark: Any = error.problem_mark or error.context_mark
    start: Any = error.context_mark or mark
    lines = text.splitlines() or [""]
    words, mark = _sentence(context, problem, mark, start, lines)
    return mark.line + 1, mark.column + 1, words


def _sentence(context: str, problem: str, mark: Any, start: Any, lines: list[str]) -> tuple[str, Any]:
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1] and not line[: mark.column + 1].strip():
        return "the line is indented with a tab; YAML takes spaces only", mark
    if "quoted scalar" in context:
        if found := re.search(r"unknown escape character '(.)'", problem):
            return (
                f"'\\{found[1]}' means nothing within double quotes; use single quotes, or '\\\\' for a backslash",
                mark,
            )
        return "the quote that opens here is not closed", start
    if found := re.search(r"found character '(.)' that cannot start", problem):
        return f"a text that begins with '{found[1]}' needs quotes", mark
    if found := re.search(r"while parsing a flow (\w+)", context):
        return _flow(found[1], problem, mark, start)
    return _block(context, problem, line), mark


def _flow(kind: str, problem: str, mark: Any, start: Any) -> tuple[str, Any]:
    if kind not in _FLOW:
        ends = "stream end" in problem
        return "the text ends before a bracket is closed" if ends else "a value is expected here", mark
    opening, closing = _FLOW[kind]
    if mark.line != start.line or "stream end" in problem:
        return f"the '{opening}' that opens here is not closed with '{closing}'", start
    if re.search(r"got '[\[{]'", problem):
        return f"expected ',' or '{closing}' here; a text with braces or brackets needs quotes", mark
    return f"expected ',' or '{closing}' here; a text with ', [ ] {{ }}' or ': ' in it needs quotes", mark


def _block(context: str, problem: str, line: str) -> str:
    if "mapping values are not allowed" in problem:
        if line.count(": ") + line.endswith(":") > 1:
            return "there are two ': ' on this line; put the text after the first into quotes"
        return "this line is indented differently from what it belongs to, or the line before lacks its ':'"
    if "could not find expected ':'" in problem:
        return "a ':' is missing after the key on the line before"
    if "sequence entries are not allowed" in problem:
        return "a list's '- ' begins on a line of its own"
    if "block collection" in context:
        return "list and mapping are mixed at one level: every line of a list begins with '- '"
    if "'<scalar>'" in problem:
        return "there is more text here than one value; put all of it into quotes, or indent it"
    if "<block end>" in problem or "<document start>" in problem:
        return "this line is indented differently from its neighbours, or a bracket here closes nothing"
    if "node content" in problem:
        return "a value is expected here; a text that begins with a bracket needs quotes"
    if "incompatible YAML" in problem:
        return "definitions are YAML 1.2; remove the line with '%YAML'"
    return f"this is not YAML: {problem}"
