"""Row rules as polars expressions that tell at once that most rows are good.

As with cells, a sieve may hold back a good row, which is then judged exactly, but it never lets a bad one through.
Numbers are counted with as integers of so many decimals, where they fit, and else as floats: two of these that lie
close to each other are in doubt, and what is in doubt is held back.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aliquot.formats.rule_cells import DAY_ZERO, QuickCell, absent_cell
from aliquot.formats.rule_exact import like
from aliquot.formats.rule_tree import Node

if TYPE_CHECKING:
    import polars as pl

_COUNTED = {"number", "date", "duration"}
_SMALL = 2**62
_LARGE = 2**126
_MOST_DECIMALS = 18
_CLOSE = 1e-9
"""Share of their size by which two floats may differ for want of digits: far more than any of them is off."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number: `exact` times ten to the power of `-decimals`, below `bound`; or only `near`, never larger than `size`.

    A value that is not known is null in all three.
    """

    near: "pl.Expr"
    size: "pl.Expr"
    exact: "pl.Expr | None" = None
    decimals: int = 0
    bound: int = 0


def row_sieve(node: Node, cells: Mapping[str, QuickCell]) -> "pl.Expr":
    """Give an expression that is true only for rows that meet a rule, and never null.

    `cells` has what the rule's columns hold, as far as the file has them.
    """
    import polars as pl

    sieve = _Sieve(cells)
    holds = sieve.logic(node)
    sure = [~doubt.fill_null(value=False) for doubt in sieve.doubts]
    return pl.all_horizontal(holds.fill_null(value=True), *sure)


class _Sieve:
    """Turns nodes into expressions, and gathers what would put them in doubt."""

    def __init__(self, cells: Mapping[str, QuickCell]) -> None:
        self._cells = cells
        self.doubts: list[pl.Expr] = []
        self._told: set[str] = set()

    def logic(self, node: Node) -> "pl.Expr":
        """Give what is true, false or null."""
        import polars as pl

        match node.op:
            case "and" | "or":
                parts = [self.logic(part) for part in node.parts]
                return pl.all_horizontal(parts) if node.op == "and" else pl.any_horizontal(parts)
            case "not":
                return ~self.logic(node.parts[0])
            case "missing":
                return self._plain(node.parts[0]).is_null()
            case "like":
                return self._plain(node.parts[0]).str.contains(f"(?s)^(?:{like(str(node.value))})$")
            case "=" | "<>" | "<" | "<=" | ">" | ">=":
                return self._compare(node)
            case _:
                return self._plain(node)

    def _plain(self, node: Node) -> "pl.Expr":
        """Give a value that is no boolean operation, of whatever kind."""
        import polars as pl

        if node.kind in _COUNTED:
            return self._number(node).near
        match node.op:
            case "column":
                return self._cell(node).value
            case "constant":
                return pl.lit(None, pl.Boolean) if node.kind == "null" else pl.lit(_constant(node))
            case "coalesce":
                return pl.coalesce([self._any(part) for part in node.parts if part.kind != "null"])
            case "nullif":
                one, other = (self._any(part) for part in node.parts)
                return pl.when(one.eq(other).fill_null(value=False)).then(None).otherwise(one)
            case "case":
                return self._case(node, self._any)
            case "concat":
                return pl.concat_str(self._plain(part) for part in node.parts)
            case "trim":
                return self._plain(node.parts[0]).str.strip_chars(" ")
            case "lower" | "upper":
                text = self._plain(node.parts[0])
                # The two know different editions of Unicode.
                self.doubts.append(text.str.contains(r"[^\x00-\x7F]"))
                return text.str.to_lowercase() if node.op == "lower" else text.str.to_uppercase()
            case _:
                return self.logic(node)

    def _any(self, node: Node) -> "pl.Expr":
        return self.logic(node) if node.kind == "boolean" else self._plain(node)

    def _cell(self, node: Node) -> QuickCell:
        name = str(node.value)
        cell = self._cells.get(name)
        if cell is None:
            return absent_cell(node.kind)
        if name not in self._told:
            self._told.add(name)
            if cell.doubt is not None:
                self.doubts.append(cell.doubt)
        return cell

    def _compare(self, node: Node) -> "pl.Expr":
        one, other = node.parts
        if one.kind in _COUNTED:
            return self._compare_numbers(node.op, self._number(one), self._number(other))
        left, right = self._any(one), self._any(other)
        return _applied(node.op, left, right)

    def _compare_numbers(self, op: str, one: _Number, other: _Number) -> "pl.Expr":
        left, right, _, bound = _aligned(one, other)
        if left is not None and right is not None and bound < _LARGE:
            return _applied(op, left, right)
        size = one.size + other.size
        self.doubts.append(~((one.near - other.near).abs() > _CLOSE * size) | ~size.is_finite())
        return _applied(op, one.near, other.near)

    def _number(self, node: Node) -> _Number:
        """Give a number; a date is one, in days."""
        match node.op:
            case "column":
                cell = self._cell(node)
                near = cell.value.cast(_float())
                near = near / 10**cell.decimals if cell.decimals else near
                return _Number(near, near.abs(), cell.value, cell.decimals, cell.bound)
            case "constant":
                return _fixed(node)
            case "+" | "-" | "later" | "earlier" | "days":
                plus = node.op in {"+", "later"}
                return _added(self._number(node.parts[0]), self._number(node.parts[1]), plus=plus)
            case "*":
                return _multiplied(self._number(node.parts[0]), self._number(node.parts[1]))
            case "/":
                return self._divided(self._number(node.parts[0]), self._number(node.parts[1]))
            case "%":
                return self._remainder(self._number(node.parts[0]), self._number(node.parts[1]))
            case "neg" | "abs":
                one = self._number(node.parts[0])
                turn = _negated if node.op == "neg" else _without_sign
                exact = None if one.exact is None else turn(one.exact)
                return _Number(turn(one.near), one.size, exact, one.decimals, one.bound)
            case "length":
                length = self._plain(node.parts[0]).str.len_chars().cast(_integer())
                return _Number(length.cast(_float()), length.cast(_float()), length, 0, 2**31)
            case "case" | "coalesce":
                return self._chosen(node)
            case _:
                return self._unsure()

    def _chosen(self, node: Node) -> _Number:
        import polars as pl

        if node.op == "case":
            tests = [self.logic(test) for test in node.parts[: node.value]]
            numbers = [self._number(part) for part in node.parts[node.value :]]
        else:
            tests = []
            numbers = [self._number(part) for part in node.parts]

        def choose(values: "list[pl.Expr]") -> "pl.Expr":
            return _case(tests, values) if tests else pl.coalesce(values)

        near, size = choose([each.near for each in numbers]), choose([each.size for each in numbers])
        decimals = max(each.decimals for each in numbers)
        shifted = [None if each.exact is None else each.exact * 10 ** (decimals - each.decimals) for each in numbers]
        bound = max(each.bound * 10 ** (decimals - each.decimals) for each in numbers)
        known = [each for each in shifted if each is not None]
        if bound >= _SMALL or len(known) < len(shifted):
            return _Number(near, size)
        return _Number(near, size, choose(known), decimals, bound)

    def _case(self, node: Node, of: Any) -> "pl.Expr":
        tests = [self.logic(test) for test in node.parts[: node.value]]
        return _case(tests, [of(part) for part in node.parts[node.value :]])

    def _divided(self, one: _Number, other: _Number) -> _Number:
        import polars as pl

        if other.exact is None:
            # How far it is off cannot be said: it may lie close to nothing.
            return self._unsure()
        zero = other.exact == 0
        near = pl.when(zero).then(None).otherwise(one.near / other.near)
        size = pl.when(zero).then(None).otherwise(one.size / other.near.abs())
        return _Number(near, size)

    def _remainder(self, one: _Number, other: _Number) -> _Number:
        import polars as pl

        left, right, decimals, bound = _aligned(one, other)
        if left is None or right is None or bound >= _SMALL:
            return self._unsure()
        # The sign is that of what is divided, as in SQL.
        exact = pl.when(right != 0).then(left.abs() % right.abs() * left.sign())
        near = exact.cast(pl.Float64) / 10**decimals
        return _Number(near, near.abs(), exact, decimals, bound)

    def _unsure(self) -> _Number:
        import polars as pl

        self.doubts.append(pl.lit(value=True))
        return _Number(pl.lit(0.0), pl.lit(0.0), pl.lit(0, _integer()))


def _negated(value: "pl.Expr") -> "pl.Expr":
    # polars negates no integers of 128 bits, but subtracts them.
    return 0 - value


def _without_sign(value: "pl.Expr") -> "pl.Expr":
    import polars as pl

    return pl.when(value < 0).then(0 - value).otherwise(value)


def _applied(op: str, left: "pl.Expr", right: "pl.Expr") -> "pl.Expr":
    tests = {
        "=": left.eq, "<>": left.ne, "<": left.lt, "<=": left.le, ">": left.gt, ">=": left.ge,
    }  # fmt: skip
    return tests[op](right)


def _case(tests: "list[pl.Expr]", values: "list[pl.Expr]") -> "pl.Expr":
    import polars as pl

    chosen = values[-1]
    for test, value in zip(reversed(tests), reversed(values[:-1]), strict=True):
        chosen = pl.when(test).then(value).otherwise(chosen)
    return chosen


def _constant(node: Node) -> Any:
    if isinstance(node.value, tuple):
        return "{:04d}-{:02d}".format(*node.value)
    if isinstance(node.value, datetime):
        return node.value.astimezone(UTC).replace(tzinfo=None)
    if node.kind == "time":
        return node.value.replace(tzinfo=None).isoformat()
    return node.value


def _fixed(node: Node) -> _Number:
    """Give a number of the rule itself."""
    import polars as pl

    if node.kind == "null":
        return _Number(pl.lit(None, _float()), pl.lit(None, _float()), pl.lit(None, _integer()))
    value = Fraction(node.value.toordinal() - DAY_ZERO) if isinstance(node.value, date) else node.value
    near = pl.lit(float(value))
    size = pl.lit(abs(float(value)))
    if isinstance(value, float):
        return _Number(near, size)
    decimals = next((places for places in range(_MOST_DECIMALS) if (value * 10**places).denominator == 1), None)
    if decimals is None or abs(value * 10**decimals) >= _SMALL:
        return _Number(near, size)
    whole = int(value * 10**decimals)
    return _Number(near, size, pl.lit(whole, _integer()), decimals, abs(whole) + 1)


def _aligned(one: _Number, other: _Number) -> "tuple[pl.Expr | None, pl.Expr | None, int, int]":
    """Give two numbers as integers of equal decimals, how many these are, and a bound for both."""
    decimals = max(one.decimals, other.decimals)
    bound = max(each.bound * 10 ** (decimals - each.decimals) for each in (one, other))
    return _shifted(one, decimals, bound), _shifted(other, decimals, bound), decimals, bound


def _shifted(number: _Number, decimals: int, bound: int) -> "pl.Expr | None":
    import polars as pl

    if number.exact is None or bound >= _LARGE:
        return None
    exact = number.exact if bound < _SMALL else number.exact.cast(pl.Int128)
    if decimals == number.decimals:
        return exact
    return exact * pl.lit(10 ** (decimals - number.decimals), pl.Int64 if bound < _SMALL else pl.Int128)


def _added(one: _Number, other: _Number, *, plus: bool) -> _Number:
    left, right, decimals, bound = _aligned(one, other)
    near = one.near + other.near if plus else one.near - other.near
    size = one.size + other.size
    if left is None or right is None or 2 * bound >= _LARGE:
        return _Number(near, size)
    left, right, _, _ = _aligned(_wide(one, bound), _wide(other, bound))
    assert left is not None
    return _Number(near, size, left + right if plus else left - right, decimals, 2 * bound)


def _wide(number: _Number, bound: int) -> _Number:
    """Make room for a sum that 64 bits could not hold."""
    import polars as pl

    if number.exact is None or 2 * bound < _SMALL:
        return number
    return _Number(number.near, number.size, number.exact.cast(pl.Int128), number.decimals, number.bound)


def _multiplied(one: _Number, other: _Number) -> _Number:
    import polars as pl

    near, size = one.near * other.near, one.size * other.size
    bound = one.bound * other.bound
    if one.exact is None or other.exact is None or bound >= _LARGE:
        return _Number(near, size)
    kind = pl.Int64 if bound < _SMALL else pl.Int128
    exact = one.exact.cast(kind) * other.exact.cast(kind)
    return _Number(near, size, exact, one.decimals + other.decimals, bound)


def _float() -> Any:
    import polars as pl

    return pl.Float64


def _integer() -> Any:
    import polars as pl

    return pl.Int64
