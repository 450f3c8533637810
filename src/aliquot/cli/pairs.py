"""`name=value` as people type it."""

from collections.abc import Sequence

from aliquot.engine.parameters import parse_values
from aliquot.engine.pipelines import Applied
from aliquot.engine.start import Order
from aliquot.model.errors import Invalid


def pairs(option: str, texts: Sequence[str]) -> dict[str, str]:
    """Read `name=value` texts; one that is none, or a name that is given twice, is `Invalid`."""
    read: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise Invalid(
                "pair-malformed", f"{text!r} is not NAME=VALUE; write it like {option} name=value.", text=text
            )
        if name in read:
            raise Invalid("pair-twice", f"{option} gives {name} twice; give it once.", name=name)
        read[name] = value
    return read


def order_of(
    applied: Applied, parameters: Sequence[str], inputs: Sequence[str], *, publish: bool = False, who: str = ""
) -> Order:
    """Make an order of what was typed with `-p` and `--input`."""
    return Order(
        applied,
        parameters=parse_values(applied.pipeline, pairs("-p", parameters)),
        inputs=pairs("--input", inputs),
        publish=publish,
        who=who,
    )
