"""`aliquot du`: what takes how many bytes."""

from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Limit, Options, noun
from aliquot.cli.output import facts, heading, print_json, say_rest, table
from aliquot.cli.text import ago, size
from aliquot.datasets.usage import DatasetUse, RunUse, dataset_uses, run_uses
from aliquot.lab.storage import room
from aliquot.remote import storage as afar

app = noun("du")


@app.default
def du(
    dataset: Annotated[str | None, Parameter(name="DATASET")] = None,
    /,
    *,
    runs: bool = False,
    limit: Limit = 20,
    options: Options = OPTIONS,
) -> None:
    """Say what takes how many bytes, from the catalogue alone: datasets with all their versions, runs, logs, the rest.

    Parameters
    ----------
    dataset
        Only this dataset.
    runs
        The runs instead, the largest first: what they made and no dataset holds.
    limit
        Runs at most; 20 by default.
    """
    if runs:
        _runs(options, limit)
        return
    if dataset is not None:
        use = options.read(
            lambda connection: dataset_uses(connection, dataset)[0], lambda client: afar.dataset_use(client, dataset)
        )
        print_json({"datasets": [use.document()]}) if options.json else _show_datasets([use])
        return
    found = options.ask(room, afar.room)
    if options.json:
        print_json(found.document())
        return
    _show_datasets(found.datasets)
    whole = found.store
    heading("Store, each blob once")
    facts(
        {
            "datasets": size(whole.datasets),
            "quarantine": size(whole.quarantine),
            "runs": size(whole.runs),
            "logs": size(whole.logs),
            "previews": size(whole.previews),
            "rest": size(whole.rest),
            "total": size(whole.total),
            "sweep would free": size(found.sweepable),
            "adopted, elsewhere": size(whole.adopted),
        }
    )


def _show_datasets(uses: Sequence[DatasetUse]) -> None:
    table(
        ("dataset", ">files", ">now", ">versions", ">all versions", ">own"),
        [(u.dataset, u.files, size(u.bytes), u.versions, size(u.stored), size(u.own)) for u in uses],
        empty="There is no dataset yet.",
    )


def _runs(options: Options, limit: int) -> None:
    found, there_are = options.read(
        lambda connection: _largest(run_uses(connection, None), limit), lambda client: afar.run_uses(client, limit)
    )
    if options.json:
        print_json([each.document() for each in found])
        say_rest(len(found), there_are, "largest")
        return
    table(
        (">run", "pipeline", "state", "ended", ">files", ">bytes", ">logs"),
        [(u.run, u.pipeline, u.state, ago(u.ended_at), u.files, size(u.bytes), size(u.logs)) for u in found],
        empty="No run holds bytes that no dataset has.",
    )
    say_rest(len(found), there_are, "largest")


def _largest(whole: list[RunUse], limit: int) -> tuple[list[RunUse], int]:
    # All of them are measured to find the largest.
    return whole[:limit], len(whole)
