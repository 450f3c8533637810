"""`--record`: what a person says of files, and how it is shown."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.output import heading, table
from aliquot.cli.text import plain
from aliquot.intake.describe import Given
from aliquot.model.errors import Invalid

Records = Annotated[list[str] | None, Parameter(name="--record", consume_multiple=True, negative="")]
"""`--record [TYPE] FIELD=VALUE…`."""


def given(records: Sequence[str] | None, who: str) -> Given | None:
    """Read what was typed: values for files of all types, or after a type's name for files of that type."""
    if not records:
        return None
    values: dict[str | None, dict[str, str]] = {}
    type_: str | None = None
    for text in records:
        name, sign, value = text.partition("=")
        if not sign and Path(text).exists():
            sentence = f"{text!r} after --record is a file; name the files first, then --record FIELD=VALUE."
            raise Invalid("record-malformed", sentence, text=text)
        if not sign:
            type_ = text
            continue
        if not name:
            raise Invalid("record-malformed", f"{text!r} is not FIELD=VALUE; write --record facility=north.", text=text)
        known = values.setdefault(type_, {})
        if name in known:
            raise Invalid("record-twice", f"--record gives {name} twice; give it once.", field=name)
        known[name] = value
    if not values:
        raise Invalid("record-malformed", f"--record {type_} says nothing; write FIELD=VALUE behind it.", text=type_)
    return Given(values, who)


def values_of(records: Sequence[str] | None) -> Mapping[str | None, Mapping[str, str]] | None:
    """Read the values alone, for whom a server knows who says them."""
    said = given(records, "")
    return said.values if said else None


def show_said(described: Mapping[str, Mapping[str, Any]]) -> None:
    """Print what is said of a file, and where it came from."""
    if not described:
        return
    heading("Said of it")
    rows = [(name, _value(each.get("value")), str(each.get("origin", ""))) for name, each in described.items()]
    table(("field", "value", "from"), rows, empty="")


def _value(value: Any) -> str:
    if isinstance(value, dict | list):
        import json

        return json.dumps(value, ensure_ascii=False)
    return plain("yes" if value is True else "no" if value is False else str(value))
