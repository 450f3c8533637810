"""What `aliquot up` says of files that wait: once for each, and not again."""

from aliquot.cli.waiting import Waiting
from aliquot.daemon.summary import SourceCount, Waits

QUIET = Waits("quiet", "waits until it has not changed for 2 s")
PARTNER = Waits("set", "waits for /a.ibd, which belongs to it (1 of 2 files of the set are there)")


def test_a_file_that_waits_is_told_once() -> None:
    waiting = Waiting()
    assert waiting.news({"ms": SourceCount(waiting={"/a.imzML": PARTNER})}) == [
        "ms: /a.imzML waits for /a.ibd, which belongs to it (1 of 2 files of the set are there)"
    ]
    assert waiting.news({"ms": SourceCount(waiting={"/a.imzML": PARTNER})}) == []
    # That it has to rest, too, now that the other is there, is no news.
    assert waiting.news({"ms": SourceCount(waiting={"/a.imzML": QUIET})}) == []


def test_another_reason_and_another_arrival_are_news() -> None:
    waiting = Waiting()
    assert len(waiting.news({"ms": SourceCount(waiting={"/a.imzML": QUIET})})) == 1
    assert len(waiting.news({"ms": SourceCount(waiting={"/a.imzML": PARTNER})})) == 1
    assert waiting.news({"ms": SourceCount(waiting={})}) == []
    assert len(waiting.news({"ms": SourceCount(waiting={"/a.imzML": QUIET})})) == 1


def test_many_files_are_one_line_and_names_cannot_steer_a_terminal() -> None:
    many = {f"/{number}": QUIET for number in range(3000)}
    assert Waiting().news({"in": SourceCount(waiting=many)}) == [
        "in: 3,000 files wait until they have not changed for a while"
    ]
    (line,) = Waiting().news({"in": SourceCount(waiting={"/\x1b[2J": QUIET})})
    assert "\x1b" not in line
