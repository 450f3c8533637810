"""The texts that the code gives to errors and findings, read from its syntax trees without running it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from generators.text import SOURCE

_PLACES = {"Flaw": (0, 2), "_error": (0, -1), "tell": (1, 5)}
"""Where code and text stand among what a call is given, if not first."""


@dataclass(frozen=True, slots=True)
class Said:
    """A call that makes an error or a finding: its class, code, texts with `{places}`, and whether it is a warning."""

    name: str
    code: str | None
    texts: tuple[str, ...]
    where: str
    warning: bool = False


def said(*names: str) -> Iterator[Said]:
    """Find the calls of these classes and functions in all of the code, each with its code and text."""
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        scopes: dict[ast.AST, list[ast.AST]] = {}
        _note_scopes(tree, [tree], scopes)
        for node in ast.walk(tree):
            name = _called(node)
            if name not in names or not isinstance(node, ast.Call):
                continue
            given = [*node.args, *(each.value for each in node.keywords if each.arg in {"code", "message", "text"})]
            if not given:
                continue
            at_code, at_text = _PLACES.get(name, (0, 1))
            codes = _texts(given[at_code], scopes[node]) if at_code < len(given) else ()
            texts = _texts(given[at_text], scopes[node]) if at_text < len(given) else ()
            where = f"{path.relative_to(SOURCE)}:{node.lineno}"
            warning = name == "warning" or "WARNING" in ast.unparse(node)
            for code in codes or (None,):
                yield Said(name, code, tuple(texts), where, warning)


def pairs_of_words(room: str) -> Iterator[tuple[str, str]]:
    """Find codes that stand beside their texts in tuples of a room's modules."""
    for path in sorted((SOURCE / room).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Tuple(elts=[ast.Constant(value=str(code)), ast.Constant(value=str(text))]):
                    if "-" in code and " " not in code and " " in text:
                        yield code, text
                case _:
                    pass


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _note_scopes(node: ast.AST, around: list[ast.AST], scopes: dict[ast.AST, list[ast.AST]]) -> None:
    scopes[node] = around
    inner = [*around, node] if isinstance(node, ast.FunctionDef | ast.Lambda) else around
    for child in ast.iter_child_nodes(node):
        _note_scopes(child, inner, scopes)


def _texts(node: ast.AST, around: list[ast.AST], depth: int = 0) -> tuple[str, ...]:
    """Give the texts that an expression can be, as far as they can be read from the code."""
    if depth > 4:
        return ()
    match node:
        case ast.Constant(value=str(text)):
            return (text,)
        case ast.JoinedStr(values=values):
            parts: list[tuple[str, ...]] = []
            for each in values:
                match each:
                    case ast.Constant(value=str(text)):
                        parts.append((text,))
                    case ast.FormattedValue(value=value):
                        parts.append((f"{{{_place(value)}}}",))
                    case _:
                        return ()
            return _joined(parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([_or_place(left, around, depth), _or_place(right, around, depth)])
        case ast.IfExp(body=body, orelse=orelse):
            return (*_texts(body, around, depth + 1), *_texts(orelse, around, depth + 1))
        case ast.Call(func=ast.Attribute(value=inner, attr="replace")):
            return _texts(inner, around, depth + 1)
        case ast.Name():
            return _assigned(node, around, depth)
        case _:
            return ()


def _or_place(node: ast.AST, around: list[ast.AST], depth: int) -> tuple[str, ...]:
    return _texts(node, around, depth + 1) or (f"{{{_place(node)}}}",)


def _joined(parts: list[tuple[str, ...]]) -> tuple[str, ...]:
    whole: tuple[str, ...] = ("",)
    for part in parts:
        whole = tuple(before + each for before in whole for each in part)
    return whole


def _assigned(name: ast.Name, around: list[ast.AST], depth: int) -> tuple[str, ...]:
    """Give what was assigned to a name last before it is used, in the nearest scope that assigns it."""
    for scope in reversed(around):
        found = [
            (node.lineno, node.value)
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign)
            and any(isinstance(target, ast.Name) and target.id == name.id for target in node.targets)
            and (node.lineno < name.lineno or isinstance(scope, ast.Module))
        ]
        if found:
            return _texts(max(found, key=lambda each: each[0])[1], around, depth + 1)
    return ()


def _place(node: ast.AST) -> str:
    """Name what stands at a place in a text: the last word of the expression."""
    match node:
        case ast.Name(id=name):
            return name.strip("_")
        case ast.Attribute(attr=name):
            return name
        case ast.Call(func=ast.Name(id="repr" | "str" | "len" | "list" | "shown"), args=[first, *_]):
            return _place(first)
        case ast.Call(func=ast.Attribute(value=inner, attr="strip" | "removeprefix" | "removesuffix" | "resolve")):
            return _place(inner)
        case ast.Call(func=function):
            return _place(function)
        case ast.Subscript(value=inner, slice=ast.Constant(value=str(key))):
            return key
        case ast.Subscript(value=inner):
            return _place(inner)
        case ast.BoolOp(values=[first, *_]):
            return _place(first)
        case ast.BinOp(left=left):
            return _place(left)
        case ast.IfExp(body=body):
            return _place(body)
        case _:
            return "…"
