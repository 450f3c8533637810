"""Looking at one run: how it stands, what its commands said, what they gave, why they ran."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.text import Text

from aliquot.cli.options import OPTIONS, Options
from aliquot.cli.output import STATE_STYLES, facts, heading, line, print_json, say, stdout, table
from aliquot.cli.run_parked import advice, show_parked
from aliquot.cli.text import count, digest, folder, moment, plain, plain_lines, size, span
from aliquot.engine import control, explain
from aliquot.lab import Lab
from aliquot.lab.api_files import Stored
from aliquot.lab.outputs import output_bytes, write_outputs
from aliquot.lab.outputs import outputs as run_outputs
from aliquot.lab.run_detail import LoadLine, RunDetail, run_detail
from aliquot.lab.run_tries import tries_of
from aliquot.lab.runs import AttemptLine, StepLine
from aliquot.model.cause import cause_words
from aliquot.model.quantity import time_in_words
from aliquot.model.state import State
from aliquot.remote import runs as afar
from aliquot.remote.client import Client

_Number = Annotated[int, Parameter(name="RUN")]
_Given = tuple[Mapping[str, Sequence[Stored]], int]
"""Files by output, and how many of them were written."""


def show(number: _Number, /, *, options: Options = OPTIONS) -> None:
    """Show a run: its steps, what is parked and why.

    Parameters
    ----------
    number
        The run.
    """
    found = options.ask(lambda lab: _detail(lab, number), lambda client: afar.detail(client, number))
    if options.json:
        print_json(found.document())
        return
    run, by_step, failed = found.run, found.steps, found.parked_tasks
    facts(
        {
            "run": str(run.run),
            "pipeline": run.pipeline,
            "state": run.state,
            "": "; ".join(each for each in (run.message, found.held) if each),
            "started by": run.who if run.cause == "manual" else f"{run.cause.replace('_', ' ')} ({run.who})",
            "created": moment(run.created_at),
            "took": span(run.ended_at - run.created_at) if run.ended_at else "",
            "inputs": ", ".join(f"{name}: {of}@{version}" for name, (of, version) in found.inputs.items()),
            "parameters": ", ".join(f"{n}={json.dumps(v, ensure_ascii=False)}" for n, v in found.parameters.items()),
            "publishes": "yes" if run.publish else "no",
            "priority": str(found.priority) if found.priority else "",
            "deadline": f"{time_in_words(found.deadline)} from its start" if found.deadline else "",
        }
    )
    if run.state == State.PAUSED:
        say(f"`aliquot run resume {number}` lets it go on.")
    heading("Steps")
    table((*_COLUMNS,), [step_cells(each) for each in by_step], empty="")
    if failed:
        heading("Parked")
        show_parked(failed)
        total = sum(each.failed for each in by_step)
        if total > len(failed):
            say(f"… and {total - len(failed):,} more; `aliquot run parked {number} --all` shows them.")
        say(advice(number))
    if found.loads:
        heading("Loads")
        table(("table", "state", ">rows", ""), [_load_cells(each) for each in found.loads], empty="")
        if any(each.state == "FAILED" for each in found.loads):
            say("`aliquot hub load` does again what has failed.")


def _load_cells(each: LoadLine) -> tuple[object, ...]:
    return (each.table, each.state, each.rows if each.state == "DONE" else "", each.message)


def _detail(lab: Lab, number: int) -> RunDetail:
    with lab.catalogue.read() as connection:
        return run_detail(connection, number, lab.config.pools)


def logs(
    number: _Number,
    task: Annotated[str | None, Parameter(name="TASK")] = None,
    /,
    *,
    options: Options = OPTIONS,
) -> None:
    """Print what the commands of a run wrote to stdout and stderr, attempt by attempt.

    Parameters
    ----------
    number
        The run.
    task
        One task, like step/3; all by default.
    """
    if options.server:
        with options.connect() as client:
            tried = afar.attempts(client, number, task)
            _show_logs(tried, lambda each, name: afar.log(client, number, each, name), options)
    else:
        with options.open() as lab:
            with lab.catalogue.read() as connection:
                tried = tries_of(connection, number, task).attempts
            _show_logs(tried, lambda each, name: output_bytes(lab, getattr(each, name)), options)
    if not tried and not options.json:
        what = "That task" if task else f"Run {number}"
        say(f"{what} started no command: its work had been done before, or it waits.")


def _show_logs(tried: Sequence[AttemptLine], read: Callable[[AttemptLine, str], bytes], options: Options) -> None:
    """Print what attempts wrote; each is read when it is its turn, for all together may not fit."""
    if options.json:
        texts = ("stdout", "stderr")
        print_json(
            [
                {**each.document(), **{f"{name}_text": read(each, name).decode(errors="replace") for name in texts}}
                for each in tried
            ]
        )
        return
    for each in tried:
        took = span(each.wall) if each.wall is not None else ""
        how = "" if each.exit_code is None else f"exit {each.exit_code}"
        used = (how, took, size(each.peak_memory or None))
        about = ", ".join(part for part in (*used, cause_words(each.cause), each.message) if part)
        state = Text(each.state, style=STATE_STYLES.get(each.state, ""))
        title = Text.assemble((f"── {each.task}, attempt {each.attempt}: ", "bold"), state, f"  {plain(about)}")
        stdout().print(title, soft_wrap=True)
        for name in ("stdout", "stderr"):
            text = plain_lines(read(each, name).decode(errors="replace")).rstrip("\n")
            if text:
                stdout().print(Text(name, style="dim"))
                sys.stdout.write(text + "\n")
                sys.stdout.flush()


def outputs(
    number: _Number, /, *, to: Annotated[Path | None, Parameter(name="--to")] = None, options: Options = OPTIONS
) -> None:
    """List the outputs of a run, published or not; or write them to a folder.

    Parameters
    ----------
    number
        The run.
    to
        A folder, new or empty, that gets a folder for each output.
    """
    found, written = options.ask(lambda lab: _given(lab, number, to), lambda client: _given_there(client, number, to))
    if options.json:
        listed = {
            name: [{"path": file.path, "digest": file.digest, "size": file.size} for file in files]
            for name, files in found.items()
        }
        print_json({"run": number, "outputs": listed, "folder": str(to.absolute()) if to else None})
        return
    if to:
        line(f"{count(written, 'file')} of run {number} {'is' if written == 1 else 'are'} in {folder(to)}.")
        return
    table(
        ("output", "path", ">size", "digest"),
        [(name, file.path, size(file.size), digest(file.digest)) for name, files in found.items() for file in files],
        empty=f"Run {number} has no output{'' if found else ': its pipeline names none'}.",
    )


def _given(lab: Lab, number: int, to: Path | None) -> _Given:
    with lab.catalogue.read() as connection:
        found = run_outputs(connection, control.find_run(connection, number))
    return found, write_outputs(lab, found, to) if to else 0


def _given_there(client: Client, number: int, to: Path | None) -> _Given:
    found = afar.outputs(client, number)
    return found, afar.write_outputs(client, number, found, to) if to else 0


def why(number: _Number, task: Annotated[str, Parameter(name="TASK")], /, *, options: Options = OPTIONS) -> None:
    """Say why a task ran or was skipped: what differs from the nearest earlier task.

    Parameters
    ----------
    number
        The run.
    task
        The task, like step/3.
    """
    reason = options.read(
        lambda connection: explain.why(connection, number, task), lambda client: afar.why(client, number, task)
    )
    if options.json:
        print_json(reason.document())
        return
    verb = {"skip": "was skipped", "park": "was left parked"}.get(reason.action, "ran")
    line(f"Task {reason.task} {verb}: {plain(reason.text)}.")
    for each in reason.differences:
        heading(each.part)
        for sign, style, value in (("-", "red", each.before), ("+", "green", each.after)):
            for part in _value_lines(value):
                line(f"  {sign} {part}", style)


_COLUMNS = ("step", ">datums", ">ran", ">skipped", ">running", ">waiting", ">parked", ">canceled", ">left out")


def step_cells(each: StepLine) -> tuple[Any, ...]:
    """Give the cells of a step's row; a zero is empty, so that what there is stands out."""
    datums: Any = each.datums if each.planned else f"{each.datums:,}+" if each.datums else "not yet"
    parked_cell: Any = Text(f"{each.failed:,}", style="red") if each.failed else ""
    return (
        each.step, datums, each.ran or "", each.skipped or "", each.running or "", each.waiting or "", parked_cell,
        each.canceled or "", each.left_out or "",
    )  # fmt: skip


def _value_lines(value: Any) -> list[str]:
    if value is None:
        return ["(not there)"]
    if isinstance(value, list):
        value = " ".join(str(part) for part in value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return plain_lines(digest(text) if text.startswith("blake3:") else text).split("\n")
