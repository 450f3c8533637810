"""What of a lineage, and of a dataset's line, somebody may see: nothing of projects in which they have no role."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from sqlalchemy import Connection, select

from aliquot.access.by import By
from aliquot.access.projects import project_of_dataset, project_of_run
from aliquot.datasets.lineage import Node
from aliquot.datasets.lineage_sight import Sight
from aliquot.db.rows import chunks
from aliquot.db.tables import load, run
from aliquot.model.reference import parse_reference


def sight_of(connection: Connection, by: By) -> Sight:
    """Give what of a lineage somebody sees: what is in projects in which they have a role."""
    projects, tables = by.projects("dataset.read"), by.projects("table.read")
    if tables is None:
        return Sight(projects)
    mine = {name for name, loaders in loaded_by(connection).items() if loaders <= set(tables)}
    return Sight(projects, mine)


def only_seen(connection: Connection, node: Node, by: By) -> Node:
    """Leave out of a lineage what belongs to projects that somebody may not see, with all that is behind it."""
    projects = by.projects("dataset.read")
    return node if projects is None else _Sight(connection, projects, by.projects("table.read")).within(node)


def unseen_runs(connection: Connection, numbers: Sequence[int | None], projects: Collection[str] | None) -> set[int]:
    """Give those of some runs that are not of these projects; None: all projects, and so none."""
    if projects is None:
        return set()
    wanted = sorted({each for each in numbers if each is not None})
    found: set[int] = set()
    for part in chunks(wanted):
        query = select(run.c.id).where(run.c.id.in_(part), run.c.project.in_(projects))
        found.update(connection.execute(query).scalars())
    return set(wanted) - found


def loaded_by(connection: Connection) -> dict[str, set[str]]:
    """Give the hub's tables with the projects whose runs have loaded into them."""
    query = select(load.c.table_name, run.c.project).join(run, run.c.id == load.c.run_id).distinct()
    loaders: dict[str, set[str]] = {}
    for name, project in connection.execute(query):
        loaders.setdefault(name, set()).add(project)
    return loaders


class _Sight:
    """Says of each thing of a lineage whether it is seen; the catalogue is asked for each name once."""

    def __init__(self, connection: Connection, projects: Collection[str], tables: Collection[str] | None) -> None:
        self._connection = connection
        self._projects = projects
        self._tables = tables
        self._known: dict[str, bool] = {}
        self._loaders: dict[str, set[str]] | None = None

    def within(self, node: Node) -> Node:
        back = tuple(self.within(each) for each in node.back if self._sees(each))
        forward = tuple(self.within(each) for each in node.forward if self._sees(each))
        facts = node.facts
        maker = facts.get("computed_by_run")
        if isinstance(maker, int) and not self._run(maker):
            facts = {**facts, "computed_by_run": None}
        return replace(node, facts=facts, back=back, forward=forward)

    def _sees(self, node: Node) -> bool:
        # What arrived stands below its own file, an output below a task of its own run.
        if node.kind in {"more", "arrival", "output"}:
            return True
        if node.kind in {"rows", "table"}:
            return self._table(node.name)
        if node.kind in {"file", "version"}:
            name = parse_reference(node.name).dataset
            return self._ask(f"dataset {name}", lambda: project_of_dataset(self._connection, name))
        number = node.facts.get("run")
        return isinstance(number, int) and self._run(number)

    def _run(self, number: int) -> bool:
        return self._ask(f"run {number}", lambda: project_of_run(self._connection, number))

    def _table(self, name: str) -> bool:
        if self._tables is None:
            return True
        if self._loaders is None:
            self._loaders = loaded_by(self._connection)
        return self._loaders.get(name, {""}) <= set(self._tables)

    def _ask(self, key: str, project: Callable[[], str | None]) -> bool:
        if key not in self._known:
            self._known[key] = project() in self._projects
        return self._known[key]
