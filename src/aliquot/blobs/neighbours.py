"""Which blobs of a pack are read together: it costs as much to ask for one as for all that lie near it."""

from collections.abc import Iterable, Iterator

from aliquot.model.blob import Location

_GAP = 64 * 1024
"""Bytes that are read and not wanted, rather than asking again."""
_MOST = 4 * 1024 * 1024


def neighbours(locations: Iterable[Location]) -> Iterator[list[Location]]:
    """Give blobs in parts that are worth reading at once, each by offset; one that lies alone is a part of its own."""
    together: list[Location] = []
    start = end = 0
    for each in sorted(set(locations), key=_place):
        near = together and each.pack is not None and each.pack == together[0].pack
        if near and each.offset - end <= _GAP and each.offset + each.size - start <= _MOST:
            together.append(each)
            end = max(end, each.offset + each.size)
            continue
        if together:
            yield together
        together, start, end = [each], each.offset, each.offset + each.size
    if together:
        yield together


def _place(location: Location) -> tuple[str, int, str]:
    return location.pack or "", location.offset, location.digest
