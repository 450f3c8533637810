"""Work that a server does for one asker at a time."""

import threading
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from starlette.responses import StreamingResponse

from aliquot.db import open_catalogue
from aliquot.lab.posted import Answer, Remembering, Sent
from aliquot.model.errors import Conflict, Invalid
from aliquot.server.working import LINES, Progress, Turn, end_works, told_as_it_goes
from waiting import until

SENT = Sent("ada", "a key", "blake3:what it says")


def test_work_that_could_not_be_started_is_in_nobodys_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as without:
        without.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            told_as_it_goes(lambda _: 1)
    done = threading.Event()
    told_as_it_goes(lambda _: done.set())
    assert done.wait(60)

    until(lambda: is_free("upkeep"))


def test_what_was_answered_is_answered_again_and_not_done(tmp_path: Path) -> None:
    catalogue = open_catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    done: list[int] = []

    def work(told: Progress) -> dict[str, int]:
        done.append(len(done))
        told(1, 1, "")
        return {"done": len(done)}

    def answered() -> Answer | None:
        return Remembering(catalogue, SENT).before()

    told_as_it_goes(work, turn="load", kept=Remembering(catalogue, SENT))
    until(answered)
    until(lambda: is_free("load"))
    again = told_as_it_goes(work, turn="load", kept=Remembering(catalogue, SENT))
    assert bytes(again.body) == b'{"result": {"done": 1}}\n'
    assert (done, again.media_type) == ([0], LINES)
    # Nobody was kept out by that.
    assert is_free("load")
    with pytest.raises(Invalid) as raised:
        told_as_it_goes(work, turn="load", kept=Remembering(catalogue, replace(SENT, request="another")))
    assert raised.value.code == "idempotency-key-reused"
    assert is_free("load")
    catalogue.close()


def test_what_is_remembered_goes_on_when_its_asker_leaves_and_the_rest_ends(tmp_path: Path) -> None:
    catalogue = open_catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    for kept, goes_on in ((Remembering(catalogue, SENT), True), (None, False)):
        left, went_on = threading.Event(), threading.Event()

        def work(told: Progress, left: threading.Event = left, went_on: threading.Event = went_on) -> int:
            assert left.wait(60)
            told(1, 2, "one")
            went_on.set()
            return 1

        answer = told_as_it_goes(work, turn="load", kept=kept)
        assert isinstance(answer, StreamingResponse)
        anyio.run(_leave, answer)
        left.set()
        until(lambda: is_free("load"))
        assert went_on.is_set() == goes_on
    catalogue.close()


async def _leave(answer: StreamingResponse) -> None:
    """Begin to read an answer, and go."""
    lines = answer.body_iterator
    with anyio.move_on_after(0.01):
        await anext(aiter(lines))
    await lines.aclose()  # type: ignore[attr-defined]


def test_a_server_that_ends_ends_its_works() -> None:
    begun = threading.Event()

    def work(told: Progress) -> None:
        begun.set()
        while True:
            told(0, 1, "")

    told_as_it_goes(work, turn="reproduce")
    assert begun.wait(60)
    assert not is_free("reproduce")
    end_works(60)
    assert is_free("reproduce")


def is_free(turn: Turn) -> bool:
    """Say whether work of a kind would be begun; begins and ends some."""
    ended = threading.Event()
    try:
        told_as_it_goes(lambda _: ended.set(), turn=turn)
    except Conflict:
        return False
    assert ended.wait(60)
    end_works(60)
    return True
