"""Work that a server does for one asker at a time."""

import threading

import pytest

from aliquot.model.errors import Conflict
from aliquot.server.working import told_as_it_goes
from waiting import until


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

    def is_free() -> bool:
        try:
            told_as_it_goes(lambda _: 1)
        except Conflict:
            return False
        return True

    until(is_free)
