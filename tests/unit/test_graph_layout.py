"""The layout of graphs: layers, bends and places."""

from aliquot.lab.graph import HEIGHT, WIDTH, graph_of
from aliquot.model.pipeline import Pipeline


def pipeline(steps: dict[str, list[str]]) -> Pipeline:
    return Pipeline.model_validate(
        {
            "pipeline": "many",
            "inputs": {"data": {"dataset": "data"}},
            "steps": {
                name: {"inputs": {f"i{at}": {"from": each, "glob": "/"} for at, each in enumerate(of)}, "command": "x"}
                for name, of in steps.items()
            },
            "outputs": {"last": {"from": list(steps)[-1]}},
        }
    )


def test_every_edge_leads_to_the_right_and_no_boxes_overlap() -> None:
    steps = {"s0": ["data"]} | {f"s{at}": [f"s{at // 2}", f"s{at // 3}"] if at > 3 else ["s0"] for at in range(1, 50)}
    graph = graph_of(pipeline({name: list(dict.fromkeys(of)) for name, of in steps.items()}))
    assert len(graph.nodes) == 52
    places = {f"{each.kind}:{each.name}": each for each in graph.nodes}
    for edge in graph.edges:
        assert edge.path.startswith("M")
        one, other = places[edge.before], places[edge.after]
        assert one.x + WIDTH < other.x
    for one in graph.nodes:
        assert 0 <= one.x <= graph.width - WIDTH
        assert 0 <= one.y <= graph.height - HEIGHT
        for other in graph.nodes:
            assert one is other or one.x != other.x or abs(one.y - other.y) >= HEIGHT


def test_lines_that_need_not_cross_do_not() -> None:
    graph = graph_of(pipeline({"a": ["data"], "b": ["data"], "y": ["b"], "x": ["a"]}))
    at = {each.name: each.y for each in graph.nodes}
    assert (at["a"] < at["b"]) == (at["x"] < at["y"])
