"""Lines of a delta are put together by hand, and are what the canonical form would be."""

from typing import Any

import pytest
import zstandard

from aliquot.datasets.delta import Header, NewEntry, Origin, write_delta
from aliquot.model.digest import canonical, digest_bytes

PATH = '/a "quoted" \\ back\tslash/é\n/\U0001f9ec.bin'
DIGEST = digest_bytes(b"x")


@pytest.mark.parametrize(
    "origin",
    [
        None,
        {},
        {"path": PATH},
        {"source": "hand:d", "path": PATH, "arrived_at": 1763641234.25},
        {"source": 'a"b', "path": PATH, "arrived_at": 1e22},
        {"zone": "after", "path": PATH},
        {"arrived_at": 0.5, "path": PATH, "digest": DIGEST, "source": "é"},
        {"source": "s", "path": "/another", "arrived_at": 1.5},
        {"source": "s", "path": PATH, "arrived_at": 1},
        {"source": "s", "path": PATH, "arrived_at": True},
        {"source": "s", "path": PATH, "arrived_at": 1.0},
        {"source": "s", "path": PATH, "more": {"path": "", "list": [1, None]}},
    ],
)
def test_a_line_is_what_the_canonical_form_would_be(origin: dict[str, Any] | None) -> None:
    line: dict[str, Any] = {"add": PATH, "digest": DIGEST, "size": 7} | ({"origin": origin} if origin else {})
    data = write_delta(Header("d", 1, "", {}), [NewEntry(PATH, DIGEST, 7, origin)], [])
    assert zstandard.ZstdDecompressor().decompressobj().decompress(data).split(b"\n")[1] == canonical(line)


@pytest.mark.parametrize("origin", [Origin("hand:d", 1763641234.25), Origin('a"b\\', 1e22), Origin("é", 0.5)])
def test_an_origin_that_is_shared_is_written_with_the_path_of_each(origin: Origin) -> None:
    said = {"source": origin.source, "path": PATH, "arrived_at": origin.arrived_at}
    shared, alone = (
        write_delta(Header("d", 1, "", {}), [NewEntry(PATH, DIGEST, 7, each)], []) for each in (origin, said)
    )
    assert shared == alone


def test_lines_of_a_delivery_are_what_each_alone_would_be() -> None:
    origin = Origin("hand:d", 0.5, together=True)
    adds = [NewEntry(f"{PATH}{n}", DIGEST, n, origin) for n in range(5)]
    said = [NewEntry(each.path, DIGEST, each.size, origin.document(each.path)) for each in adds]
    header = Header("d", 1, "", {})
    assert write_delta(header, adds, []) == write_delta(header, said, [])
    assert write_delta(header, adds, ["/gone"]) == write_delta(header, said, ["/gone"])
