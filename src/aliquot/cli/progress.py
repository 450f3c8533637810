"""Progress on stderr: one line for each event, and below them, on a terminal, the runs that are under way."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from aliquot.cli.output import STATE_STYLES, stderr
from aliquot.cli.text import count, plain, span
from aliquot.lab import Lab
from aliquot.lab.news import Arrived, LoadEnded, News, RunEnded, Watch
from aliquot.lab.runs import RunLine, StepLine
from aliquot.model.errors import AliquotError

_EVERY = 0.4
_WIDTH = 24
_MOST_RUNS = 6
_MOST_REFUSALS = 5


class Progress:
    """Tells what happens in a lab while it is open; `only` keeps to one run, `silent` tells nothing."""

    def __init__(self, lab: Lab, only: int | None = None, *, silent: bool = False) -> None:
        self._lab = lab
        self._silent = silent
        self._console = stderr()
        self._stop = threading.Event()
        with lab.catalogue.read() as connection:
            self._watch = Watch(connection, only)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._thread = threading.Thread(target=self._tell, name="progress", daemon=True)

    def __enter__(self) -> Self:
        if not self._silent:
            if self._console.is_terminal:
                self._live.start()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._silent:
            return
        self._thread.join()
        self._look()
        self._live.stop()

    def _tell(self) -> None:
        while not self._stop.wait(_EVERY):
            self._look()

    def _look(self) -> None:
        # Progress is a courtesy: a catalogue that is busy or gone for a moment is the daemon's business.
        with suppress(AliquotError):
            with self._lab.catalogue.read() as connection:
                news = self._watch.look(connection, _MOST_RUNS if self._console.is_terminal else 0)
            for each in lines(news):
                event(each)
            if self._console.is_terminal:
                self._live.update(under_way(news), refresh=True)


def event(what: Text | str) -> None:
    """Say on stderr what has happened just now, above what is drawn there."""
    stderr().print(Text.assemble((time.strftime("%H:%M:%S  "), "dim"), what), soft_wrap=True)


def lines(news: News) -> list[Text]:
    """Give a line for each event."""
    return [
        *(_arrived(each) for each in _gathered(news.arrived)),
        *(_begun(each) for each in news.begun),
        *(_ended(each) for each in news.ended),
        *(_loaded(each) for each in news.loads),
    ]


def under_way(news: News) -> RenderableType:
    """Draw the runs that are under way: a line for each, and a bar for each of its steps."""
    parts: list[Text] = []
    for run, steps in news.active[:_MOST_RUNS]:
        took = span(time.time() - (run.started_at or run.created_at))
        state = (f"  {run.state.lower()}", STATE_STYLES.get(run.state, "dim"))
        parts.append(Text.assemble(f"run {run.run}  ", (plain(run.pipeline), "bold"), state, (f"  {took}", "dim")))
        widest = max(len(each.step) for each in steps) if steps else 0
        parts += [_bar(each, widest) for each in steps]
    if len(news.active) > _MOST_RUNS:
        parts.append(Text(f"and {count(len(news.active) - _MOST_RUNS, 'run')} more", style="dim"))
    return Group(*parts)


def _bar(each: StepLine, widest: int) -> Text:
    name = f"  {plain(each.step):<{widest}}  "
    if not each.planned and not each.datums:
        return Text.assemble(name, ("waits for the steps before it", "dim"))
    filled = round(_WIDTH * each.ended / each.datums) if each.datums else _WIDTH
    bar = Text.assemble(("━" * filled, "green"), ("─" * (_WIDTH - filled), "dim"))
    words = [f"{each.ended:,}/{each.datums:,}{'' if each.planned else '+'}"]
    more = ((each.running, "running"), (each.skipped, "skipped"), (each.left_out, "left out"))
    words += [f"{number:,} {word}" for number, word in more if number]
    label = Text.assemble(name, bar, "  ", "  ".join(words))
    if each.failed:
        label.append(f"  {each.failed:,} parked", style="red")
    return label


def _gathered(arrived: Sequence[Arrived]) -> list[Arrived]:
    """Put many refusals of one source together: hundreds of lines would say no more than one."""
    refused = Counter(each.source for each in arrived if each.decision == "quarantined")
    kept = [each for each in arrived if each.decision != "quarantined" or refused[each.source] <= _MOST_REFUSALS]
    return kept + [
        Arrived(source, "quarantined", None, None, None, number, "")
        for source, number in refused.items()
        if number > _MOST_REFUSALS
    ]


def _arrived(each: Arrived) -> Text:
    what = plain(each.path) if each.files == 1 else count(each.files, "file")
    head = f"{plain(each.source)}: {what}"
    if each.decision == "quarantined":
        where = f"show {each.quarantine}" if each.quarantine else "list"
        return Text.assemble(head, ("  quarantined", "yellow"), f"; see: aliquot quarantine {where}")
    if each.dataset and each.version:
        where = f" into {plain(each.dataset)}@{each.version}"
        return Text.assemble(head, (f"  {plain(each.decision)}", "green"), where)
    return Text.assemble(head, f"  {plain(each.decision)}")


def _begun(run: RunLine) -> Text:
    why = f"by {plain(run.who)}" if run.cause == "manual" else run.cause.replace("_", " ")
    return Text.assemble(f"run {run.run}: ", (plain(run.pipeline), "bold"), f" begins ({why})")


def _ended(each: RunEnded) -> Text:
    run = each.run
    counts = [
        (sum(step.ran for step in each.steps), "ran"),
        (sum(step.skipped for step in each.steps), "skipped"),
        (sum(step.failed for step in each.steps), "parked"),
    ]
    told = ", ".join(f"{number:,} {word}" for number, word in counts if number) or "no datums"
    took = span(run.ended_at - run.created_at) if run.ended_at else ""
    line = Text.assemble(
        f"run {run.run}: ", (plain(run.pipeline), "bold"), " ", (run.state, STATE_STYLES.get(run.state, "")),
        f"  {told}", (f"  {took}", "dim"),
    )  # fmt: skip
    if run.message and run.state != "COMPLETE":
        line.append(f"  {plain(run.message)}", style="red")
    if any(step.failed for step in each.steps):
        line.append(f"; see: aliquot run show {run.run}")
    return line


def _loaded(each: LoadEnded) -> Text:
    head = Text.assemble(f"run {each.run}: table ", (plain(each.table), "bold"))
    if each.state == "DONE":
        return head.append(f" loaded, {count(each.rows, 'row')}" if each.rows else " is up to date")
    state = (f" {each.state.lower()}", STATE_STYLES.get(each.state, ""))
    return Text.assemble(head, state, f"  {plain(each.message)}")
