"""A rule across the columns of a table, which every row must meet."""

import re
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema
from pydantic import Field as Setting

from aliquot.model.definition import Definition

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 60


def _code(text: str) -> str:
    if _CODE.fullmatch(text) is None or len(text) > _LONGEST:
        raise ValueError(f"{text!r} is no code; write small letters, digits and '-', like paid-over-charged")
    return text


RuleCode = Annotated[
    str,
    AfterValidator(_code),
    WithJsonSchema({"type": "string", "pattern": f"^{_CODE.pattern}$", "maxLength": _LONGEST}),
]
"""What findings are called, such as `paid-over-charged`."""


class RowRule(Definition):
    """A rule across columns: a row whose values make it false gets a finding; one that lacks values for it does not."""

    code: RuleCode
    """What its findings are called."""
    rule: Annotated[str, Setting(min_length=1, max_length=10_000)]
    """An expression as in SQL over the columns, such as `paid <= charged`."""
    text: str = ""
    """A sentence for the person who has to correct the row."""
