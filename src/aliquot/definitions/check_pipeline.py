"""References inside a pipeline: what they name is there, and fits."""

import re
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import jmespath
from cronsim import CronSim, CronSimError
from jmespath.exceptions import JMESPathError

from aliquot.definitions.check_ensure import check_ensure
from aliquot.definitions.check_inputs import check_glob, check_inputs
from aliquot.definitions.check_schema import check_schema
from aliquot.definitions.check_when import check_when
from aliquot.definitions.environment import check_environment
from aliquot.definitions.problem import Path, Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.inputs import flat
from aliquot.model.pipeline import Pipeline, Table, Trigger
from aliquot.model.schedule import Schedule

_TABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}", re.ASCII)


def check_pipeline(document: Document, pipeline: Pipeline) -> list[Problem]:
    """Give all mistakes in how the parts of a pipeline refer to each other."""
    problems: list[Problem] = []
    for name, schema in pipeline.parameters.items():
        problems += check_schema(document, ("parameters", name), schema)
    for name in pipeline.steps:
        problems += _step(document, pipeline, name)
        problems += check_environment(document, pipeline, name)
        problems += check_when(document, pipeline, name)
        problems += check_ensure(document, pipeline.steps[name], ("steps", name, "ensure"))
    problems += _circles(document, pipeline)
    problems += _outputs(document, pipeline)
    for name, table in pipeline.tables.items():
        problems += _table(document, pipeline, name, table)
    if isinstance(document.value.get("trigger"), dict):
        problems += _trigger(document, pipeline, pipeline.trigger)
    return problems


def _step(document: Document, pipeline: Pipeline, name: str) -> Iterator[Problem]:
    step, path = pipeline.steps[name], ("steps", name)
    yield from check_inputs(document, pipeline, name)
    given = step.python is None and not step.only_checks
    if given and (not step.command or (isinstance(step.command, str) and not step.command.strip())):
        yield document.problem((*path, "command"), "the command is empty")
    for at, parameter in enumerate(step.parameters or []):
        if parameter not in pipeline.parameters:
            words = f"there is no parameter {parameter!r}{instead(parameter, list(pipeline.parameters))}"
            yield document.problem((*path, "parameters", at), words)
    for export, expression in step.exports.items():
        try:
            jmespath.compile(expression)  # pyright: ignore[reportUnknownMemberType]  # jmespath has no types
        except JMESPathError as error:
            at = getattr(error, "lex_position", None)
            words = f"{expression!r} is not a JMESPath expression" + ("" if at is None else f" (at character {at + 1})")
            yield document.problem((*path, "exports", export), words)


def _circles(document: Document, pipeline: Pipeline) -> Iterator[Problem]:
    feeds = {
        name: [each.from_ for each in step.inputs.values() if each.from_ in pipeline.steps and each.from_ != name]
        for name, step in pipeline.steps.items()
    }
    circle = find_circle(feeds)
    if circle:
        name, source = circle[0], circle[1]
        step = pipeline.steps[name]
        at = next(at for at, _, taken in flat(step.taken) if taken.from_ == source)
        words = f"steps wait for each other in a circle: {' <- '.join(circle)}"
        yield document.problem(("steps", name, "inputs", *at, "from"), words)


def find_circle(edges: dict[str, list[str]]) -> list[str]:
    """Give a circle in a graph as the names along it, the first one again at the end; empty if there is none."""
    done: set[str] = set()
    for start in edges:
        trail: list[str] = []
        turns = [iter([start])]
        while turns:
            name = next(turns[-1], None)
            if name is None:
                turns.pop()
                if trail:
                    done.add(trail.pop())
            elif name in trail:
                return [*trail[trail.index(name) :], name]
            elif name not in done:
                trail.append(name)
                turns.append(iter(edges.get(name, [])))
    return []


def _outputs(document: Document, pipeline: Pipeline) -> Iterator[Problem]:
    published: dict[str, str] = {}
    for name, output in pipeline.outputs.items():
        yield from _step_named(document, pipeline, ("outputs", name, "from"), output.from_)
        if output.publish is None:
            continue
        first = published.setdefault(output.publish, name)
        if first != name:
            words = f"the output {first!r} publishes to {output.publish!r} already; each dataset takes one output"
            yield document.problem(("outputs", name, "publish"), words)


def _step_named(document: Document, pipeline: Pipeline, path: Path, name: str) -> Iterator[Problem]:
    if name not in pipeline.steps:
        what = "an input of the pipeline, not a step" if name in pipeline.inputs else ""
        words = f"{name!r} is {what}" if what else f"there is no step {name!r}{instead(name, list(pipeline.steps))}"
        yield document.problem(path, words)


def _table(document: Document, pipeline: Pipeline, name: str, table: Table) -> Iterator[Problem]:
    path = ("tables", name)
    if not _TABLE_NAME.fullmatch(name):
        words = "a table's name has letters, digits and '_', 63 at most, and begins with no digit"
        yield document.problem(path, words, key=True)
    yield from _step_named(document, pipeline, (*path, "from"), table.from_)
    yield from check_glob(document, (*path, "glob"), table.glob)[1]
    if table.type is not None and table.schema_ is not None:
        yield document.problem((*path, "type"), "both 'type' and 'schema' give the columns; remove one of them")
    if table.schema_ is not None:
        columns = [column.name for column in table.schema_.fields]
        yield from key_columns(document, (*path, "key"), table.key, columns)


def key_columns(document: Document, path: Path, key: list[str], columns: Collection[str]) -> Iterator[Problem]:
    """Give the columns of a table's key that the table does not have."""
    for at, name in enumerate(key):
        if name not in columns:
            yield document.problem((*path, at), f"there is no column {name!r}{instead(name, list(columns))}")


def _trigger(document: Document, pipeline: Pipeline, trigger: Trigger) -> Iterator[Problem]:
    datasets = list(dict.fromkeys(each.dataset for each in pipeline.inputs.values()))
    for at, name in enumerate(trigger.new_version):
        if name in datasets:
            continue
        if name in pipeline.inputs:
            advice = f"; the input {name!r} is bound to {pipeline.inputs[name].dataset!r}: write that"
        else:
            advice = instead(name, datasets)
        yield document.problem(("trigger", "new_version", at), f"no input takes the dataset {name!r}{advice}")
    if trigger.schedule is not None:
        given = document.value["trigger"]["schedule"]
        yield from check_schedule(document, ("trigger", "schedule"), trigger.schedule, given)
    if not trigger.new_version and trigger.schedule is None:
        yield document.problem(
            ("trigger",), "the trigger says nothing; give 'new_version' or 'schedule', or write manual"
        )


def check_schedule(document: Document, place: Path, schedule: Schedule, given: object) -> Iterator[Problem]:
    """Give what is wrong with a schedule; `given` is how it is written."""
    yield from _schedule(document, (*place, "cron") if isinstance(given, dict) else place, schedule.cron)
    yield from _zone(document, (*place, "zone"), schedule.zone)


def _zone(document: Document, path: Path, name: str | None) -> Iterator[Problem]:
    if name is None:
        return
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        known = sorted(available_timezones())
        yield document.problem(path, f"there is no time zone {name!r}{instead(name, known)}")


def _schedule(document: Document, path: Path, text: str) -> Iterator[Problem]:
    advice = "write minute, hour, day, month and weekday, like '0 2 * * *' for two at night"
    if len(text.split()) != 5:
        yield document.problem(path, f"{text!r} is not a schedule; {advice}")
        return
    try:
        # A year in which every date comes within four years, so that a schedule that never comes is found.
        if next(CronSim(text, datetime(2028, 1, 1, tzinfo=UTC)), None) is None:
            yield document.problem(path, f"{text!r} names a time that never comes")
    except CronSimError as error:
        words = str(error)[:1].lower() + str(error)[1:]
        yield document.problem(path, f"{text!r} is not a schedule ({words}); {advice}")
