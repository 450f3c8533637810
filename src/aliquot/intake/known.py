"""Which files of a listing are known already: memory stays flat, however many there are."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from aliquot.intake.scan import File

_STRETCH = 511
_LONGEST = 4096
_TOGETHER = 5_000

Ask = Callable[[Sequence[File]], set[File]]
"""Gives those of some files that have been taken as they are."""


class Known:
    """Tells new files of a listing from known ones, and asks about each stretch of it only when that has changed.

    A stretch is some hundred files in the order of the listing; where one ends depends on a file's path alone, so that
    a file that comes or goes changes one stretch. Of a stretch that was known whole, one number is kept.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._before: set[int] = set()

    def fresh(self, pages: Iterable[Sequence[File]]) -> Iterator[list[File]]:
        """Give the files of a listing that are not known, some at a time."""
        now: set[int] = set()
        waiting: list[tuple[int, list[File]]] = []
        count = 0
        try:
            for stretch in _stretches(pages):
                mark = hash(tuple(stretch))
                if mark in self._before:
                    now.add(mark)
                    continue
                waiting.append((mark, stretch))
                count += len(stretch)
                if count >= _TOGETHER:
                    yield self._unknown(waiting, now)
                    waiting, count = [], 0
            if waiting:
                yield self._unknown(waiting, now)
        except GeneratorExit:
            # Nobody wanted to hear of the rest, which may be as it was.
            self._before |= now
            raise
        self._before = now

    def _unknown(self, waiting: Sequence[tuple[int, list[File]]], now: set[int]) -> list[File]:
        files = [file for _, stretch in waiting for file in stretch]
        known = self._ask(files)
        now.update(mark for mark, stretch in waiting if known.issuperset(stretch))
        return [file for file in files if file not in known]


def _stretches(pages: Iterable[Sequence[File]]) -> Iterator[list[File]]:
    stretch: list[File] = []
    for page in pages:
        for file in page:
            stretch.append(file)
            if not hash(file.path) & _STRETCH or len(stretch) >= _LONGEST:
                yield stretch
                stretch = []
    if stretch:
        yield stretch
