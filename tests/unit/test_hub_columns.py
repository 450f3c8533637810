"""Shapes of hub tables, and the addresses of hubs."""

from pathlib import Path

import pytest

from aliquot.hub.columns import Column, Shape, change, check_table_name, shape_of
from aliquot.hub.hub import open_hub, quoted, text_literal
from aliquot.model.errors import Conflict, Invalid
from aliquot.model.table_schema import FieldType, TableSchema


def schema(*fields: tuple[str, str]) -> TableSchema:
    return TableSchema.model_validate({"fields": [{"name": name, "type": kind} for name, kind in fields]})


@pytest.mark.parametrize("kind", FieldType.__args__)  # type: ignore[attr-defined]
def test_every_type_of_the_standard_has_a_column(kind: str) -> None:
    assert shape_of(schema(("a", kind))).columns[0].name == "a"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ((("_path", "string"),), "hub-name-reserved"),
        ((("_PATH", "string"),), "hub-name-reserved"),
        ((("id", "string"), ("ID", "string")), "hub-name-twice"),
        (((" ", "string"),), "hub-name-unusable"),
        ((("a\nb", "string"),), "hub-name-unusable"),
        ((("ü" * 32, "string"),), "hub-name-unusable"),
    ],
)
def test_names_that_a_hub_cannot_hold_are_refused(fields: tuple[tuple[str, str], ...], code: str) -> None:
    with pytest.raises(Invalid) as refused:
        shape_of(schema(*fields))
    assert refused.value.code == code


@pytest.mark.parametrize("name", ["_aliquot_loads", "sqlite_master", "PG_class", "", "x" * 64])
def test_table_names_of_the_databases_own_are_refused(name: str) -> None:
    with pytest.raises(Invalid):
        check_table_name(name)


def test_a_key_names_columns() -> None:
    with pytest.raises(Invalid, match="'b'"):
        shape_of(schema(("a", "string")), ["b"])


@pytest.mark.parametrize(
    ("before", "after", "allowed"),
    [
        ("integer", "number", True),
        ("integer", "string", True),
        ("number", "string", True),
        ("number", "integer", False),
        ("string", "number", False),
        ("date", "datetime", False),
    ],
)
def test_columns_widen_and_never_narrow(before: str, after: str, allowed: bool) -> None:
    old, new = shape_of(schema(("a", before))), shape_of(schema(("a", after)))
    if allowed:
        assert change("t", old, new, accepted=True).widened == new.columns
        with pytest.raises(Conflict, match="accept_schema_change"):
            change("t", old, new, accepted=False)
    else:
        with pytest.raises(Conflict, match="new name"):
            change("t", old, new, accepted=True)


def test_a_key_cannot_change_and_the_order_of_columns_does_not_matter() -> None:
    old = Shape((Column("a", "string"), Column("b", "string")), ("a",))
    with pytest.raises(Conflict, match="the key changes from a to b"):
        change("t", old, Shape(old.columns, ("b",)), accepted=True)
    assert not change("t", old, Shape(old.columns[::-1], ("a",)), accepted=False)


def test_hubs_are_opened_by_address(tmp_path: Path) -> None:
    assert open_hub("sqlite:///hub.db", tmp_path).location == str(tmp_path / "hub.db")
    assert open_hub("sqlite:////data/hub.db", tmp_path).location == "/data/hub.db"
    hub = open_hub("postgresql+psycopg://me:secret@/lab?host=/run/pg", tmp_path)
    assert hub.location == "postgresql://me:secret@/lab?host=/run/pg&connect_timeout=10"
    assert "secret" not in hub.label
    for url in ("mysql://x/y", "sqlite://", "hub.db"):
        with pytest.raises(Invalid):
            open_hub(url, tmp_path)


def test_names_and_texts_stay_what_they_are() -> None:
    assert quoted('a"; DROP TABLE b; --') == '"a""; DROP TABLE b; --"'
    assert text_literal("it's") == "'it''s'"
