"""Files that depend on others: what is gathered of a listing decides on them as the whole listing would."""

import tracemalloc
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliquot.intake.companions import Companions
from aliquot.intake.scan import File
from aliquot.intake.settle import Clock, Landing, Pending, Settling
from aliquot.intake.ties import Ties, gather
from aliquot.model.lab_config import Settled

MANIFESTS = {
    "/r/m1.csv": "file\nx_R1.fq\nx_R2.fq\n",
    "/m2.csv": "file\nr/x_R1.fq\ny_R1.fq\nr/q/z.fq\n",
    "/r/m3.csv": "file\nx.1.fq\n",
    "/r/m4.csv": "nothing\n1\n",
}
DATA = ["/r/x_R1.fq", "/r/x_R2.fq", "/r/x.fq", "/r/x.1.fq", "/r/x", "/r/q/x_R1.fq", "/r/q/z.fq", "/y_R1.fq", "/y_R2.fq"]
BESIDE = [
    "/r/x_R1.yaml",
    "/r/x_R1.fq.json",
    "/r/x.yaml",
    "/r/x.fq.yaml",
    "/r/x.1.fq.yaml",
    "/y_R2.json",
    "/lonely.yaml",
]
MARKERS = ["/r/DONE", "/DONE", "/r/x_R1.fq.DONE", "/y_R1.fq.DONE"]
EVERYTHING = sorted([*MANIFESTS, *DATA, *BESIDE, *MARKERS])
FILES = {path: File(path, path, 1, 1) for path in EVERYTHING}

RULES = st.fixed_dictionaries({
    "set": st.sampled_from([[], ["{sample}_R1.fq", "{sample}_R2.fq"], ["/r/{sample}_R1.fq", "/{sample}_R2.fq"]]),
    "manifest": st.sampled_from([None, "m*.csv"]),
    "marker": st.sampled_from([None, "{folder}/DONE", "{path}.DONE"]),
    "count": st.sampled_from([None, None, 3]),
})  # fmt: skip
SOME = st.sets(st.sampled_from(EVERYTHING))
NOW = Clock(10.0, 10.0)


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheets")
    for path, text in MANIFESTS.items():
        (folder / path.replace("/", "_")).write_text(text)
    return folder


def _settling(rules: dict[str, Any], sheets: Path, *, describe: bool) -> Settling:
    @contextmanager
    def laid_out(file: File) -> Generator[Path]:
        yield sheets / file.path.replace("/", "_")

    def described(file: File) -> bool:
        return file.name.endswith((".fq", "x"))

    settled = Settled.model_validate({"quiet": 5, "give_up": 100, **rules})
    companions = Companions(settled.manifest, described if describe else None, laid_out=laid_out)
    return Settling(settled, (), companions)


def _told(settling: Settling, landings: list[Landing]) -> tuple[list[Landing], list[Pending]]:
    found = sorted(each._replace(beside=tuple(sorted((b.file, None) for b in each.beside))) for each in landings)  # type: ignore[arg-type]
    return found, sorted(settling.pending, key=lambda each: each.path)


@given(rules=RULES, describe=st.booleans(), there=SOME, known=SOME, given_up=SOME, late=SOME)
@settings(max_examples=400, deadline=None)
def test_what_is_gathered_decides_as_the_whole_listing(
    sheets: Path,
    rules: dict[str, Any],
    describe: bool,  # hypothesis gives names
    there: set[str],
    known: set[str],
    given_up: set[str],
    late: set[str],
) -> None:
    """Some of what is new is `late`: no first listing had it, or there was no room for it."""
    whole, part = (_settling(rules, sheets, describe=describe) for _ in range(2))
    ties = part.ties
    listed = [FILES[path] for path in sorted(there)]
    taken = {path for path in known & there if not ties.is_marker(path)}
    unfinished = _waiting(_settling(rules, sheets, describe=describe), listed, taken, given_up & taken)
    called = {path for each in unfinished for path in ties.markers_of(FILES[each])}
    new = [each for each in listed if each.path not in taken | late and (
        not ties.is_marker(each.path) or each.path in called)]  # fmt: skip
    for moment in (NOW, Clock(20.0, 20.0)):
        found = gather(ties, new, lambda: [listed], lambda some: [each for each in some if each.path not in taken],
                       unfinished)  # fmt: skip
        seen = sorted([*new, *found.files.values()])
        both = {each.path for each in seen} - (found.files.keys() - found.fresh - unfinished)
        mine = part.see(seen, moment, found.files.keys() - found.fresh, unfinished, {}, found.counts)
        others = whole.see(listed, moment, taken, unfinished)
        mine_told, others_told = _told(part, mine), _told(whole, others)
        # Of what is late, only what belongs to something new has to be decided on.
        about = [each for each in others_told[0] if not both.isdisjoint(f.path for f in _all(each))]
        assert [(f.files, f.beside, f.role, f.fault) for f in mine_told[0]] == [
            (f.files, f.beside, f.role, f.fault) for f in about
        ]
        if not late:
            assert mine_told == others_told


def _waiting(settling: Settling, listed: list[File], taken: set[str], given_up: set[str]) -> set[str]:
    """Give those that were rightly given up: what they lack is not among what was there before."""
    before = [each for each in listed if each.path in taken]
    for ticks in range(10, 1000, 10):
        ended = {each.path for landing in settling.see(before, Clock(ticks, ticks), taken, given_up)
                 for each in _all(landing)}  # fmt: skip
        if ticks > 10 and not ended:
            return given_up
        given_up = given_up - ended
    raise AssertionError(given_up)


def _all(landing: Landing) -> Iterator[File]:
    yield from landing.files
    yield from (each[0] for each in landing.beside)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("settled", "describe", "late"),
    [
        ({}, True, ["/5/17.fq"]),
        ({}, True, ["/5/17.yaml"]),
        ({"set": ["{n}.fq", "{n}.yaml"]}, False, ["/5/17.fq"]),
        ({"marker": "{path}.yaml"}, False, ["/5/new.fq", "/5/new.fq.yaml"]),
        ({"count": 10}, False, ["/5/17.fq"]),
        ({"manifest": "*.csv"}, False, ["/5/17.fq"]),
    ],
)
def test_only_what_matters_is_held_of_a_long_listing(
    tmp_path: Path, settled: dict[str, Any], describe: bool, late: list[str]
) -> None:
    (tmp_path / "sheet").write_text("file\n17.fq\n")

    @contextmanager
    def laid_out(_: File) -> Generator[Path]:
        yield tmp_path / "sheet"

    companions = Companions(
        Settled.model_validate(settled).manifest, (lambda file: file.name.endswith(".fq")) if describe else None,
        laid_out=laid_out,
    )  # fmt: skip
    ties = Settling(Settled.model_validate(settled), (), companions).ties

    def pages(folders: int) -> Iterator[list[File]]:
        for folder in range(folders):
            names = [f"{number}.{ending}" for number in range(100) for ending in ("fq", "yaml")]
            yield [File(f"/{folder}/{name}", "", 1, 1) for name in [*names, "sheet.csv"]]

    def peak(folders: int) -> int:
        tracemalloc.start()
        try:
            found = gather(ties, [File(path, "", 2, 2) for path in late], lambda: pages(folders), lambda _: ())
            assert len(found.files) <= 3
            assert found.counts == ({"/5": 200} if "count" in settled else {})
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(6)
    assert peak(24) < 1.5 * peak(6) + 100_000


def test_ties_leave_markers_out_of_the_data() -> None:
    assert [each.path for each in Ties(Companions()).data(FILES.values())] == EVERYTHING
