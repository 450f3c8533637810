"""The `ensure` of a step, complete: with the Table Schemas of the file types that it names."""

from typing import Any

from sqlalchemy import Connection, select

from aliquot.db.tables import definition
from aliquot.model.ensure import rule_document
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.pipeline import Step


def rules_of(connection: Connection, step: Step) -> list[dict[str, Any]]:
    """Give a step's rules as keys and task documents hold them.

    `Invalid` when a file type that one names is not applied any more, or gives no Table Schema.
    """
    if not step.ensure:
        return []
    types = {rule.type: _type(connection, rule.type) for rule in step.ensure if rule.type is not None}
    return [
        rule_document(rule, types[rule.type].table, types[rule.type].rules) if rule.type else rule_document(rule, None)
        for rule in step.ensure
    ]


def _type(connection: Connection, name: str) -> FileType:
    query = select(definition.c.document).where(
        definition.c.kind == "type", definition.c.name == name, definition.c.current
    )
    document = connection.execute(query).scalar()
    found = FileType.model_validate(document) if document else None
    if found is None or found.table is None:
        raise Invalid(
            "ensure-without-type",
            f"A step's 'ensure' names the file type {name!r}, which is not applied or has no 'table'; apply it, or "
            f"correct the pipeline.",
            type=name,
        )
    return found
