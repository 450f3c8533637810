"""XML as a stream of start and end tags, for files that anybody may have written: bounded memory, no DTD."""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from xml.parsers import expat

from aliquot.model.errors import Invalid

Attributes = dict[str, str]
Start = Callable[[str, Attributes], object]
End = Callable[[str], object]

_READ = 2**20
_LONGEST_TOKEN = 16 * 2**20
_DEEPEST = 256

_EARLY = frozenset(
    expat.errors.codes[name]
    for name in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


class _Enough(Exception):
    """The reader has seen what it wanted."""


def read_xml(path: Path, start: Start, end: End | None = None) -> None:
    """Call `start` and `end` with the local name of every element, in the order of the file.

    Raises `Invalid`: `xml-malformed` for what is not XML or ends too early, `xml-refused` for a document type, for
    nesting beyond 256 levels and for a tag, comment or the like beyond 16 MiB, none of which a laboratory's file needs.
    """
    parser = make_parser(start, end)
    with path.open("rb") as file:
        feed(parser, iter(lambda: file.read(_READ), b""))


def make_parser(start: Start, end: End | None = None) -> expat.XMLParserType:
    """Make the parser of `read_xml`, for what has to know more of it, such as places in the file."""
    parser = expat.ParserCreate(namespace_separator=" ")
    names: dict[str, str] = {}
    depth = 0

    def local(name: str) -> str:
        # The names are few; the cache is bounded all the same, against a file that invents one for each element.
        if len(names) > 10_000:
            names.clear()
        return names.setdefault(name, name.rpartition(" ")[2])

    def started(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise _refused("is nested more than 256 levels deep")
        start(names.get(name) or local(name), attributes)

    def ended(name: str) -> None:
        nonlocal depth
        depth -= 1
        if end is not None:
            end(names.get(name) or local(name))

    def document_type(*_: object) -> None:
        raise _refused("declares a document type (DTD), which could pull in other files")

    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.StartDoctypeDeclHandler = document_type
    return parser


def root_of(path: Path) -> str | None:
    """Give the local name of the root element, or None for what does not begin as XML does within 1 MiB.

    A document type is passed over here, for it says nothing yet; one that declares entities is not.
    """
    found: list[str] = []

    def first(name: str, attributes: Attributes) -> None:
        del attributes
        found.append(name.rpartition(" ")[2])
        raise _Enough

    def declared(*_: object) -> None:
        raise _Enough

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = first
    parser.EntityDeclHandler = declared
    with path.open("rb") as file, contextlib.suppress(_Enough, expat.ExpatError, LookupError, ValueError):
        parser.Parse(file.read(_READ), False)
    return found[0] if found else None


def feed(parser: expat.XMLParserType, pieces: Iterable[bytes]) -> None:
    """Give a parser the whole of a file, in pieces; raises what `read_xml` raises."""
    fed = 0
    try:
        for block in pieces:
            parser.Parse(block, False)
            fed += len(block)
            # Until a tag is complete, expat keeps it whole, and looks at it again with each block.
            if fed - parser.CurrentByteIndex > _LONGEST_TOKEN:
                raise _refused("has a tag of more than 16 MiB")
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        raise _malformed(error, fed) from None
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise Invalid("xml-malformed", f"The file cannot be read as XML: {error}.") from None


def _malformed(error: expat.ExpatError, fed: int) -> Invalid:
    reason = expat.ErrorString(error.code) or "unknown error"
    early = error.code in _EARLY
    if early and fed:
        text = f"The XML ends too early, at line {error.lineno}: it was probably cut off while copying. Copy it again."
    elif early:
        text = "The XML file is empty. Was it still being written when it was copied? Copy it again."
    else:
        text = f"The XML is damaged at line {error.lineno}, column {error.offset + 1} ({reason}). Copy the file again."
    return Invalid("xml-malformed", text, line=error.lineno)


def _refused(what: str) -> Invalid:
    return Invalid("xml-refused", f"The XML file {what}. No instrument writes such a file; ask where it comes from.")
