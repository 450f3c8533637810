"""Lineages as graphs: many alike fold, unfold and hide, every line leads to the right."""

from aliquot.datasets.lineage import Node
from aliquot.lab.lineage_graph import ALL, Box, LineageGraph, lineage_graph
from aliquot.lab.lineage_prov import prov_document


def file(name: str, **parts: object) -> Node:
    return Node("file", name, {"size": 1}, **parts)  # type: ignore[arg-type]


def task(step: str, ordinal: int, **parts: object) -> Node:
    facts = {"run": 4, "step": step, "ordinal": ordinal, "pipeline": "p", "state": "COMPLETE", "attempt": None}
    return Node("task", f"run 4 {step}/{ordinal}", facts, **parts)  # type: ignore[arg-type]


def gathered(files: int, left_out: int = 0) -> Node:
    """One file made from many, each of which has arrived, and a table with rows of it."""
    inputs = [
        file(f"in@1:/{at}.csv", back=(Node("arrival", f"inbox:/{at}.csv", {"receipt": at, "source": "inbox"}),))
        for at in range(files)
    ]
    more = (Node("more", f"and {left_out} more", {"count": left_out}),) if left_out else ()
    return file("out@1:/all.csv", back=(task("merge", 1, back=(*inputs, *more)),), forward=(table(7),))


def table(rows: int) -> Node:
    return Node("rows", "means", {"rows": rows})


def by_title(graph: LineageGraph) -> dict[str, Box]:
    return {each.title: each for each in graph.boxes}


def well_placed(graph: LineageGraph) -> None:
    at = {each.id: each for each in graph.boxes}
    for line in graph.lines:
        assert at[line.before].x + at[line.before].width < at[line.after].x
    for one in graph.boxes:
        assert 0 <= one.x <= one.x + one.width <= graph.width
        assert 0 <= one.y <= one.y + one.height <= graph.height
        for other in graph.boxes:
            apart = one.x + one.width <= other.x or other.x + other.width <= one.x
            assert one is other or apart or one.y + one.height <= other.y or other.y + other.height <= one.y


def test_many_alike_are_one_box_until_it_is_unfolded() -> None:
    graph = lineage_graph(gathered(300))
    well_placed(graph)
    assert graph.things == 603
    boxes = by_title(graph)
    assert list(boxes) == ["300 arrivals", "300 files", "merge/1", "all.csv", "means"]
    assert boxes["all.csv"].focus
    assert boxes["means"].about == "table, 7 rows"
    unfolded = lineage_graph(gathered(300), [boxes["300 files"].group])
    well_placed(unfolded)
    (opened,) = [each for each in unfolded.boxes if each.cells]
    assert (opened.id, len(opened.cells), len(unfolded.boxes)) == (boxes["300 files"].id, 300, 5)
    places = {(each.x, each.y) for each in opened.cells}
    assert len(places) == 300
    assert all(opened.x <= x <= opened.x + opened.width and opened.y <= y for x, y in places)
    assert [each.label for each in unfolded.unfolded] == ["300 files of in@1"]


def test_a_group_of_few_unfolds_into_boxes_with_lines_of_their_own() -> None:
    graph = lineage_graph(gathered(12), [ALL])
    well_placed(graph)
    boxes = by_title(graph)
    assert len(graph.boxes) == 27
    kinds = [each.kind for each in graph.boxes]
    assert (kinds.count("arrival"), kinds.count("file")) == (12, 13)
    assert len(graph.lines) == 12 + 12 + 2
    assert boxes["merge/1"].further
    assert not boxes["means"].further


def test_what_is_behind_a_box_can_be_hidden() -> None:
    boxes = by_title(lineage_graph(gathered(12)))
    graph = lineage_graph(gathered(12), (), [boxes["merge/1"].id])
    assert list(by_title(graph)) == ["merge/1", "all.csv", "means"]
    assert by_title(graph)["merge/1"].hidden == 2
    assert list(by_title(lineage_graph(gathered(12), (), ["0000000000"]))) == list(boxes)


def test_what_was_not_looked_at_is_counted_and_what_is_behind_it_is_at_least() -> None:
    graph = lineage_graph(gathered(25, left_out=287))
    assert list(by_title(graph)) == ["25 or more arrivals", "312 files", "merge/1", "all.csv", "means"]
    assert graph.left_out == 287
    alone = file("out@1:/a", back=(task("one", 1, back=(Node("more", "", {"count": 3}),)),))
    assert list(by_title(lineage_graph(alone))) == ["and 3 more", "one/1", "a"]


def test_a_thing_that_is_told_twice_is_one_box() -> None:
    shared = file("in@1:/a", back=(Node("arrival", "inbox:/a", {"receipt": 1, "source": "inbox"}),))
    again = Node("file", "in@1:/a", {"size": 1}, told=True)
    root = file("out@1:/c", back=(task("y", 1, back=(shared, task("x", 1, back=(again,)))),))
    graph = lineage_graph(root)
    well_placed(graph)
    assert sorted(each.title for each in graph.boxes) == ["a", "a", "c", "x/1", "y/1"]
    assert len(graph.lines) == 5


def test_a_version_has_all_of_its_files_in_focus() -> None:
    files = tuple(file(f"in@1:/{at}") for at in range(30))
    used = tuple(file(f"in@1:/{at}", forward=(task("fit", at),)) for at in range(30))
    graph = lineage_graph(Node("version", "in@1", {}, files, used))
    well_placed(graph)
    assert [(each.title, each.focus) for each in graph.boxes] == [("30 files", True), ("30 tasks", False)]


def test_prov_says_what_used_and_made_what() -> None:
    found = prov_document(gathered(2))
    assert len(found["entity"]) == 6
    assert [each["prov:label"] for each in found["activity"].values()] == ["run 4 merge/1"]
    assert (len(found["used"]), len(found["wasGeneratedBy"]), len(found["wasDerivedFrom"])) == (2, 1, 3)
    known = set(found["entity"]) | set(found["activity"])
    for relation in ("used", "wasGeneratedBy", "wasDerivedFrom"):
        assert {end for each in found[relation].values() for end in each.values()} <= known
