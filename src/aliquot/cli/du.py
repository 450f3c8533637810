"""`aliquot du`: what takes how many bytes."""

from typing import Annotated, Any

from cyclopts import Parameter

from aliquot.cli.options import OPTIONS, Limit, Options, noun
from aliquot.cli.output import facts, heading, print_json, say_rest, table
from aliquot.cli.text import ago, size
from aliquot.datasets.sweep import sweepable
from aliquot.datasets.usage import dataset_uses, run_uses, store_use

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
    with options.open() as lab:
        with lab.catalogue.read() as connection:
            uses = dataset_uses(connection, dataset)
            whole = store_use(connection) if dataset is None else None
        frees = sweepable(lab.catalogue, lab.config.retention) if dataset is None else 0
    if options.json:
        document: dict[str, Any] = {"datasets": [each.document() for each in uses]}
        if whole:
            document |= {"store": whole.document(), "sweepable": frees}
        print_json(document)
        return
    table(
        ("dataset", ">files", ">now", ">versions", ">all versions", ">own"),
        [(u.dataset, u.files, size(u.bytes), u.versions, size(u.stored), size(u.own)) for u in uses],
        empty="There is no dataset yet.",
    )
    if whole:
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
                "sweep would free": size(frees),
                "adopted, elsewhere": size(whole.adopted),
            }
        )


def _runs(options: Options, limit: int) -> None:
    # All of them are measured to find the largest.
    whole = options.read(lambda connection: run_uses(connection, None))
    found = whole[:limit]
    if options.json:
        print_json([each.document() for each in found])
        say_rest(len(found), len(whole), "largest")
        return
    table(
        (">run", "pipeline", "state", "ended", ">files", ">bytes", ">logs"),
        [(u.run, u.pipeline, u.state, ago(u.ended_at), u.files, size(u.bytes), size(u.logs)) for u in found],
        empty="No run holds bytes that no dataset has.",
    )
    say_rest(len(found), len(whole), "largest")
