"""`aliquot admin`: what an operator does."""

from typing import Annotated

from cyclopts import Parameter

from aliquot.cli.audit import app as audit
from aliquot.cli.options import OPTIONS, Options, in_order, noun
from aliquot.cli.output import facts, line, print_json, say
from aliquot.cli.verify import verify_and_show
from aliquot.datasets.rebuild import rebuild as rebuild_catalogue
from aliquot.db import open_catalogue

app = noun("admin")
app.command(audit)


@app.command
def verify(*, options: Options = OPTIONS) -> int:
    """Read the bytes of all datasets again and follow their chains; exits 6 when something is damaged."""
    return verify_and_show(options, None)


@app.command
def rebuild(*, into: Annotated[str, Parameter(name="--into")], options: Options = OPTIONS) -> None:
    """Fill a new catalogue with what the store alone says, proving every digest on the way.

    The lab's own catalogue is neither read nor changed: name the new one in `aliquot.yaml` when it is right.

    Parameters
    ----------
    into
        The new, empty catalogue: sqlite:///file.db or postgresql://…
    """
    why = "This is for when the catalogue is lost, and a server stands on that: no server can do it."
    with options.open(why=why) as lab:
        catalogue = open_catalogue(into, lab.folder)
        try:
            report = rebuild_catalogue(lab.store, catalogue)
        finally:
            catalogue.close()
    if options.json:
        print_json({"catalogue": into, **report.document()})
        return
    facts(
        {
            "datasets": report.datasets,
            "versions": report.versions,
            "files": report.files,
            "blobs": report.blobs,
            "receipts": report.receipts,
            "broken packs": ", ".join(report.broken_packs),
        }
    )
    line("\nEvery digest was proved. Put this catalogue into aliquot.yaml and run `aliquot apply`.")
    for each in report.lost:
        say(f"- {each}")


in_order(app)
