"""The options that every command takes, and the lab that they open."""

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import App, Group, Parameter
from cyclopts.validators import Number

from aliquot.cli.logs import prepare_logs
from aliquot.model.errors import Invalid

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from aliquot.access.by import By
    from aliquot.lab import Lab
    from aliquot.remote.client import Client

T = TypeVar("T")
There = Callable[["Client"], T]
"""What gets something from a lab's server."""

Limit = Annotated[int, Parameter(validator=Number(gte=1))]
"""How many lines a list has at most."""

_WHY = "This command works in the lab's own folder."

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

    server: Annotated[str | None, Parameter(env_var="ALIQUOT_SERVER", group=_GROUP, metavar="URL")] = None
    "The address of a lab's server, to work with the lab there; sign in with `aliquot login`."

    def open(self, *, quiet: bool = True, why: str = _WHY) -> "Lab":
        """Open the lab here; `quiet` keeps the log to warnings. With a server, it is refused, and `why` is said."""
        from aliquot.lab import open_lab

        if self.server:
            words = f"{why} Run it on the machine where the lab is, without --server and ALIQUOT_SERVER."
            raise Invalid("server-not-here", words, server=self.server)
        prepare_logs(quiet=quiet)
        return open_lab(self.lab)

    @contextmanager
    def work(self, *, quiet: bool = True, why: str = _WHY) -> Generator["Lab"]:
        """Open the lab here, for what writes large temporary files: they lie in the lab, and go with the process."""
        from aliquot.lab.scratch import scratch

        with self.open(quiet=quiet, why=why) as lab, scratch(lab.folder):
            yield lab

    def ask(self, here: "Callable[[Lab], T]", there: "There[T]") -> T:
        """Give what `here` finds in the lab's folder or, with a server, what `there` gets from it."""
        if self.server:
            return self._there(there)
        with self.open() as lab:
            return here(lab)

    def connect(self) -> "Client":
        """Open the connection to the server, with the token for it; whoever asks closes it."""
        from aliquot.cli.output import say
        from aliquot.remote.client import Client
        from aliquot.remote.credentials import origin_of, token_for

        if self.lab is not None:
            words = "Give either a lab's folder (--lab, ALIQUOT_LAB) or its server (--server, ALIQUOT_SERVER)."
            raise Invalid("server-and-lab", words)
        prepare_logs(quiet=True)
        origin = origin_of(self.server or "")
        return Client(origin, token_for(origin), notice=say)

    def steer(self, work: "Callable[[Connection, By], T]", there: "There[T] | None" = None) -> T:
        """Do `work` in a transaction that writes the lab's catalogue, as the person here; give what it gives.

        With a server, `there` does it.
        """
        if self.server and there:
            return self._there(there)
        with self.open() as lab:
            return lab.catalogue.repeat(lambda connection: work(connection, lab.by))

    def read(self, work: "Callable[[Connection], T]", there: "There[T] | None" = None) -> T:
        """Give what `work` reads from the lab's catalogue or, with a server, what `there` gets from it."""
        if self.server and there:
            return self._there(there)
        with self.open() as lab, lab.catalogue.read() as connection:
            return work(connection)

    def _there(self, there: "There[T]") -> T:
        with self.connect() as client:
            return there(client)

    def read_page(
        self, limit: int, work: "Callable[[Connection], Sequence[T]]", count: "Callable[[Connection], int]",
        there: "There[tuple[Sequence[T], int]] | None" = None,
    ) -> "tuple[Sequence[T], int]":  # fmt: skip
        """Give the lines that `work` reads, at most `limit`, and how many there are; counted only when it cut them.

        With a server, `there` gives both; -1 stands for more than are shown.
        """
        if self.server and there:
            return self._there(there)
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
