"""What arrived at a lab on a server and what was refused: receipts, and deciding about quarantine."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aliquot.access.approvals import Approval
from aliquot.datasets.commit import Committed
from aliquot.intake.quarantine import Held
from aliquot.intake.receipts import Receipt
from aliquot.intake.thread import Age, Event
from aliquot.intake.wanted import Wanted
from aliquot.lab.source_states import SourceState
from aliquot.remote.client import PAGE, Client, path_of
from aliquot.remote.lists import at_most


@dataclass(frozen=True, slots=True)
class ReceiptList:
    """A page of receipts."""

    receipts: list[Receipt]
    next: str | None


@dataclass(frozen=True, slots=True)
class HeldList:
    """A page of what was refused."""

    held: list[Held]
    next: str | None


@dataclass(frozen=True, slots=True)
class SourceList:
    """The sources of a lab."""

    sources: list[SourceState]


@dataclass(frozen=True, slots=True)
class Thread:
    """What was done about something in quarantine, and what came in its place."""

    events: list[Event]
    replaced_by: int | None


@dataclass(frozen=True, slots=True)
class Ages:
    """What waits at each source, and what waits longest."""

    sources: list[Age]
    longest: list[Held]


@dataclass(frozen=True, slots=True)
class Released:
    """What came of a release: a version, or the approval that it waits for."""

    committed: Committed | None
    asked: Approval | None


def receipts(client: Client, wishes: Sequence[Wanted], limit: int) -> tuple[Sequence[Receipt], int]:
    """List what the first of the wishes finds that finds anything, newest first, and say how many there are."""
    for wanted in wishes:
        # Some of a path is looked for under `q`, which reads eight hexadecimal digits as a digest first: asked for
        # before, that has found nothing.
        pages = client.pages(
            ReceiptList, "/receipts", limit=limit + 1, q=wanted.part, name=wanted.name, digest=wanted.digest,
            source=wanted.source, dataset=wanted.dataset, before=wanted.before,
        )  # fmt: skip
        found, there_are = at_most((each for page in pages for each in page.receipts), limit)
        if found:
            return found, there_are
    return [], 0


def receipt(client: Client, number: int) -> Receipt:
    """Give one receipt."""
    return client.get(Receipt, path_of("receipts", number))


def held(
    client: Client, *, state: str, source: str | None, assigned_to: str | None, limit: int
) -> tuple[list[Held], int]:
    """List what was refused, newest first, and say how many there are."""
    pages = client.pages(HeldList, "/quarantine", limit=limit + 1, state=state, source=source, assigned_to=assigned_to)
    return at_most((each for page in pages for each in page.held), limit)


def one_held(client: Client, number: int) -> Held:
    """Give one thing that was refused."""
    return client.get(Held, path_of("quarantine", number))


def thread(client: Client, number: int) -> Thread:
    """Say what was done about it."""
    return client.get(Thread, path_of("quarantine", number, "thread"))


def ages(client: Client, limit: int) -> tuple[list[Age], list[Held]]:
    """Say what waits at each source and for how long, and what waits longest."""
    found = client.get(Ages, "/quarantine/ages", limit=min(limit, PAGE))
    return found.sources, found.longest


def sources(client: Client) -> list[SourceState]:
    """List the sources: how each stands, what came last, and what waits."""
    return client.get(SourceList, "/sources").sources


def source(client: Client, name: str) -> SourceState:
    """Say how a source stands."""
    return client.get(SourceState, path_of("sources", name))


def wake(client: Client, name: str) -> None:
    """Have a source looked at now."""
    client.post(SourceState, path_of("sources", name, "wake"))


def release(
    client: Client, number: int, because: str, into: str | None, *, over_newer: bool,
    described: Mapping[str | None, Mapping[str, str]] | None,
) -> Committed | Approval:  # fmt: skip
    """Let something in after all; gives the version, or the approval that it waits for."""
    wish = {
        "because": because, "into": into, "over_newer": over_newer,
        "described": {name or "": dict(values) for name, values in (described or {}).items()},
    }  # fmt: skip
    done = client.post(Released, path_of("quarantine", number, "release"), wish)
    found = done.committed or done.asked
    assert found is not None
    return found


def assign(client: Client, number: int, to: str | None) -> None:
    """Say who shall decide; None: nobody in particular."""
    client.post(Held, path_of("quarantine", number, "assign"), {"to": to})


def reject(client: Client, number: int, because: str) -> None:
    """Keep something out for good."""
    client.post(Held, path_of("quarantine", number, "reject"), {"because": because})
