"""`aliquot lineage`: from a result back to its origin, and from a file on to what came of it."""

from typing import Annotated

from cyclopts import Parameter
from rich.text import Text
from rich.tree import Tree

from aliquot.cli.lineage_tree import Branches, label
from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import print_json, say, stdout
from aliquot.cli.text import plain
from aliquot.lab.lineage import full_lineage
from aliquot.model.reference import parse_reference
from aliquot.remote import lineage as afar

app = noun("lineage")


@app.default
def lineage(
    reference: Annotated[str, Parameter(name="REFERENCE")],
    /,
    *,
    back: bool = False,
    forward: bool = False,
    depth: int = 20,
    full: bool = False,
    options: Options = OPTIONS,
) -> None:
    """Follow a file both ways.

    Parameters
    ----------
    reference
        dataset@version:path, or a whole version.
    back
        Only where it came from: tasks, inputs, arrivals.
    forward
        Only what came of it: tasks, outputs, versions, rows of tables.
    depth
        Steps at most; 20 by default.
    full
        Every file and every task; without it, tasks of one step are told in short.
    """
    way = "back" if back and not forward else "forward" if forward and not back else "both"
    asked = parse_reference(reference)
    root = options.ask(
        lambda lab: full_lineage(lab, asked, way, depth), lambda client: afar.lineage(client, asked, way, depth)
    )
    if options.json:
        print_json(root.document())
        return
    stdout().print(label(root))
    for title, nodes in (("comes from", root.back), ("became", root.forward)):
        if nodes:
            tree = Tree(Text(title, style="bold"), guide_style="dim")
            Branches(full=full).grow(tree, nodes)
            stdout().print(tree)
    if not root.back and not root.forward:
        say("Nothing is known to come before or after it." if way == "both" else "Nothing is known that way.")
    if "hub" in root.facts:
        say(f"Rows of tables are left out: {plain(str(root.facts['hub']))}")
