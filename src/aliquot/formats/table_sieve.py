"""Expressions that tell at once that most cells are good.

A sieve may hold back a good cell, which is then judged exactly, but it never lets a bad one through.
"""

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aliquot.formats.table_rules import ColumnRules

if TYPE_CHECKING:
    import polars as pl

# February 29 and the years before 1000 are left to the exact reader.
DATE = (
    "[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    "|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
CLOCK = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_ZONED = CLOCK + r"(?:\.[0-9]{1,6})?(?:Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9])?"
# What Rust's regular expressions know otherwise than Python's: groups with options, set operations, possessive
# quantifiers, and escapes other than those of \\d and of punctuation.
_DIFFERENT = re.compile(r"\(\?(?!:)|\[\[|\[:|&&|--|~~|[*+?}]\+|\{,|\\(?![d./+*()|\[\]{}?^$\\-])|\[\^?\]|\[\^[^\]]*\\d")
_INTEGER = "-?[0-9]{1,18}"
_NUMBER = r"-?[0-9]{1,9}(?:\.[0-9]{1,6})?"
_DIGITS_OF_A_FLOAT = 15
_TEXTS = {"any", "string"}


def sieve(rules: ColumnRules, name: str, *, nullable: bool) -> "pl.Expr | None":
    """Give an expression that is true only for good cells of the column `name`, or `None` if no cell can be bad.

    `nullable` columns have nulls for the cells that their rows lack.
    """
    import polars as pl

    cell = pl.col(name)
    good = _good(rules, cell)
    absent = missing(rules.missing, cell, nullable=nullable)
    if not rules.field.constraints.required:
        return None if good is None else absent | (good.fill_null(value=False) if nullable else good)
    if good is None:
        return ~absent
    # Mostly a text that stands for no value is no good value either, and one test does for both.
    tested = good if all(rules.refuses(text) for text in rules.missing) else ~absent & good
    return tested.fill_null(value=False) if nullable else tested


def missing(texts: frozenset[str], cell: "pl.Expr", *, nullable: bool = True) -> "pl.Expr":
    """Give an expression that is true for cells without a value, and otherwise false."""
    import polars as pl

    if len(texts) == 1:
        found = cell == next(iter(texts))
    else:
        found = cell.is_in(sorted(texts)) if texts else pl.lit(value=False)
    return cell.is_null() | found.fill_null(value=False) if nullable else found


def _good(rules: ColumnRules, cell: "pl.Expr") -> "pl.Expr | None":
    """Give an expression that is true only for cells with a good value; `None` if every text is one."""
    import polars as pl

    field, constraints = rules.field, rules.field.constraints
    form = field.format or "default"
    if constraints.json_schema is not None:
        return pl.lit(value=False)
    for values in (constraints.enum, field.categories):
        if values is not None:
            return _listed(rules, cell, values)
    typed = _typed(rules, cell)
    if typed is False:
        return pl.lit(value=False)
    parts: list[pl.Expr] = [] if typed is True else [typed]
    if constraints.pattern is not None:
        if field.type not in _TEXTS or _DIFFERENT.search(constraints.pattern):
            return pl.lit(value=False)
        parts.append(_whole(cell, _ascii_digits(constraints.pattern)))
    if constraints.min_length is not None or constraints.max_length is not None:
        if field.type not in _TEXTS or form != "default":
            return pl.lit(value=False)
        low, high = constraints.min_length or 0, constraints.max_length
        length = cell.str.len_chars()
        parts.append(length >= low if high is None else length.is_between(low, high))
    return pl.all_horizontal(parts) if parts else None


def _listed(rules: ColumnRules, cell: "pl.Expr", values: list[Any]) -> "pl.Expr":
    """Let those texts through that the exact judge finds good, spelled as in the schema."""
    spelled = {
        value if isinstance(value, str) else str(value) for value in values if not isinstance(value, dict | list)
    }
    return cell.is_in([text for text in sorted(spelled) if not rules.judge(text)])


def _typed(rules: ColumnRules, cell: "pl.Expr") -> "pl.Expr | bool":  # one return for each type
    """Tell cells of the type within its bounds; `True` if every cell is, `False` if only the exact reader can tell."""
    field = rules.field
    form = field.format or "default"
    match field.type, form:
        case ("any", _) | ("string", "default"):
            return True
        case (("integer" | "number"), _):
            return _numeric(rules, cell)
        case "boolean", _:
            return cell.is_in([*field.true_values, *field.false_values])
        case "date", "default" | "%Y-%m-%d":
            good = _whole(cell, DATE)
            return good & _ordered(rules, cell) if _bounded(rules) else good
        case ("datetime", "default") if not _bounded(rules):
            return _whole(cell, DATE + "T" + _ZONED)
        case "datetime", "%Y-%m-%d %H:%M:%S" | "%Y-%m-%dT%H:%M:%S" | "%Y-%m-%dT%H:%M:%SZ" if not _bounded(rules):
            return _whole(cell, DATE + form[8] + CLOCK + form[17:])
        case ("time", "default") if not _bounded(rules):
            return _whole(cell, _ZONED)
        case ("year", _) if not _bounded(rules):
            return _whole(cell, "[0-9]{4}")
        case ("yearmonth", _) if not _bounded(rules):
            return _whole(cell, "[0-9]{4}-(?:0[1-9]|1[0-2])")
        case "string", "uuid":
            return _whole(cell, "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
        case _:
            return False


def _whole(cell: "pl.Expr", pattern: str) -> "pl.Expr":
    return cell.str.contains(f"^(?:{pattern})$")


def _ascii_digits(pattern: str) -> str:
    r"""Narrow `\\d` to ASCII, as the two kinds of expressions know different editions of Unicode."""
    inside = False
    parts: list[str] = []
    for part in re.findall(r"\\.|.", pattern, re.DOTALL):
        if part == r"\d":
            part = "0-9" if inside else "[0-9]"
        elif part == "[":
            inside = True
        elif part == "]":
            inside = False
        parts.append(part)
    return "".join(parts)


def _bounded(rules: ColumnRules) -> bool:
    return any(rules.bound(name) is not None for name in _BOUNDS)


_BOUNDS = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum")


def _ordered(rules: ColumnRules, cell: "pl.Expr") -> "pl.Expr":
    """Compare ISO dates as text, which sorts as they do."""
    return _within(cell, {name: None if (at := rules.bound(name)) is None else at.isoformat() for name in _BOUNDS})


def _within(value: "pl.Expr", bounds: dict[str, Any]) -> "pl.Expr":
    import polars as pl

    tests = {
        "minimum": value.ge,
        "maximum": value.le,
        "exclusive_minimum": value.gt,
        "exclusive_maximum": value.lt,
    }
    return pl.all_horizontal(test(bounds[name]) for name, test in tests.items() if bounds[name] is not None)


def _numeric(rules: ColumnRules, cell: "pl.Expr") -> "pl.Expr | bool":
    import polars as pl

    field = rules.field
    whole = field.type == "integer"
    bounds = {name: rules.bound(name) for name in _BOUNDS}
    given = [Decimal(value) for value in bounds.values() if value is not None]
    if any(not value.is_finite() for value in given):
        return False
    text, pattern = cell, _INTEGER if whole else _NUMBER
    if field.decimal_char != "." and not whole:
        # A point is no decimal character here, and must not become one.
        pattern = pattern.replace(r"\.", re.escape(field.decimal_char))
        text = cell.str.replace(field.decimal_char, ".", literal=True)
    inside = _whole(cell, pattern)
    if not given:
        return inside
    if [name for name in _BOUNDS if bounds[name] is not None] == ["minimum"] and given[0] == 0:
        return _whole(cell, pattern.removeprefix("-?"))
    if any(len(value.as_tuple().digits) > _DIGITS_OF_A_FLOAT or abs(value.adjusted()) > 15 for value in given):
        return False
    if whole and all(value == value.to_integral_value() for value in given):
        limits = {name: None if value is None else int(value) for name, value in bounds.items()}
        return inside & _within(text.cast(pl.Int64, strict=False), limits).fill_null(value=False)
    # Up to fifteen digits, two numbers that differ differ as floats too.
    pattern = pattern.replace("{1,18}", "{1,15}")
    limits = {name: None if value is None else float(value) for name, value in bounds.items()}
    return _whole(cell, pattern) & _within(text.cast(pl.Float64, strict=False), limits).fill_null(value=False)
