"""`/api/v1/definitions`: registering pipelines, file types and record types from afar."""

import base64
import binascii
from typing import Annotated

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from aliquot.definitions.difference import Change
from aliquot.definitions.sent import LARGEST, MOST
from aliquot.lab import sent
from aliquot.lab.posted import Answer, Remember
from aliquot.lab.sent import Applied
from aliquot.model.errors import Invalid
from aliquot.server.answers import json_answer, json_bytes, plain_values
from aliquot.server.routes import Routes
from aliquot.server.visit import AVisit

routes = Routes("/api/v1")

_BODY = LARGEST * 4 // 3 + (MOST * 1_100)
_EXAMPLE = base64.b64encode(b"type: plate\nformat: table\nrecognise: {name: '*.csv'}\n").decode()


class SentFile(BaseModel):
    """A file of the folder: its path below it, and its bytes in base64."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=1_000, examples=["types/plate.yaml"])
    data: str = Field(examples=[_EXAMPLE])


class SentDefinitions(BaseModel):
    """All that the lab shall define: `types/`, `pipelines/`, `records/` and what they bundle.

    What is left out goes, where `base` says that this was seen.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"files": [{"path": "types/plate.yaml", "data": _EXAMPLE}]}]},
    )

    files: list[SentFile] = Field(min_length=1, max_length=MOST)
    base: str = Field(
        "", max_length=100,
        description="What the comparison said that it was made with: needed where definitions go, and where others "
        "are registered now, nothing is changed.",
    )  # fmt: skip
    because: str = Field("", max_length=2_000, description="The reason, where the lab asks for a second person.")


class ChangeList(BaseModel):
    """What would be registered: each definition with its change, and a unified diff for people.

    `base` is the digest of the definitions that they were compared with.
    """

    changes: list[Change]
    base: str


@routes.api("POST", "/definitions/difference", action="pipeline.publish", most=_BODY)
def compare(visit: AVisit, wish: Annotated[SentDefinitions, Body()]) -> ChangeList:
    """Say what would change, if these were the lab's definitions; changes nothing."""
    changes, base = sent.compare_sent(visit.lab, visit.by, _files(wish))
    return ChangeList(changes=changes, base=base)


@routes.api("POST", "/definitions", action="pipeline.publish", status=201, makes=True, most=_BODY)
def apply(visit: AVisit, wish: Annotated[SentDefinitions, Body()]) -> Applied:
    """Register definitions in the place of those that are; where the lab asks for a second person, it waits for one.

    The settings of the lab, its sources among them, stay as they are: mistakes are told against those.
    """

    def work(remember: Remember) -> Answer:
        def also(connection: Connection, done: Applied) -> None:
            remember(connection, said(done))

        return said(sent.apply_sent(visit.lab, visit.by, _files(wish), wish.because, also, wish.base))

    def said(done: Applied) -> Answer:
        return Answer(201, plain_values(done))

    answer = visit.once_beside(json_bytes(wish), work)
    return json_answer(visit.request, answer.document, answer.status)  # type: ignore[return-value]


def _files(wish: SentDefinitions) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for each in wish.files:
        try:
            found[each.path] = base64.b64decode(each.data, validate=True)
        except (binascii.Error, ValueError) as error:
            sentence = f"The bytes of {each.path!r} are not written in base64; write them so."
            raise Invalid("definitions-path", sentence, path=each.path) from error
    return found
