"""How the client waits where a server asks for it, and comes back for what it has lost sight of."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler

import pytest

from aliquot import __version__
from aliquot.lab.loads import Loaded
from aliquot.model.errors import Conflict, TooOften, Unavailable
from aliquot.remote import hub
from aliquot.remote.again import LONGEST, asked_to_wait
from aliquot.remote.client import Client
from aliquot.remote.people import Me, sign_in, who_am_i
from odd_server import ME, TOKEN, Answers, answering, ours, reply

LINES = "application/x-ndjson"


def refusal(status: int, code: str, retry_after: str | None) -> Answers:
    """Refuse as a lab does."""
    family = "conflict" if status == 409 else "unavailable"
    problem = {"title": family, "status": status, "code": code, "detail": "Wait.", "facts": {}}
    more = {} if retry_after is None else {"retry_after": retry_after}
    return reply(status, json.dumps(problem).encode(), content_type="application/problem+json", **more)


class InTurn:
    """Answers requests by turns, the last one for ever, and keeps what was asked."""

    def __init__(self, *answers: Answers) -> None:
        self._answers = answers
        self.asked: list[tuple[str, str | None]] = []

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        turn = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append((request.command, request.headers["idempotency-key"]))
        turn(request)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("send", [who_am_i, lambda client: client.post(Me, "/runs", {})], ids=["look", "make"])
def test_what_may_be_repeated_is_sent_again_when_the_server_says(status: int, send: Callable[[Client], Me]) -> None:
    said: list[str] = []
    turns = InTurn(refusal(status, "any-code", "0"), refusal(status, "any-code", "2"), ours(ME))
    with answering(turns) as url, Client(url, TOKEN, notice=said.append, pauses=(0.0, 0.0, 0.0)) as client:
        assert send(client).name == "ada"
    assert len(turns.asked) == 3
    assert len(set(turns.asked)) == 1
    assert [each.partition(" asks for ")[2] for each in said] == ["patience; trying again in 2 s."]


def test_it_is_sent_again_a_few_times_and_not_after_a_long_wait() -> None:
    for retry_after, tries in (("0", 3), (str(int(LONGEST) + 1), 1), ("9" * 400, 1)):
        turns = InTurn(refusal(503, "hub-busy", retry_after))
        raised = pytest.raises(Unavailable, match="Wait")
        with answering(turns) as url, Client(url, TOKEN, pauses=(0.0, 0.0)) as client, raised as found:
            who_am_i(client)
        assert (found.value.code, len(turns.asked)) == ("hub-busy", tries)
        assert type(found.value) is Unavailable


def test_what_says_no_time_and_what_may_not_be_repeated_is_left_to_the_person() -> None:
    turns = InTurn(refusal(503, "extra-missing", None))
    with answering(turns) as url, Client(url, TOKEN, pauses=(0.0,)) as client, pytest.raises(Unavailable):
        who_am_i(client)
    assert len(turns.asked) == 1
    turns = InTurn(refusal(429, "sign-in-throttled", "0"))
    with answering(turns) as url, Client(url, None, pauses=(0.0,)) as client, pytest.raises(TooOften):
        sign_in(client, "ada", "secret")
    assert turns.asked == [("POST", None)]


def test_a_time_to_wait_is_seconds_or_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    found = asked_to_wait(503, {"retry-after": later})
    assert found is not None
    assert 0 < found <= 30
    past = format_datetime(datetime(2020, 1, 1, tzinfo=UTC), usegmt=True)
    assert asked_to_wait(429, {"retry-after": past}) == 0
    assert asked_to_wait(503, {"retry-after": "7"}) == 7
    for nonsense in ("", "-1", "soon", "1.5", "Mon, 99 Foo"):
        assert asked_to_wait(503, {"retry-after": nonsense}) is None
    assert asked_to_wait(500, {"retry-after": "7"}) is None


def streamed(*said: object) -> Answers:
    body = b"".join(json.dumps(each, ensure_ascii=False).encode() + b"\n" for each in said)
    return reply(200, body, content_type=LINES, x_aliquot_version=__version__)


def test_work_that_was_lost_sight_of_is_come_back_for_under_the_same_key() -> None:
    # Text may hold what other readers of lines take for the end of one.
    result = {"table": "sums", "run": 1, "rows": 2, "state": "DONE", "message": "a\u2028b\x85c"}
    cut = streamed({"done": 0, "total": 1, "what": ""})
    turns = InTurn(cut, refusal(409, "work-under-way", None), streamed({"result": {"loads": [result]}}))
    said: list[str] = []
    with answering(turns) as url, Client(url, TOKEN, notice=said.append, pauses=(0.0,)) as client:
        assert hub.load(client) == [Loaded("sums", 1, 2, "DONE", "a\u2028b\x85c")]
    assert len(set(turns.asked)) == 1
    assert ["broke off" in each for each in said] == [True]
    # Whoever has begun nothing does not wait for the end of what others do.
    turns = InTurn(refusal(409, "work-under-way", None))
    with answering(turns) as url, Client(url, TOKEN, pauses=(0.0,)) as client, pytest.raises(Conflict):
        hub.load(client)
    assert len(turns.asked) == 1
    # Nor is it a cut when the work itself says that it cannot go on.
    full = {"title": "unavailable", "status": 503, "code": "store-full", "detail": "Free some.", "facts": {}}
    turns, said = InTurn(streamed({"problem": full})), []
    full_there = pytest.raises(Unavailable, match="Free some")
    with answering(turns) as url, Client(url, TOKEN, notice=said.append, pauses=(0.0,)) as client, full_there:
        hub.load(client)
    assert (len(turns.asked), said) == (1, [])
