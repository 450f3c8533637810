"""Parked datums of a run: seeing them with their causes, looking at one, trying them again."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from rich.text import Text

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import facts, heading, line, print_json, say, stdout
from aliquot.cli.text import count, moment, plain, plain_lines, size, span
from aliquot.engine import control
from aliquot.engine.parked import chosen_causes
from aliquot.lab import acts_run
from aliquot.lab.run_tries import parked_of
from aliquot.lab.runs import AttemptLine, TaskLine
from aliquot.model.cause import CAUSES, cause_words, counted_causes
from aliquot.model.errors import Invalid
from aliquot.model.task import Cause
from aliquot.remote import runs as afar

_Number = Annotated[int, Parameter(name="RUN")]
_Causes = Annotated[list[str] | None, Parameter(name="--cause")]
_SHOWN = 20
_TAIL = 12


def parked(
    number: _Number,
    task: Annotated[str | None, Parameter(name="TASK")] = None,
    /,
    *,
    cause: _Causes = None,
    all: Annotated[bool, Parameter(name="--all")] = False,  # noqa: A002  # the option's name
    options: Options = OPTIONS,
) -> None:
    """List the parked datums of a run with their causes and last lines, or look at one.

    Parameters
    ----------
    number
        The run.
    task
        One parked task, like step/3, with all of its attempts.
    cause
        Only what failed by this cause: user, oom, timeout, lost, refused or ours; may be repeated.
    all
        Show every one, not the first 20.
    """
    causes = chosen_causes(cause or ())
    most = None if all or options.json else _SHOWN
    found = options.read(
        lambda connection: parked_of(connection, number, task, causes, limit=most),
        lambda client: afar.parked(client, number, task, cause or (), most),
    )
    lines = found.tasks
    if options.json:
        told = [{**each.document(), "words": cause_words(each.cause)} for each in lines]
        if task:
            told[0]["tried"] = [each.document() for each in found.tried]
        print_json(told[0] if task else told)
        return
    if task:
        _show_one(number, lines[0], found.tried)
        return
    if not found.total:
        line(f"Run {number} has nothing parked{' by such a cause' if causes else ''}.")
        return
    line(f"{count(found.total, 'datum is', 'datums are')} parked: {counted_causes(found.counts)}.")
    show_parked(lines)
    if len(lines) < found.total:
        say(f"… and {found.total - len(lines):,} more; --all shows them.")
    say(advice(number))


def retry(
    number: _Number,
    tasks: Annotated[list[str] | None, Parameter(name="TASK")] = None,
    /,
    *,
    cause: _Causes = None,
    all: Annotated[bool, Parameter(name="--all")] = False,  # noqa: A002  # the option's name
    wait: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Try parked datums again: all of a run, or those that you name. Everything else stays as it is.

    In a run that is still under way they wait again. Of one that has ended, a new run of the same definition,
    parameters and versions starts, in which only what has not succeeded runs.

    Parameters
    ----------
    number
        The run.
    tasks
        Parked tasks, like step/3; all by default.
    cause
        Only what failed by this cause, like oom; may be repeated.
    all
        All of them, as without a name.
    wait
        Do its work here and wait for its end, as `run start --wait` does.
    """
    names, causes = tasks or [], chosen_causes(cause or ())
    if all and (names or causes):
        raise Invalid("retry-all-and-some", "Give either --all, or tasks and causes.")
    if options.server:
        with options.connect() as client:
            again = afar.retry(client, number, names, [str(each) for each in causes])
            _say_outdated(again.outdated, number)
            if wait:
                from aliquot.cli.follow import follow

                return follow(client, again.run, as_json=options.json)
    else:
        with options.open() as lab:
            with lab.catalogue.write() as connection:
                outdated = control.outdated(connection, number)
                again = afar.Repeated(*acts_run.retry(connection, lab.by, number, names, causes), outdated)
            _say_outdated(outdated, number)
            if wait:
                from aliquot.cli.wait import wait_for

                return wait_for(lab, again.run, as_json=options.json)
    _say_retried(options, number, again, some=bool(names or causes))
    return 0


def _say_retried(options: Options, number: int, again: afar.Repeated, *, some: bool) -> None:
    new, chosen = again.run, again.parked
    if options.json:
        print_json({"run": new, "state": "QUEUED", "retry_of": number, "parked": chosen})
        return
    what = count(chosen, "parked datum", "parked datums")
    if new == number:
        line(f"{what} of run {number} {'waits' if chosen == 1 else 'wait'} again.")
    elif some:
        line(f"Run {new} tries {what} of run {number} again, and leaves the others parked.")
    else:
        line(f"Run {new} does again what failed in run {number}.")
    say("`aliquot up` does its work, if it is not running already.")


def _say_outdated(pipeline: str | None, number: int) -> None:
    if pipeline:
        say(
            f"The pipeline {pipeline} has changed since run {number}, which is tried again with its own definition "
            f"and scripts. What is applied now starts with: aliquot run start {pipeline}"
        )


def show_parked(lines: Sequence[TaskLine]) -> None:
    """Print parked datums: task, datum, cause in words, message, and the last lines of the log."""
    for each in lines:
        stdout().print(
            Text.assemble(
                (plain(each.task), "bold"), f"  {plain(each.datum)}  ",
                (plain(": ".join(part for part in (cause_words(each.cause), each.message) if part)), "red"),
                f"  ({_tries(each)})",
            ),
        )  # fmt: skip
        for each_line in plain_lines(each.tail).rstrip("\n").split("\n")[-_TAIL:]:
            if each_line:
                line(f"  │ {each_line}", "dim")


def advice(number: int) -> str:
    """Say what can be done with what is parked."""
    return (
        f"\n`aliquot run parked {number} TASK` looks at one, `aliquot run logs {number} TASK` prints all of it.\n"
        f"`aliquot run retry {number}` does again what failed, with the same files and scripts;\n"
        "after you changed a script, `aliquot apply` and start a new run."
    )


def _tries(each: TaskLine) -> str:
    return f"parked since run {each.since}, unchanged" if each.since else count(each.attempts, "attempt")


def _show_one(number: int, each: TaskLine, tried: Sequence[AttemptLine]) -> None:
    words = CAUSES[Cause(each.cause)] if each.cause else None
    facts(
        {
            "task": f"{each.task} of run {number}",
            "datum": plain(each.datum),
            "state": each.state,
            "cause": f"{words.one}: {words.happened}" if words else "",
            "": plain(each.message),
            "what to do": words.advice if words else "",
            "parked since": f"run {each.since}: nothing of it has changed since" if each.since else "",
        }
    )
    heading("Attempts")
    for one in tried:
        used = ", ".join(part for part in (span(one.wall), size(one.peak_memory), moment(one.ended_at)) if part)
        line(f"  {one.attempt}  {cause_words(one.cause)}  {plain(one.message)}  ({used})")
    if each.tail:
        heading("Last lines")
        for each_line in plain_lines(each.tail).rstrip("\n").split("\n"):
            line(f"  │ {each_line}", "dim")
    say(
        f"\n`aliquot run logs {number} {each.task}` prints all that it said;\n"
        f"`aliquot run retry {number} {each.task}` tries it again."
    )
