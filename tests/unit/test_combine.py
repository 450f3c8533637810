"""Inputs that are joined, grouped, crossed and put side by side, within each other."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aliquot.engine.combine import early, form
from aliquot.engine.datums import Datum, File, label, named
from aliquot.model.digest import EMPTY
from aliquot.model.errors import Invalid
from aliquot.model.pipeline import Step

Held = dict[str, list[str]]


def step(inputs: dict[str, Any]) -> Step:
    return Step.model_validate({"inputs": inputs, "command": "ls"})


def files(*paths: str) -> list[File]:
    return [File(path, EMPTY, 0) for path in sorted(paths)]


def formed(inputs: dict[str, Any], held: Held) -> list[Datum]:
    return form(step(inputs), {name: files(*paths) for name, paths in held.items()})


def shown(datums: list[Datum]) -> list[dict[str, str]]:
    """Write each datum as the paths of its inputs."""
    return [{part.input: " ".join(file.path for file in part.files) for part in datum} for datum in datums]


def taken(glob: str, **more: Any) -> dict[str, Any]:
    return {"from": "x", "glob": glob, **more}


READS = {"reads": taken("/{sample}.fq", join_on="$sample")}
SHEET = {"sheet": taken("/{sample}.csv", join_on="$sample")}
HELD: Held = {"reads": ["/a.fq", "/b.fq"], "sheet": ["/b.csv", "/c.csv"]}


def outer(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: {**given, "outer_join": True} for name, given in inputs.items()}


@pytest.mark.parametrize(
    ("join", "wanted"),
    [
        ([READS, SHEET], [{"reads": "/b.fq", "sheet": "/b.csv"}]),
        ([outer(READS), SHEET], [{"reads": "/a.fq"}, {"reads": "/b.fq", "sheet": "/b.csv"}]),
        ([READS, outer(SHEET)], [{"reads": "/b.fq", "sheet": "/b.csv"}, {"sheet": "/c.csv"}]),
        (
            [outer(READS), outer(SHEET)],
            [{"reads": "/a.fq"}, {"reads": "/b.fq", "sheet": "/b.csv"}, {"sheet": "/c.csv"}],
        ),
    ],
)
def test_a_join_keeps_what_has_a_partner_and_of_outer_inputs_the_rest(join: Any, wanted: Any) -> None:
    assert shown(formed({"join": join}, HELD)) == wanted


def test_entries_that_share_a_value_are_combined_each_with_each() -> None:
    join = [{"r": taken("/{s}_(*)", join_on="$s")}, {"q": taken("/{s}-(*)", join_on="$s")}]
    held = {"r": ["/a_1", "/a_2", "/b_1"], "q": ["/a-1", "/a-2", "/c-1"]}
    pairs = [(each["r"], each["q"]) for each in shown(formed({"join": join}, held))]
    assert pairs == [("/a_1", "/a-1"), ("/a_1", "/a-2"), ("/a_2", "/a-1"), ("/a_2", "/a-2")]


def test_where_one_of_three_is_missing_the_outer_ones_stay_together() -> None:
    a, b, c = ({name: taken("/{s}", join_on="$s", outer_join=name != "b")} for name in "abc")
    held = {"a": ["/1", "/2", "/3"], "b": ["/1", "/2"], "c": ["/1", "/3"]}
    wanted = [{"a": "/1", "b": "/1", "c": "/1"}, {"a": "/2"}, {"a": "/3", "c": "/3"}]
    assert shown(formed({"join": [a, b, c]}, held)) == wanted


def test_a_union_has_one_input_at_a_time() -> None:
    union = [{"r": taken("/*")}, {"q": taken("/")}]
    assert shown(formed({"union": union}, {"r": ["/a", "/b"], "q": ["/a", "/c"]})) == [
        {"r": "/a"},
        {"r": "/b"},
        {"q": "/a /c"},
    ]


def test_a_group_gathers_over_all_its_inputs() -> None:
    group = [{"r": taken("/(*)_*", group_by="$1")}, {"q": taken("/*-(*)", group_by="$1")}]
    held = {"r": ["/a_1", "/a_2"], "q": ["/1-a", "/2-b"]}
    made = formed({"group": group}, held)
    assert shown(made) == [{"r": "/a_1 /a_2", "q": "/1-a"}, {"q": "/2-b"}]
    assert [label(datum) for datum in made] == ["a", "b"]


def test_a_grouped_input_can_be_joined() -> None:
    reads = {"reads": taken("/{sample}_{n}.fq", group_by="$sample", join_on="$sample")}
    made = formed({"join": [reads, SHEET]}, {"reads": ["/a_1.fq", "/b_1.fq", "/b_2.fq"], "sheet": ["/b.csv"]})
    assert shown(made) == [{"reads": "/b_1.fq /b_2.fq", "sheet": "/b.csv"}]
    assert named(made[0]) == {"sample": "b"}


def test_what_is_joined_can_be_grouped_and_an_entry_is_in_a_group_once() -> None:
    reads = {"reads": taken("/{lane}_{sample}", join_on="$lane", group_by="$sample")}
    join = {"join": [reads, {"lanes": taken("/{lane}.*", join_on="$lane")}]}
    held = {"reads": ["/1_a", "/2_a", "/1_b"], "lanes": ["/1.x", "/1.y", "/2.x"]}
    assert shown(formed({"group": [join]}, held)) == [
        {"reads": "/1_a /2_a", "lanes": "/1.x /1.y /2.x"},
        {"reads": "/1_b", "lanes": "/1.x /1.y"},
    ]


def test_one_side_of_a_join_may_be_one_of_two() -> None:
    union = {"union": [READS, outer({"old": taken("/{sample}.fastq", join_on="$sample")})]}
    held = {"reads": ["/a.fq", "/b.fq"], "old": ["/c.fastq", "/d.fastq"], "sheet": ["/b.csv", "/c.csv"]}
    assert shown(formed({"join": [union, SHEET]}, held)) == [
        {"reads": "/b.fq", "sheet": "/b.csv"},
        {"old": "/c.fastq", "sheet": "/c.csv"},
        {"old": "/d.fastq"},
    ]


def test_parts_stand_in_the_order_of_writing() -> None:
    inputs = {
        "z": taken("/{k}", group_by="$k"),
        "join": [READS, SHEET],
        "a": taken("/{k}", group_by="$k"),
        "m": taken("/"),
    }
    (datum,) = formed(inputs, {**HELD, "z": ["/1"], "a": ["/1"], "m": ["/x"]})
    assert [part.input for part in datum] == ["z", "reads", "sheet", "a", "m"]


def test_a_trailing_slash_joins_directories_and_captures_without_it() -> None:
    join = [{"runs": taken("/(*)/", join_on="$1")}, {"sheet": taken("/(*).csv", join_on="$1")}]
    made = formed({"join": join}, {"runs": ["/a/1", "/a/2", "/b"], "sheet": ["/a.csv", "/b.csv"]})
    assert shown(made) == [{"runs": "/a/1 /a/2", "sheet": "/a.csv"}]
    assert label(made[0]) == "/a + /a.csv"


def test_an_input_may_have_the_name_of_a_word() -> None:
    assert shown(formed({"join": taken("/*"), "group": taken("/*")}, {"join": ["/a"], "group": ["/b"]})) == [
        {"join": "/a", "group": "/b"}
    ]


def test_inputs_that_hold_nothing_make_no_datum_and_no_error() -> None:
    nothing: Held = {"reads": [], "sheet": []}
    for how in ("join", "cross", "union"):
        assert formed({how: [READS, SHEET]}, nothing) == []
    assert formed({"join": [READS, outer(SHEET)]}, {**HELD, "reads": []}) != []


def test_a_glob_that_matches_nothing_makes_no_datum() -> None:
    assert formed({"join": [READS, {"sheet": taken("/{s}.tsv", join_on="$s")}]}, HELD) == []


def test_a_datum_may_hold_very_many_files() -> None:
    held = {"x": [File(f"/{number:06d}", EMPTY, 0) for number in range(1_000_000)]}
    (datum,) = form(step({"x": taken("/")}), held)
    assert len(datum[0].files) == 1_000_000


def test_a_cross_that_grows_beyond_measure_is_refused_at_once() -> None:
    held = {name: [File(f"/{number:06d}", EMPTY, 0) for number in range(100_000)] for name in "ab"}
    began = time.monotonic()
    with pytest.raises(Invalid) as refused:
        form(step({"a": taken("/*"), "b": taken("/*")}), held)
    assert refused.value.code == "datums-too-many"
    assert "a (100,000) and b (100,000) would make 10,000,000,000 datums" in refused.value.message
    assert time.monotonic() - began < 60


def test_a_join_by_too_little_is_refused_as_well() -> None:
    held = {name: [File(f"/same_{number:06d}", EMPTY, 0) for number in range(2_000)] for name in "ab"}
    join = [{name: taken("/(*)_*", join_on="$1")} for name in "ab"]
    with pytest.raises(Invalid, match=r"The join of a \(2,000\) and b \(2,000\) would make 4,000,000 datums"):
        form(step({"join": join}), held)


def test_a_join_is_looked_up_and_not_compared() -> None:
    # Ten billion comparisons would take hours.
    held = {name: [File(f"/{number:06d}", EMPTY, 0) for number in range(100_000)] for name in "ab"}
    join = [{name: taken("/(*)", join_on="$1")} for name in "ab"]
    assert len(form(step({"join": join}), held)) == 100_000


A, B = taken("/{s}.a", join_on="$s"), taken("/{s}.b", join_on="$s")


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        ({"a": taken("/*.x")}, {"a"}),
        ({"a": taken("/")}, set()),
        ({"a": taken("/*/")}, set()),
        ({"a": taken("/{s}.x", group_by="$s"), "b": taken("/**")}, {"b"}),
        ({"join": [{"a": A}, {"b": B}]}, {"a", "b"}),
        ({"join": [{"a": {**A, "outer_join": True}}, {"b": B}]}, {"a"}),
        ({"join": [{"a": {**A, "outer_join": True}}, {"b": {**B, "outer_join": True}}]}, set()),
        ({"join": [{"union": [{"a": {**A, "outer_join": True}}, {"c": A}]}, {"b": B}]}, {"a", "c"}),
        ({"join": [{"join": [{"a": {**A, "outer_join": True}}, {"c": A}]}, {"b": B}]}, {"a", "b"}),
        ({"union": [{"a": taken("/*")}, {"group": [{"b": taken("/{s}", group_by="$s")}]}]}, {"a"}),
    ],
)
def test_inputs_that_can_be_worked_on_early(inputs: dict[str, Any], names: set[str]) -> None:
    assert early(step(inputs)) == names


def pachyderm(spec: Any) -> dict[str, Any]:
    """Write an input of Pachyderm as an input of ours."""
    if "pfs" in spec:
        pfs = spec["pfs"]
        words = {"joinOn": "join_on", "join_on": "join_on", "groupBy": "group_by", "outerJoin": "outer_join"}
        return {pfs["repo"]: taken(pfs["glob"], **{words[key]: pfs[key] for key in pfs if key in words})}
    ((how, inner),) = spec.items()
    return {how: [pachyderm(each) for each in inner]}


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("joins/pipelines/inner/inner_join", [[1, 1]] * 6),
        ("joins/pipelines/outer/outer_join", [[1], [1, 1], [1], [1], [1], [1, 1], [1, 1]]),
        ("group/pipelines/lab/lab_group_by_patient", [[2], [1], [2], [1]]),
        ("group/pipelines/lab/lab_group_by_hospital", [[4], [2]]),
        ("group/pipelines/retail/retail_group", [[1], [1, 2, 1], [1, 1], [1, 1], [1], [1, 2, 2]]),
    ],
)
def test_published_specifications_give_the_published_datums(
    shared_data: Path, spec: str, wanted: list[list[int]]
) -> None:
    """Each datum as its number of files by input; six for the inner join, seven for the outer one, as is published."""
    document = json.loads((shared_data / "pachyderm" / f"{spec}.pipeline.json").read_text())
    inputs = pachyderm(document["input"])
    data = shared_data / "pachyderm" / spec.partition("/")[0] / "data"
    held = {name: [f"/{path.name}" for path in (data / name).iterdir()] for name in step(inputs).inputs}
    assert [[len(part.files) for part in datum] for datum in formed(inputs, held)] == wanted


# Against a model of nested loops: each datum is a mapping from input to entries, all combinations are looked at.

Row = dict[str, tuple[str, ...]]
NAMES = "abcdef"


def loops(tree: dict[str, Any], held: Held, *, within: tuple[str, ...] = ()) -> list[Row]:
    """Make the datums of a tree of one key by comparing everything with everything; entries are `/KEY_NUMBER`."""
    ((how, inner),) = tree.items()
    if isinstance(inner, dict):
        return [{how: (path,)} for path in held[how]]
    parts = [loops(each, held, within=(*within, how)) for each in inner]
    if how == "union":
        return [row for part in parts for row in part]
    if how == "cross":
        return [merged(each) for each in itertools.product(*parts)]
    if how == "group":
        keys = {keyed(row) for part in parts for row in part}
        return [gathered([row for part in parts for row in part if keyed(row) == key]) for key in keys]
    whole = [merged(each) for each in itertools.product(*parts) if len({keyed(row) for row in each}) == 1]
    rest: list[Row] = []
    for key in {keyed(row) for part in parts for row in part}:
        mine = [[row for row in part if keyed(row) == key] for part in parts]
        if all(mine):
            continue
        kept = [some for some in ([row for row in part if is_outer(row, inner)] for part in mine) if some]
        rest += [merged(each) for each in itertools.product(*kept)] if kept else []
    return whole + rest


def keyed(row: Row) -> str:
    """Give the value by which a datum is joined or grouped: by construction the first input has it."""
    first = next(iter(row.values()))
    return first[0][1:].partition("_")[0]


def is_outer(row: Row, inner: list[Any]) -> bool:
    def nearest(trees: list[Any]) -> dict[str, bool]:
        found: dict[str, bool] = {}
        for tree in trees:
            ((how, value),) = tree.items()
            if isinstance(value, dict):
                found[how] = value.get("outer_join", False)
            elif how != "join":
                found |= nearest(value)
        return found

    marked = nearest(inner)
    return any(marked.get(name, False) for name in row)


def merged(rows: tuple[Row, ...]) -> Row:
    return {name: paths for row in rows for name, paths in row.items()}


def gathered(rows: list[Row]) -> Row:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: tuple(sorted({path for row in rows for path in row.get(name, ())})) for name in names}


@st.composite
def trees(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a tree in which every leaf can be joined and grouped by the key that its paths begin with."""
    free = list(NAMES[: draw(st.integers(1, len(NAMES)))])

    def leaf(name: str, *, keyed_: bool, grouping: bool, joining: bool) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if keyed_ and joining:
            more = {"join_on": "$1", "outer_join": draw(st.booleans())}
        if keyed_ and grouping:
            more["group_by"] = "$1"
        return {name: taken("/(*)_*", **more)}

    def grow(names: list[str], *, keyed_: bool, grouping: bool, joining: bool) -> dict[str, Any]:
        if len(names) == 1:
            return leaf(names[0], keyed_=keyed_, grouping=grouping, joining=joining)
        how = draw(st.sampled_from(["cross", "join", "group", "union"]))
        cut = draw(st.integers(1, len(names) - 1))
        grouping |= how == "group"
        joining |= how == "join"
        # Of a cross one side alone gives the value to what is around it.
        of_first = keyed_ or how in {"join", "group"}
        of_second = of_first if how != "cross" else how in {"join", "group"}
        first = grow(names[:cut], keyed_=of_first, grouping=grouping, joining=joining)
        second = grow(names[cut:], keyed_=of_second, grouping=grouping and of_second, joining=joining and of_second)
        return {how: [first, second]}

    return grow(free, keyed_=False, grouping=False, joining=False)


ENTRIES = st.lists(st.sampled_from([f"/{key}_{number}" for key in "xyz" for number in "12"]), max_size=4, unique=True)


@given(trees(), st.fixed_dictionaries(dict.fromkeys(NAMES, ENTRIES)))
def test_sets_give_what_nested_loops_give(tree: dict[str, Any], held: Held) -> None:
    made = formed(tree, held)
    ours = sorted(sorted((part.input, tuple(f.path for f in part.files)) for part in datum) for datum in made)
    theirs = sorted(
        sorted((name, tuple(sorted(paths))) for name, paths in row.items())
        for row in loops(tree, {name: sorted(paths) for name, paths in held.items()})
    )
    assert ours == theirs
