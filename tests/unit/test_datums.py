"""Datums of plain inputs, against a model that is too simple to be wrong."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from aliquot.engine.combine import form as form_of
from aliquot.engine.datums import Datum, File, label, named
from aliquot.engine.entries import filler
from aliquot.model.digest import EMPTY, Digest, digest_bytes
from aliquot.model.pipeline import Step, StepInput


def files(*paths: str) -> list[File]:
    return [File(path, digest_bytes(path.encode()), len(path)) for path in sorted(paths)]


def step_input(glob: str, group_by: str | None = None) -> StepInput:
    return StepInput.model_validate({"from": "x", "glob": glob, "group_by": group_by})


def form(inputs: dict[str, StepInput], held: dict[str, list[File]]) -> list[Datum]:
    return form_of(Step.model_validate({"inputs": inputs, "command": "ls"}), held)


def paths(datums: list[Datum]) -> list[list[list[str]]]:
    return [[[file.path for file in part.files] for part in datum] for datum in datums]


def one(glob: str, *given_paths: str) -> list[list[str]]:
    return [datum[0] for datum in paths(form({"x": step_input(glob)}, {"x": files(*given_paths)}))]


def test_the_root_is_one_datum_of_everything_and_none_of_nothing() -> None:
    assert one("/", "/a", "/b/c") == [["/a", "/b/c"]]
    assert one("/") == []


def test_a_star_makes_a_datum_of_each_top_level_entry_with_all_that_is_in_it() -> None:
    assert one("/*", "/a", "/b/c", "/b/d/e") == [["/a"], ["/b/c", "/b/d/e"]]


def test_only_a_single_file_is_its_own_place() -> None:
    datums = form({"x": step_input("/*")}, {"x": files("/a", "/b/c")})
    assert [(datum[0].matched, datum[0].single) for datum in datums] == [("/a", True), ("/b", False)]


def test_captured_names_reach_the_datum_and_its_label() -> None:
    (datum,) = form({"x": step_input("/{run}/{sample}.txt")}, {"x": files("/r1/s1.txt")})
    assert named(datum) == {"run": "r1", "sample": "s1"}
    assert label(datum) == "/r1/s1.txt"


def test_numbered_captures_are_no_names() -> None:
    (datum,) = form({"x": step_input("/(*).txt")}, {"x": files("/s1.txt")})
    assert named(datum) == {}
    assert filler("$1-${1}")(datum[0].captures) == "s1-s1"


def test_a_group_keeps_only_what_all_its_members_captured_alike() -> None:
    (datum,) = form({"x": step_input("/{s}_{read}.fq", "$s")}, {"x": files("/a_1.fq", "/a_2.fq")})
    assert datum[0].captures == {"s": "a"}
    assert label(datum) == "a"


def test_groups_of_two_inputs_meet_by_their_key_and_an_input_may_be_missing() -> None:
    inputs = {"reads": step_input("/{s}.fq", "$s"), "sheet": step_input("/{s}.csv", "$s")}
    datums = form(inputs, {"reads": files("/a.fq", "/b.fq"), "sheet": files("/b.csv", "/c.csv")})
    assert [[part.input for part in datum] for datum in datums] == [["reads"], ["reads", "sheet"], ["sheet"]]


def test_an_empty_input_makes_the_cross_empty() -> None:
    inputs = {"a": step_input("/*"), "b": step_input("/*", "$1")}
    assert form(inputs, {"a": files("/x"), "b": []}) == []


names = st.sampled_from(["a", "b", "c"])
some_paths = st.sets(st.lists(names, min_size=1, max_size=3).map(lambda each: "/" + "/".join(each) + ".x"), max_size=8)


@given(some_paths, st.integers(1, 3))
def test_globs_of_stars_split_by_depth(given_paths: set[str], depth: int) -> None:
    wanted: dict[str, list[str]] = {}
    for path in sorted(given_paths):
        segments = path[1:].split("/")
        if len(segments) >= depth:
            wanted.setdefault("/".join(segments[:depth]), []).append(path)
    assert sorted(one("/*" * depth, *given_paths)) == sorted(wanted.values())


@given(some_paths)
def test_two_stars_make_a_datum_of_each_file(given_paths: set[str]) -> None:
    assert one("/**", *given_paths) == [[path] for path in sorted(given_paths)]


@given(some_paths, some_paths, some_paths)
def test_several_inputs_give_their_cross_product_in_the_order_of_the_step(
    first: set[str], second: set[str], third: set[str]
) -> None:
    inputs = {name: step_input("/**") for name in ("z", "a", "m")}
    made = paths(form(inputs, {"z": files(*first), "a": files(*second), "m": files(*third)}))
    wanted = itertools.product(sorted(first), sorted(second), sorted(third))
    assert made == [[[x], [y], [z]] for x, y, z in wanted]


@given(st.sets(st.tuples(names, names, names), max_size=12), st.sampled_from(["$one", "$two", "$one-$two"]))
def test_every_file_is_in_exactly_the_group_of_its_key(triples: set[tuple[str, str, str]], key: str) -> None:
    given_paths = [f"/{one}_{two}_{three}" for one, two, three in triples]
    datums = form({"x": step_input("/{one}_{two}_{three}", key)}, {"x": files(*given_paths)})
    wanted: dict[str, set[str]] = {}
    for one_, two, three in triples:
        value = key.replace("$one", one_).replace("$two", two)
        wanted.setdefault(value, set()).add(f"/{one_}_{two}_{three}")
    assert {frozenset(file.path for file in datum[0].files) for datum in datums} == set(map(frozenset, wanted.values()))
    assert len(datums) == len(wanted)


@given(some_paths, st.randoms())
def test_the_order_of_groups_does_not_depend_on_the_order_of_files(given_paths: set[str], random: object) -> None:
    ordered = files(*given_paths)
    shuffled = list(ordered)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    inputs = {"x": step_input("/{top}/**", "$top")}
    keys = [datum[0].captures.get("top") for datum in form(inputs, {"x": ordered})]
    assert keys == [datum[0].captures.get("top") for datum in form(inputs, {"x": shuffled})]


def test_a_digest_is_kept_beside_its_path() -> None:
    (datum,) = form({"x": step_input("/*")}, {"x": [File("/a", Digest("blake3:" + "0" * 64), 3, "key")]})
    assert datum[0].files == (File("/a", Digest("blake3:" + "0" * 64), 3, "key"),)


def test_a_group_is_named_by_what_it_captured_under_a_number_as_well() -> None:
    step = {"x": StepInput.model_validate({"from": "d", "glob": "/(*)-(*).txt", "group_by": "$1"})}
    files = {"x": [File(f"/{a}-{b}.txt", EMPTY, 0) for a in "pq" for b in "12"]}
    assert [label(datum) for datum in form(step, files)] == ["p", "q"]
