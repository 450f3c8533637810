"""Pipelines of a lab on a server: what is applied, and what a run would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aliquot.engine.advise import Advice
from aliquot.engine.pipelines import Applied
from aliquot.engine.preview import Intent
from aliquot.lab.pipeline_look import PipelineDetail, PipelineLine
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Pipeline
from aliquot.remote.client import Client, path_of


@dataclass(frozen=True, slots=True)
class PipelineList:
    """The pipelines that are applied."""

    pipelines: list[PipelineLine]


@dataclass(frozen=True, slots=True)
class Bundled:
    """A pipeline as it is applied, with the digests of its bundled files."""

    digest: str
    document: dict[str, Any]
    bundle: dict[str, str]


@dataclass(frozen=True, slots=True)
class AdviceList:
    """What each step needed."""

    steps: list[Advice]


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run would do, datum by datum."""

    intents: list[Intent]


def pipelines(client: Client) -> list[PipelineLine]:
    """List the pipelines that are applied."""
    return client.get(PipelineList, "/pipelines").pipelines


def detail(client: Client, name: str) -> PipelineDetail:
    """Look at a pipeline."""
    return client.get(PipelineDetail, path_of("pipelines", name))


def applied(client: Client, name: str) -> Applied:
    """Give a pipeline as it is applied there."""
    found = client.get(Bundled, path_of("pipelines", name))
    try:
        pipeline = Pipeline.model_validate(found.document)
    except ValueError as error:
        sentence = f"The pipeline {name} there is not one that this version of Aliquot reads; install the server's."
        raise Invalid("server-version", sentence, pipeline=name) from error
    return Applied(0, found.digest, pipeline, found.bundle)


def plan(client: Client, name: str, parameters: Mapping[str, Any], inputs: Mapping[str, str]) -> list[Intent]:
    """Say what a run would do and why."""
    wish = {"parameters": dict(parameters), "inputs": dict(inputs)}
    return client.post(Plan, path_of("pipelines", name, "plan", "all"), wish).intents


def advice(client: Client, name: str) -> list[Advice]:
    """Say what the tasks of each step needed."""
    return client.get(AdviceList, path_of("pipelines", name, "advice")).steps
