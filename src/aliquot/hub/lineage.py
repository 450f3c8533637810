# ruff: noqa: S608 - names are written by quoted, texts by text_literal
"""Which rows came from which published file."""

from collections.abc import Iterable

from aliquot.hub import ledger
from aliquot.hub.hub import Hub, Session, quoted


def rows_from(hub: Hub, table: str, dataset: str, version: int, path: str) -> int:
    """Count the rows that a table has from a file of a version; 0 where the table or the file is not known."""
    return sum(rows for found, _, rows in lineage_of(hub, dataset, version, [path]) if found == table)


def lineage_of(hub: Hub, dataset: str, version: int, paths: Iterable[str]) -> list[tuple[str, str, int]]:
    """Give (table, path, rows) for each table that has rows from these files of a version, by table and path.

    A file that did not change is loaded once: its rows carry the version that brought its content, which is the
    newest load of that path up to the version asked for.
    """
    found: list[tuple[str, str, int]] = []
    with hub.reading() as session:
        if not ledger.is_prepared(session):
            return []
        for condition in ledger.paths_condition("dataset", "path", dataset, paths):
            loads = session.rows(
                "SELECT table_name, path, max(version) AS version FROM _aliquot_loads "
                f"WHERE {condition} AND version <= CAST($1 AS BIGINT) GROUP BY table_name, path",
                version,
            )
            by_load: dict[tuple[str, int], list[str]] = {}
            for table, path, loaded in loads:
                by_load.setdefault((table, loaded), []).append(path)
            for (table, loaded), chosen in by_load.items():
                found += _counts(session, table, dataset, loaded, chosen)
    return sorted(found)


def _counts(session: Session, table: str, dataset: str, version: int, paths: list[str]) -> list[tuple[str, str, int]]:
    rows: list[tuple[str, str, int]] = []
    for condition in ledger.paths_condition("_dataset", "_path", dataset, paths):
        rows += session.rows(
            f"SELECT CAST($1 AS TEXT) AS table_name, _path, count(*) AS n FROM {quoted(table)} "
            f"WHERE {condition} AND _version = CAST($2 AS BIGINT) GROUP BY _path",
            table,
            version,
        )
    return rows
