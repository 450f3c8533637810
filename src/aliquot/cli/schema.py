"""`aliquot schema`: JSON Schemas for editors."""

from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import PLAIN, Plain, noun
from aliquot.cli.output import print_json
from aliquot.definitions.schema import json_schema

app = noun("schema")


@app.default
def schema(kind: Annotated[str, Parameter(name="KIND")], /, *, options: Plain = PLAIN) -> None:  # noqa: ARG001  # a schema is JSON, asked for or not
    """Print a JSON Schema.

    Parameters
    ----------
    kind
        pipeline, source, type, record or lab.
    """
    print_json(json_schema(kind))
