"""Row rules: SQL-like expressions over the columns of a table, read into a small tree of what is understood.

sqlglot reads the text; what it gives is taken over node by node, and anything that is not listed here is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from aliquot.formats.rule_kinds import KIND_WORDS, kind_of, number_of, read_constant
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.table_schema import Field, TableSchema

if TYPE_CHECKING:
    from sqlglot import exp

_COMPARED = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_JOINED = {"And": "and", "Or": "or"}
_COUNTED = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}
_OF_TEXT = {"Length": "length", "Lower": "lower", "Upper": "upper", "Trim": "trim"}
_ARGUMENTS = {
    "Between": {"low", "high"},
    "Case": {"ifs", "default"},
    "In": {"expressions"},
    "Coalesce": {"expressions"},
    "Cast": {"to"},
}
_IGNORED = {"this", "expression", "typed", "safe", "is_string", "_type", "negate"}
_UNDERSTOOD = (
    "comparisons, AND, OR, NOT, BETWEEN, IN, LIKE, IS NULL, CASE, + - * / %, ||, ABS, COALESCE, NULLIF, LENGTH, LOWER, "
    "UPPER and TRIM"
)
_DEEPEST = 100
_SHOWN_BEFORE = 100  # characters before a mistake that sqlglot gives


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a rule, the kind of its value, and its parts.

    `op` is `column` (its name in `value`), `constant` (its value in `value`), or what is done with the parts. `whole`
    says of numbers that they have no decimals.
    """

    op: str
    kind: str
    parts: tuple["Node", ...] = ()
    value: Any = None
    whole: bool = False


@lru_cache(maxsize=256)
def _parsed(text: str) -> "exp.Expr":
    try:
        import sqlglot
        from sqlglot.errors import SqlglotError
    except ModuleNotFoundError:
        raise Unavailable(
            "extra-missing", "row rules need sqlglot; install it with: pip install 'aliquot[tables]'", extra="tables"
        ) from None
    try:
        return sqlglot.parse_one(text)
    except SqlglotError as error:
        place = cast("list[dict[str, Any]]", getattr(error, "errors", None) or [{}])[0]
        near = str(place.get("highlight") or "")
        at = len(str(place.get("start_context") or "")) + 1
        where = f" at {near!r} (character {at})" if near and at < _SHOWN_BEFORE and "\n" not in text else ""
        words = f"cannot be read{where}; write it like paid <= charged"
        raise Invalid("rule-unusable", f"the rule {words}", near=near) from None
    except RecursionError:
        raise _refused("is nested too deeply") from None


def read_rule(text: str, schema: TableSchema) -> Node:
    """Read a rule against the columns of a schema; `Invalid` (rule-unusable) says what is wrong with it."""
    fields = {field.name: field for field in schema.fields}
    try:
        root = _Reading(fields).node(_parsed(text), 0)
    except Invalid as error:
        near = error.facts.get("near")
        if near in fields:
            words = f'has {near!r}, which is a word of SQL; where a column is meant, write it as "{near}"'
            raise _refused(words) from None
        raise
    if root.kind not in {"boolean", "null"}:
        raise _refused(f"gives {KIND_WORDS[root.kind]}, but has to say what must be true, like paid <= charged")
    return root


def columns_of(node: Node) -> list[str]:
    """List the columns that a rule names, each once, in the order of the text."""
    if node.op == "column":
        return [str(node.value)]
    return list(dict.fromkeys(name for part in node.parts for name in columns_of(part)))


def _refused(words: str) -> Invalid:
    return Invalid("rule-unusable", f"the rule {words}")


class _Reading:
    """Takes a tree of sqlglot over, node by node."""

    def __init__(self, fields: Mapping[str, Field]) -> None:
        self._fields = fields
        self._makers: dict[str, Callable[[Any, int], Node]] = {
            "Column": self._column,
            "Literal": lambda node, _: self._literal(node),
            "Boolean": lambda node, _: Node("constant", "boolean", value=bool(node.this)),
            "Null": lambda *_: Node("constant", "null"),
            "Paren": lambda node, depth: self.node(node.this, depth),
            "Not": lambda node, depth: Node("not", "boolean", (self._boolean(node.this, depth),)),
            "Neg": self._negative,
            "Abs": lambda node, depth: self._same("abs", self._number(node.this, depth)),
            "Between": self._between,
            "In": self._in,
            "Like": self._like,
            "Is": self._is,
            "Case": self._case,
            "Coalesce": lambda node, depth: self._alike("coalesce", [node.this, *node.expressions], depth),
            "Nullif": lambda node, depth: self._alike("nullif", [node.this, node.expression], depth),
            "DPipe": lambda node, depth: Node(
                "concat", "text", (self._text(node.this, depth), self._text(node.expression, depth))
            ),
            "Cast": lambda node, _: self._cast(node),
        }  # fmt: skip

    def node(self, found: Any, depth: int) -> Node:
        """Take one node over, with all that is below it."""
        name = type(found).__name__
        if depth > _DEEPEST:
            raise _refused("is nested too deeply")
        self._nothing_more(found, name)
        if op := _COMPARED.get(name):
            return self._compare(op, self.node(found.this, depth + 1), self.node(found.expression, depth + 1))
        if op := _JOINED.get(name):
            return Node(op, "boolean", (self._boolean(found.this, depth), self._boolean(found.expression, depth)))
        if op := _COUNTED.get(name):
            return self._count(op, self.node(found.this, depth + 1), self.node(found.expression, depth + 1))
        if op := _OF_TEXT.get(name):
            part = self._text(found.this, depth)
            return Node(op, "number" if op == "length" else "text", (part,), whole=op == "length")
        if maker := self._makers.get(name):
            return maker(found, depth + 1)
        if name.startswith("Current"):
            raise _refused("asks for the present time; the same file would be right today and wrong tomorrow")
        raise _refused(f"uses {_shown(found)}, which is not understood here; there are {_UNDERSTOOD}")

    def _nothing_more(self, found: Any, name: str) -> None:
        known = _IGNORED | _ARGUMENTS.get(name, set[str]())
        for argument, value in found.args.items():
            if argument not in known and value not in (None, False, [], ""):
                raise _refused(f"has {_shown(found)}, which is not understood here; there are {_UNDERSTOOD}")

    def _column(self, found: Any, _: int) -> Node:
        name = str(found.name)
        field = self._fields.get(name)
        if field is None:
            alike = next((each for each in self._fields if each.lower() == name.lower()), None)
            hint = f"; did you mean {alike!r}?" if alike else ""
            if not alike and found.this.args.get("quoted"):
                hint = f"; a text is written in single quotes: '{name}'"
            raise Invalid(
                "rule-unusable", f"the rule names the column {name!r}, which is not among the fields{hint}", column=name
            )
        return Node("column", kind_of(field), value=name, whole=field.type in {"integer", "year"})

    def _literal(self, found: Any) -> Node:
        if found.is_string:
            return Node("constant", "text", value=str(found.this))
        number = Decimal(str(found.this))
        return Node("constant", "number", value=number_of(number), whole=number == number.to_integral_value())

    def _cast(self, found: Any) -> Node:
        kinds = {"DATE": "date", "TIMESTAMP": "datetime", "DATETIME": "datetime", "TIME": "time"}
        kind = kinds.get(str(found.to.this.name))
        if kind is None or type(found.this).__name__ != "Literal":
            raise _refused(f"turns one kind of value into another with {_shown(found)}, which is not understood here")
        return _as_kind(self._literal(found.this), kind)

    def _negative(self, found: Any, depth: int) -> Node:
        return self._same("neg", self._number(found.this, depth))

    @staticmethod
    def _same(op: str, part: Node) -> Node:
        return Node(op, "number", (part,), whole=part.whole)

    def _boolean(self, found: Any, depth: int) -> Node:
        return self._of("boolean", found, depth)

    def _number(self, found: Any, depth: int) -> Node:
        return self._of("number", found, depth)

    def _text(self, found: Any, depth: int) -> Node:
        return self._of("text", found, depth)

    def _of(self, kind: str, found: Any, depth: int) -> Node:
        node = self.node(found, depth + 1)
        if node.kind not in {kind, "null"}:
            words = f"wants {KIND_WORDS[kind]} where it has {_shown(found)}, which is {KIND_WORDS[node.kind]}"
            raise _refused(words)
        return node

    def _compare(self, op: str, one: Node, other: Node) -> Node:
        one, other = _as_kind(one, other.kind), _as_kind(other, one.kind)
        if one.kind != other.kind and "null" not in (one.kind, other.kind):
            words = f"compares {_named(one)} with {_named(other)}"
            hint = "; write numbers without quotes" if {one.kind, other.kind} == {"number", "text"} else ""
            raise _refused(words + hint)
        for node in (one, other):
            if node.kind == "other" or (node.kind == "boolean" and op not in {"=", "<>"}):
                raise _refused(f"compares {_named(node)}, whose values have no order; there is IS NULL for them")
        if "null" in (one.kind, other.kind):
            raise _refused("compares with NULL, which is never true; write IS NULL or IS NOT NULL")
        return Node(op, "boolean", (one, other))

    def _count(self, op: str, one: Node, other: Node) -> Node:
        kinds = (one.kind, other.kind)
        if kinds == ("date", "date") and op == "-":
            return Node("days", "number", (one, other), whole=True)
        if kinds == ("date", "number") and op in "+-" and other.whole:
            return Node("later" if op == "+" else "earlier", "date", (one, other))
        if any(kind not in {"number", "null"} for kind in kinds):
            words = "dates take whole days" if "date" in kinds else "only numbers, and days to dates, can be"
            raise _refused(f"has {_named(one)} {op} {_named(other)}; {words}")
        return Node(op, "number", (one, other), whole=one.whole and other.whole and op != "/")

    def _between(self, found: Any, depth: int) -> Node:
        value = self.node(found.this, depth)
        low = self._compare(">=", value, self.node(found.args["low"], depth))
        high = self._compare("<=", value, self.node(found.args["high"], depth))
        return Node("and", "boolean", (low, high))

    def _in(self, found: Any, depth: int) -> Node:
        value = self.node(found.this, depth)
        tests = [self._compare("=", value, self.node(each, depth)) for each in found.expressions]
        if not tests:
            raise _refused("has an IN without values; write them like IN (1, 2)")
        return Node("or", "boolean", tuple(tests))

    def _like(self, found: Any, depth: int) -> Node:
        pattern = self.node(found.expression, depth)
        if (pattern.op, pattern.kind) != ("constant", "text"):
            raise _refused("has a LIKE without a text; write it like LIKE 'A%'")
        like = Node("like", "boolean", (self._text(found.this, depth),), pattern.value)
        return Node("not", "boolean", (like,)) if found.args.get("negate") else like

    def _is(self, found: Any, depth: int) -> Node:
        value, wanted = self.node(found.this, depth), self.node(found.expression, depth)
        if wanted.kind == "null":
            return Node("missing", "boolean", (value,))
        if wanted.op != "constant" or wanted.kind != "boolean" or value.kind != "boolean":
            raise _refused(f"has {_shown(found)}; IS is followed by NULL, NOT NULL, TRUE or FALSE")
        no = Node("constant", "boolean", value=False)
        return Node("coalesce", "boolean", (Node("=", "boolean", (value, wanted)), no))

    def _case(self, found: Any, depth: int) -> Node:
        subject = None if found.this is None else self.node(found.this, depth)
        tests: list[Node] = []
        results: list[Any] = []
        for each in found.args["ifs"]:
            test = self._boolean(each.this, depth) if subject is None else None
            tests.append(test or self._compare("=", cast("Node", subject), self.node(each.this, depth)))
            results.append(each.args["true"])
        default = found.args.get("default")
        values = self._alike("case", results if default is None else [*results, default], depth)
        parts = list(values.parts) if default is not None else [*values.parts, Node("constant", "null")]
        return Node("case", values.kind, (*tests, *parts), value=len(tests), whole=values.whole)

    def _alike(self, op: str, found: Sequence[Any], depth: int) -> Node:
        nodes = [self.node(each, depth) for each in found]
        kind = next((node.kind for node in nodes if node.kind not in {"null", "text"}), None)
        kind = kind or next((node.kind for node in nodes if node.kind != "null"), "null")
        nodes = [_as_kind(node, kind) for node in nodes]
        for node in nodes:
            if node.kind not in {kind, "null"}:
                raise _refused(f"takes {_named(nodes[0])} and {_named(node)} for each other")
        return Node(op, kind, tuple(nodes), whole=all(node.whole for node in nodes if node.kind != "null"))


def _as_kind(node: Node, kind: str) -> Node:
    """Read a text of the rule as what it stands beside, such as a date."""
    if node.op != "constant" or node.kind != "text" or kind not in {"date", "datetime", "time", "yearmonth", "duration"}:  # noqa: E501  # fmt: skip
        return node
    try:
        return Node("constant", kind, value=read_constant(str(node.value), kind))
    except (ValueError, ArithmeticError):
        raise _refused(f"has {node.value!r} where it needs {KIND_WORDS[kind]}") from None


def _named(node: Node) -> str:
    what = KIND_WORDS[node.kind]
    if node.op == "column":
        return f"{node.value!r} ({what})"
    return f"{node.value!r} ({what})" if node.op == "constant" and node.kind == "text" else what


def _shown(found: Any) -> str:
    text = str(found)
    return text if len(text) <= 40 else text[:39] + "…"
