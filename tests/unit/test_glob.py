"""Globs: the documented rules, Pachyderm's examples, and a slow reference matcher against the compiled one."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliquot.model.glob import GlobError, captures_in, compile_glob, fill


@pytest.mark.parametrize(
    ("glob", "path", "datum"),
    [
        ("/", "/a/b.txt", ("/", {})),
        ("/*", "/a.txt", ("/a.txt", {})),
        ("/*", "/a/b/c.txt", ("/a", {})),
        ("/*/*", "/a.txt", None),
        ("/*/*", "/a/b/c.txt", ("/a/b", {})),
        ("/**", "/a/b/c.txt", ("/a/b/c.txt", {})),
        ("/**.tsv", "/a/b.tsv", ("/a/b.tsv", {})),
        ("/**.tsv", "/a/b.csv", None),
        ("/**.d", "/x/run.d/data.bin", ("/x/run.d", {})),
        ("/**/x.txt", "/x.txt", ("/x.txt", {})),
        ("/**/x.txt", "/a/b/x.txt", ("/a/b/x.txt", {})),
        ("/**/**/x.txt", "/x.txt", ("/x.txt", {})),
        ("/a/**/", "/a/b/c.txt", ("/a/b", {})),
        ("/*/", "/a.txt", None),
        ("/*/", "/a/b.txt", ("/a", {})),
        ("/{sample}/", "/MV01/reads/r1.fq", ("/MV01", {"sample": "MV01"})),
        ("/{sample}/", "/MV01.json", None),
        ("/{sample}_R*.fastq.gz", "/MV_01_R1.fastq.gz", ("/MV_01_R1.fastq.gz", {"sample": "MV_01"})),
        ("/{sample}_R*.fastq.gz", "/_R1.fastq.gz", None),
        ("/{a,b}.csv", "/b.csv", ("/b.csv", {})),
        ("/{a,b}.csv", "/c.csv", None),
        ("/x{,/y}", "/x/y/z", ("/x/y", {})),
        ("/{a{1,2},b*}/", "/a2/f", ("/a2", {})),
        ("/((a*)-(b|*))", "/a1-b2", None),
        ("/((a*)-(b*))", "/a1-b2", ("/a1-b2", {"1": "a1-b2", "2": "a1", "3": "b2"})),
        ("/{(a),(b)}", "/b", ("/b", {"1": "", "2": "b"})),
        ("/?[0-9][!0-9]", "/A1x", ("/A1x", {})),
        ("/?[0-9][!0-9]", "/A12", None),
        ("/a?b", "/a/b", None),
        ("/a[+-9]b", "/a/b", None),
        ("/[]]", "/]", ("/]", {})),
        (r"/\*\{x\}", "/*{x}", ("/*{x}", {})),
        ("/a.b+c", "/aXbbc", None),
        ("/*", "/line\nbreak", ("/line\nbreak", {})),
        ("/*.csv", "/a.csv\n", None),
    ],
)
def test_a_file_belongs_to_the_entry_that_the_glob_names(glob, path, datum):
    assert compile_glob(glob).datum_of(path) == datum


def test_pachyderm_s_join_and_group_globs_capture_what_its_examples_say():
    orders = ["ORDERW078929_STOREID2.txt", "ORDERW080528_STOREID5.txt", "ORDERW080521_STOREID1.txt"]
    by_store = compile_glob("/*_STOREID(*).txt")
    assert [by_store.datum_of(f"/{name}")[1]["1"] for name in orders] == ["2", "5", "1"]
    assert compile_glob("/STOREID(*).txt").match("/STOREID4.txt") == {"1": "4"}
    result = "/T1606707613-LIPID-PATID1-CLIA24D9871328.txt"
    assert compile_glob("/*-PATID(*)-*.txt").match(result) == {"1": "1"}
    assert compile_glob("/*-CLIA(*).txt").match(result) == {"1": "24D9871328"}


def test_pachyderm_s_real_files_group_as_published(shared_data):
    results = [f"/{path.name}" for path in (shared_data / "pachyderm/group/data/labresults").iterdir()]
    patients = compile_glob("/*-PATID(*)-*.txt")
    sizes: dict[str, int] = {}
    for path in results:
        patient = patients.datum_of(path)[1]["1"]
        sizes[patient] = sizes.get(patient, 0) + 1
    assert [sizes[patient] for patient in sorted(sizes)] == [2, 1, 2, 1]
    hospitals = compile_glob("/*-CLIA(*).txt")
    assert len({hospitals.datum_of(path)[1]["1"] for path in results}) == 2


@pytest.mark.parametrize(
    ("glob", "column", "text"),
    [
        ("a/*", 1, "a glob begins with '/': write '/a/*'"),
        ("", 1, "a glob begins with '/'"),
        ("/a//b", 4, "there is nothing between two '/'"),
        ("/a/../b", 4, "no path has the segment '..'"),
        ("/./b", 2, "no path has the segment '.'"),
        ("/x(a", 3, "'(' is not closed"),
        ("/{a,b", 2, "'{' is not closed"),
        ("/{a,(b}", 7, "'}' closes nothing"),
        ("/a)", 3, r"')' closes nothing; write '\)'"),
        ("/a}", 3, "'}' closes nothing"),
        ("/{}", 2, "'{}' is no name"),
        ("/{1a}", 2, "'{1a}' is no name"),
        ("/{a-b}", 2, "'{a-b}' is neither a choice like '{a,b}' nor a name to capture"),
        ("/{x}_{x}", 6, "'x' is captured twice"),
        ("/a[b", 3, "'[' is not closed"),
        ("/a[b/c]", 3, "'[' is not closed"),
        ("/[]", 2, "'[' is not closed within its path segment, or is empty"),
        ("/[z-a]", 2, "'[z-a]' is not a set of characters"),
        ("/a\\", 3, "takes the next character as it is"),
        ("/{a/,b}", 4, "only the whole glob may end with '/'"),
    ],
)
def test_a_broken_glob_says_what_is_wrong_and_where(glob, column, text):
    with pytest.raises(ValueError, match="at character") as caught:
        compile_glob(glob)
    assert isinstance(caught.value, GlobError)
    assert (caught.value.column, text in str(caught.value)) == (column, True), str(caught.value)


def test_the_literal_part_is_a_prefix_for_listings():
    assert [compile_glob(glob).literal for glob in ("/", "/a/b*", "/a/{x}/", "/plain/file.txt", r"/a\*b")] == [
        "/", "/a/b", "/a/", "/plain/file.txt", "/a",
    ]  # fmt: skip


def test_group_by_names_captures_and_is_filled_with_them():
    assert captures_in("$1-$sample-${lane}") == ["1", "sample", "lane"]
    assert fill("$1-${sample}_x", {"1": "a", "sample": "b"}) == "a-b_x"


def test_many_stars_do_not_take_exponential_time():
    assert compile_glob("/" + "*a" * 8 + "b").datum_of("/" + "a" * 60) is None


# A glob as nested tuples, matched by plain backtracking: greedy first, without any regular expression.


def _render(piece) -> str:
    kind, value = piece
    match kind:
        case "choice":
            return "{" + ",".join(_text(each) for each in value) + "}"
        case "group":
            return "(" + _text(value) + ")"
        case "name":
            return "{" + value + "}"
        case "set":
            return "[" + value + "]"
        case _:
            return {"star": "*", "any": "?", "stars": "**", "folders": "**/"}.get(kind, value)


def _text(pieces) -> str:
    return "".join(_render(piece) for piece in pieces)


def _longest_first(text: str, at: int, crossing: bool, least: int) -> Iterator[int]:
    end = at
    while end < len(text) and (crossing or text[end] != "/"):
        end += 1
    yield from range(end, at + least - 1, -1)


def _walk(pieces, text: str, at: int, captures: dict, numbers: dict) -> Iterator[tuple[int, dict]]:
    if not pieces:
        yield at, captures
        return
    (kind, value), rest = pieces[0], pieces[1:]
    match kind:
        case "text":
            ends = [(at + len(value), captures)] if text.startswith(value, at) else []
        case "star" | "stars":
            ends = [(end, captures) for end in _longest_first(text, at, kind == "stars", 0)]
        case "name":
            ends = [(end, {**captures, value: text[at:end]}) for end in _longest_first(text, at, False, 1)]
        case "any":
            ends = [(at + 1, captures)] if at < len(text) and text[at] != "/" else []
        case "set":
            ends = [(at + 1, captures)] if at < len(text) and text[at] in value else []
        case "folders":
            ends = [(end, captures) for end in range(len(text), at, -1) if text[end - 1] == "/"] + [(at, captures)]
        case "choice":
            ends = [found for each in value for found in _walk(each, text, at, captures, numbers)]
        case "group":
            number = numbers[id(pieces[0])]
            ends = [(end, {**inner, number: text[at:end]}) for end, inner in _walk(value, text, at, captures, numbers)]
        case _:
            raise AssertionError(kind)
    for end, found in ends:
        yield from _walk(rest, text, end, found, numbers)


def _numbered(pieces, numbers: dict, names: list) -> None:
    for piece in pieces:
        kind, value = piece
        if kind == "group":
            numbers[id(piece)] = str(len(numbers) + 1)
            names.append(numbers[id(piece)])
            _numbered(value, numbers, names)
        elif kind == "choice":
            for each in value:
                _numbered(each, numbers, names)
        elif kind == "name":
            names.append(value)


def _reference(pieces, directories: bool, path: str):
    numbers: dict = {}
    names: list = []
    _numbered(pieces, numbers, names)
    ends = [at for at in range(1, len(path)) if path[at] == "/"] + ([] if directories else [len(path)])
    for end in reversed(ends):
        for at, captures in _walk(pieces, path[:end], 0, {}, numbers):
            if at == end:
                return path[:end], {name: captures.get(name, "") for name in names}
    return None


_plain = st.one_of(
    st.sampled_from(["a", "b", "ab"]).map(lambda text: ("text", text)),
    st.just(("star", None)), st.just(("any", None)), st.sampled_from(["ab", "b"]).map(lambda text: ("set", text)),
)  # fmt: skip
_nested = st.recursive(
    _plain,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda pieces: ("group", tuple(pieces))),
        st.lists(st.lists(inner, max_size=2).map(tuple), min_size=2, max_size=3).map(lambda c: ("choice", tuple(c))),
    ),
    max_leaves=5,
)


def _no_stars_side_by_side(pieces) -> bool:
    return "**" not in _text(pieces)


_segment = st.lists(_nested, min_size=1, max_size=3).filter(_no_stars_side_by_side)


@st.composite
def _globs(draw):
    pieces = [("text", "/")]
    segments = draw(st.lists(st.one_of(_segment, st.just("**")), min_size=1, max_size=3))
    for at, segment in enumerate(segments):
        last = at == len(segments) - 1
        if segment == "**":
            pieces.append(("stars", None) if last else ("folders", None))
            continue
        if draw(st.booleans()):
            segment = [*segment, ("name", f"n{at}")]
        pieces += segment if last else [*segment, ("text", "/")]
    # Equal pieces may be one object; each group needs to be itself to have a number of its own.
    return tuple(_copied(piece) for piece in pieces)


def _copied(piece):
    kind, value = piece
    if kind == "group":
        return (kind, tuple(_copied(each) for each in value))
    if kind == "choice":
        return (kind, tuple(tuple(_copied(each) for each in choice) for choice in value))
    return (kind, value)


_paths = st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)


@given(_globs(), st.booleans(), _paths)
def test_the_compiled_glob_agrees_with_the_reference(pieces, directories, path):
    glob = compile_glob(_text(pieces) + ("/" if directories else ""))
    assert glob.datum_of(path) == _reference(pieces, directories, path)
