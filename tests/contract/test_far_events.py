"""Following a run from afar by what the server tells: no asking again and again, and on after a cut."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from aliquot.engine import control
from aliquot.lab import Lab, open_lab
from aliquot.lab.api_run import Run
from aliquot.lab.starting import Wish, start_wished
from aliquot.model.errors import Missing, NotSignedIn, Unavailable
from aliquot.remote.client import Client
from aliquot.remote.events import follow
from far_lab import Far, aliquot, make_lab, served
from tcp_proxy import Proxy


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    folder = make_lab(tmp_path_factory.mktemp("far") / "lab")
    given = folder.write("one.csv", "well,value\nA1,1\n")
    assert aliquot("ingest", "plates", str(given), "--lab", str(folder.folder)).code == 0
    with served(folder.folder) as there:
        yield there


@pytest.fixture
def lab(far: Far) -> Iterator[Lab]:
    with open_lab(far.folder) as opened:
        yield opened


class Counting(Client):
    """A client that counts what it asks for, beside what it is told."""

    asked = 0

    def send(self, *words: Any, **more: Any) -> Any:
        self.asked += 1
        return super().send(*words, **more)


def queued(lab: Lab) -> int:
    return lab.catalogue.repeat(lambda connection: start_wished(connection, Wish("totals"), lab.by))


def opened(far: Far, number: int, last: str = "") -> list[str]:
    """Open a stream, and give the lines of its first event."""
    headers = {"authorization": f"Bearer {far.token}"} | ({"last-event-id": last} if last else {})
    with httpx.stream("GET", f"{far.url}/events/runs/{number}", headers=headers, timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        found: list[str] = []
        for line in answer.iter_lines():
            if not line:
                return found
            found.append(line)
    raise AssertionError(found)


def test_a_run_is_looked_at_when_it_moves_and_at_no_other_time(far: Far, lab: Lab) -> None:
    number = queued(lab)
    with Counting(far.url, far.token) as client, closing(follow(client, number, print)) as following:
        first = next(following)
        assert (first.run.state, client.asked) == ("QUEUED", 1)
        assert Run(lab, number).wait(90) == "COMPLETE"
        told = [first, *following]
    assert told[-1].run.state == "COMPLETE"
    assert client.asked <= len(told)


def test_a_stream_that_is_cut_is_gone_on_with_and_nothing_is_missed(far: Far, lab: Lab) -> None:
    number, said = queued(lab), list[str]()
    proxy = Proxy(int(far.url.rpartition(":")[2]))
    with (
        Client(f"http://127.0.0.1:{proxy.port}", far.token) as client,
        closing(follow(client, number, said.append)) as following,
    ):
        assert next(following).run.state == "QUEUED"
        proxy.cut()
        lab.catalogue.repeat(lambda connection: control.cancel(connection, number))
        Run(lab, number).wait(90)
        proxy.open()
        assert [each.run.state for each in following][-1] == "CANCELED"
    proxy.close()
    assert all("tried again" in each for each in said)


def test_a_server_that_stays_away_is_given_up(far: Far, lab: Lab) -> None:
    number, said = queued(lab), list[str]()
    proxy = Proxy(int(far.url.rpartition(":")[2]))
    address = f"http://127.0.0.1:{proxy.port}"
    with Client(address, far.token, pauses=()) as client:
        following = follow(client, number, said.append, patience=1.5)
        next(following)
        proxy.close()
        with pytest.raises(Unavailable):
            list(following)
    assert len(said) == 1


def test_who_comes_back_hears_at_once_whether_the_run_has_moved(far: Far, lab: Lab) -> None:
    number = queued(lab)
    kind = {line.partition(": ")[0]: line.partition(": ")[2] for line in opened(far, number)}
    assert (kind["event"], kind["id"].isdecimal()) == ("open", True)
    lab.catalogue.repeat(lambda connection: control.cancel(connection, number))
    assert Run(lab, number).wait(90) == "CANCELED"
    assert "event: moved" in opened(far, number, kind["id"])
    assert "event: open" in opened(far, number, "no number")


def test_who_may_not_see_the_run_hears_nothing_of_it(far: Far, lab: Lab) -> None:
    with Client(far.url, "aliquot_nobodys") as client, pytest.raises(NotSignedIn):
        next(follow(client, queued(lab), print))
    with Client(far.url, far.token) as client, pytest.raises(Missing):
        next(follow(client, 99_999, print))
