"""The options that every command takes, and the lab that they open."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from aliquot.cli.logs import prepare_logs

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from aliquot.access.by import By
    from aliquot.lab import Lab

T = TypeVar("T")

Limit = Annotated[int, Parameter(validator=Number(gte=1))]
"""How many lines a list has at most."""

_GROUP = Group("Everywhere", sort_key=1000)


@Parameter(name="*")
@dataclass(frozen=True)
class Plain:
    """What commands without a lab take."""

    json: Annotated[bool, Parameter(group=_GROUP)] = False
    "Print the result as JSON."


@Parameter(name="*")
@dataclass(frozen=True)
class Options:
    """What commands on a lab take."""

    json: Annotated[bool, Parameter(group=_GROUP)] = False
    "Print the result as JSON."
    lab: Annotated[Path | None, Parameter(env_var="ALIQUOT_LAB", group=_GROUP)] = None
    "The lab's folder; by default the one around the current folder."

    def open(self, *, quiet: bool = True) -> "Lab":
        """Open the lab; `quiet` keeps the log to warnings."""
        from aliquot.lab import open_lab

        prepare_logs(quiet=quiet)
        return open_lab(self.lab)

    def steer(self, work: "Callable[[Connection, By], T]") -> T:
        """Do `work` in a transaction that writes the lab's catalogue, as the person here; give what it gives."""
        with self.open() as lab:
            return lab.catalogue.repeat(lambda connection: work(connection, lab.by))

    def read(self, work: "Callable[[Connection], T]") -> T:
        """Give what `work` reads from the lab's catalogue."""
        with self.open() as lab, lab.catalogue.read() as connection:
            return work(connection)

    def read_page(
        self, limit: int, work: "Callable[[Connection], Sequence[T]]", count: "Callable[[Connection], int]"
    ) -> "tuple[Sequence[T], int]":
        """Give the lines that `work` reads, at most `limit`, and how many there are; counted only when it cut them."""
        with self.open() as lab, lab.catalogue.read() as connection:
            found = work(connection)
            return found, count(connection) if len(found) >= limit else len(found)


def noun(name: str, *, text: str = "", epilogue: str = "") -> App:
    """Make the command of a noun; `epilogue` closes its help, and `text` opens it where the noun is below another."""
    return App(name=name, help=text or None, help_epilogue=epilogue)


def in_order(app: App) -> None:
    """Let the help of a noun list its commands as its module does, not by the alphabet."""
    for position, name in enumerate(app):
        if not name.startswith("-"):
            app[name].sort_key = position


PLAIN = Plain()
OPTIONS = Options()
