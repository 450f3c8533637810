"""`aliquot dataset`: versions of files."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from sqlalchemy import Connection

from aliquot.cli.dataset_show import show_files, show_log, show_version
from aliquot.cli.options import OPTIONS, Limit, Options, in_order, noun
from aliquot.cli.output import line, print_json, say, say_rest, table
from aliquot.cli.text import ago, count, folder, plain, size
from aliquot.cli.verify import verify_and_show
from aliquot.datasets import history
from aliquot.datasets.export import export as export_files
from aliquot.datasets.read import Difference, Version, difference, entries, one_entry, resolve
from aliquot.datasets.tags import TagMove
from aliquot.lab import Lab, acts_data
from aliquot.lab.version_look import version_look
from aliquot.model.errors import Invalid
from aliquot.model.reference import Reference, parse_reference
from aliquot.remote import datasets as afar
from aliquot.remote.client import Client

app = noun(
    "dataset",
    epilogue="A reference is DATASET, DATASET@VERSION or DATASET@VERSION:PATH. A version is a number, a tag or latest.",
)

_Ref = Annotated[str, Parameter(name="REFERENCE")]


@app.command(name="list")
def list_datasets(*, options: Options = OPTIONS) -> None:
    """List the datasets."""
    found = options.read(history.datasets, afar.datasets)
    if options.json:
        print_json([each.document() for each in found])
        return
    table(
        ("dataset", ">version", ">files", ">size", ">parked", "changed"),
        [(e.name, e.head, e.files, size(e.bytes), e.parked or "", ago(e.changed_at)) for e in found],
        empty="There is no dataset yet; it comes with the first file.",
    )


@app.command
def show(reference: _Ref, /, *, options: Options = OPTIONS) -> None:
    """Show one version: what is in it and where it came from.

    Parameters
    ----------
    reference
        The dataset, or one of its versions.
    """
    asked = parse_reference(reference)
    found = options.read(lambda connection: version_look(connection, asked), lambda client: afar.look(client, asked))
    show_version(found, as_json=options.json)


@app.command
def log(
    dataset: Annotated[str, Parameter(name="DATASET")], /, *, limit: Limit = 20, options: Options = OPTIONS
) -> None:
    """List the versions of a dataset, newest first.

    Parameters
    ----------
    dataset
        The dataset.
    limit
        Versions at most; 20 by default.
    """
    lines, there_are = options.read_page(
        limit,
        lambda connection: history.log(connection, dataset, limit=limit),
        lambda connection: history.count_versions(connection, dataset),
        lambda client: afar.log(client, dataset, limit),
    )
    show_log(lines, as_json=options.json)
    say_rest(len(lines), there_are)


@app.command
def files(reference: _Ref, /, *, limit: int | None = None, after: str = "", options: Options = OPTIONS) -> None:
    """List the files of a version, or of a folder in it.

    Parameters
    ----------
    reference
        The version, or dataset@version:path for what is below a path.
    limit
        Files at most; all by default.
    after
        Begin after this path.
    """
    asked = parse_reference(reference)
    if options.server:
        with options.connect() as client:
            show_files(*afar.files(client, asked, after, limit), as_json=options.json)
        return
    with options.open() as lab, lab.catalogue.read() as connection:
        of = resolve(connection, asked)
        if asked.path and not list(entries(connection, of, below=asked.path, limit=1)):
            one_entry(connection, of, asked.path)
        show_files(of, entries(connection, of, asked.path, after, limit), as_json=options.json)


@app.command
def diff(
    one: Annotated[str, Parameter(name="REFERENCE")],
    other: Annotated[str, Parameter(name="OTHER")] = "",
    /,
    *,
    options: Options = OPTIONS,
) -> None:
    """List what differs between two versions of a dataset.

    Parameters
    ----------
    one
        The older version.
    other
        The newer one, also as a bare number or tag; by default the newest.
    """
    first = parse_reference(one)
    second = parse_reference(other if "@" in other else f"{first.dataset}@{other or 'latest'}")
    before, after, found = options.read(
        lambda connection: _difference(connection, first, second),
        lambda client: afar.difference(client, first, second),
    )
    if options.json:
        print_json([{"path": each.path, "before": each.before, "after": each.after} for each in found])
        return
    kinds = {(True, False): ("+", "green"), (False, True): ("-", "red"), (False, False): ("~", "yellow")}
    for each in found:
        sign, style = kinds[each.before is None, each.after is None]
        line(f"{sign} {plain(each.path)}", style)
    say(f"{count(len(found), 'file')} {'differs' if len(found) == 1 else 'differ'} between {before} and {after}.")


@app.command
def export(
    reference: _Ref,
    target: Annotated[Path, Parameter(name="DIR")],
    /,
    *,
    options: Options = OPTIONS,
) -> None:
    """Write a version, or a folder or file of it, to a new folder.

    Parameters
    ----------
    reference
        What to write.
    target
        The folder, new or empty.
    """
    asked, written = options.ask(
        lambda lab: _export(lab, parse_reference(reference), target),
        lambda client: afar.export(client, parse_reference(reference), target),
    )
    if options.json:
        print_json({"reference": str(asked), "folder": str(target.absolute()), "files": written})
        return
    line(f"{count(written, 'file')} of {plain(str(asked))} {'is' if written == 1 else 'are'} in {folder(target)}.")


@app.command
def tag(
    reference: _Ref,
    name: Annotated[str, Parameter(name="TAG")],
    /,
    *,
    remove: bool = False,
    options: Options = OPTIONS,
) -> None:
    """Give a version a name, or move the name to it.

    Parameters
    ----------
    reference
        The version.
    name
        The tag.
    remove
        Take the tag away instead.
    """
    asked = parse_reference(reference)
    number, moved = options.ask(
        lambda lab: _tag(lab, asked, name, remove=remove), lambda client: _tag_there(client, asked, name, remove=remove)
    )
    if options.json:
        print_json({"dataset": asked.dataset, **moved.document()})
    elif remove:
        line(f"{asked.dataset} has no tag {name} any more; it was on version {moved.before}.")
    elif moved.before is None or moved.before == number:
        line(f"{asked.dataset}@{number} is {asked.dataset}@{name}.")
    else:
        line(f"{asked.dataset}@{name} is version {number} now; it was {moved.before}.")


@app.command
def verify(dataset: Annotated[str | None, Parameter(name="DATASET")] = None, /, *, options: Options = OPTIONS) -> int:
    """Read all bytes again and prove that they are what was written; exits 6 when something is damaged.

    Parameters
    ----------
    dataset
        The dataset; all of them by default.
    """
    return verify_and_show(options, dataset)


@app.command
def remove(
    dataset: Annotated[str, Parameter(name="DATASET")],
    paths: Annotated[list[str], Parameter(name="PATH")],
    /,
    *,
    because: str,
    options: Options = OPTIONS,
) -> None:
    """Make a version without some files; earlier versions keep them.

    Parameters
    ----------
    dataset
        The dataset.
    paths
        Files or folders, as `dataset files` lists them.
    because
        The reason, which stays with the version.
    """
    of = parse_reference(dataset)
    if of != Reference(of.dataset):
        raise Invalid("reference-refused", f"Files are removed from the newest version; name the dataset {of.dataset}.")
    done = options.ask(
        lambda lab: acts_data.remove(lab.catalogue, lab.store, lab.by, of.dataset, paths, because),
        lambda client: afar.remove(client, of.dataset, paths, because),
    )
    if options.json:
        print_json({"dataset": done.dataset, "version": done.number, "removed": done.removed})
        return
    line(f"{done.dataset}@{done.number} is without {count(done.removed, 'file')}; earlier versions keep them.")


def _difference(
    connection: Connection, first: Reference, second: Reference
) -> tuple[Version, Version, list[Difference]]:
    before, after = resolve(connection, first), resolve(connection, second)
    return before, after, list(difference(connection, before, after))


def _export(lab: Lab, asked: Reference, target: Path) -> tuple[Reference, int]:
    with lab.catalogue.read() as connection:
        # What is exported is what is told, also while new versions come.
        asked = replace(asked, version=str(resolve(connection, asked).number))
    return asked, export_files(lab.catalogue, lab.store, asked, target)


def _tag(lab: Lab, asked: Reference, name: str, *, remove: bool) -> tuple[int | None, TagMove]:
    with lab.catalogue.read() as connection:
        number = None if remove else resolve(connection, asked).number
    return number, acts_data.move_tag(lab.catalogue, lab.by, asked.dataset, name, number)


def _tag_there(client: Client, asked: Reference, name: str, *, remove: bool) -> tuple[int | None, TagMove]:
    number = None if remove else afar.resolve(client, asked).number
    return number, afar.move_tag(client, asked.dataset, name, number)


in_order(app)
