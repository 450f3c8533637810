"""Who may do what: the one table that pages, API and command line read. What it does not list, nobody may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple

from aliquot.model.reference import DEFAULT_PROJECT

__all__ = ["ALL", "DEFAULT_PROJECT", "EVERYWHERE", "NEVER", "NOTHING", "RIGHTS", "Reach", "Right", "Rights", "Role"]

EVERYWHERE = "*"
"""Stands for all projects where a person's roles are written down."""


class Role(StrEnum):
    """What a person is in a project; each may do what those before it may."""

    VIEWER = "viewer"
    TECHNICIAN = "technician"
    SCIENTIST = "scientist"
    ADMINISTRATOR = "administrator"


Reach = Literal["project", "lab", "self"]
"""Where a role must be held: in the project of what is touched; in all projects, because all of the lab is touched;
or anywhere, because only what is a person's own is touched."""


class Right(NamedTuple):
    """A row of the table: what may be done, where the role must be held, and the least role that may do it."""

    action: str
    reach: Reach
    least: Role
    text: str

    @property
    def roles(self) -> tuple[Role, ...]:
        """Give the roles that may do it."""
        order = list(Role)
        return tuple(order[order.index(self.least) :])


_VIEWER, _TECHNICIAN, _SCIENTIST, _ADMINISTRATOR = Role

# fmt: off
RIGHTS: Mapping[str, Right] = {each.action: each for each in (
    Right("home.read",           "self",    _VIEWER,        "see the front page, with what one may see"),
    Right("account.own",         "self",    _VIEWER,        "one's own password, sessions and tokens"),

    Right("dataset.read",        "project", _VIEWER,        "see and download versions and files; lineage"),
    Right("receipt.read",        "project", _VIEWER,        "see what arrived and what became of it"),
    Right("quarantine.read",     "project", _VIEWER,        "see what was refused, with its findings; download it"),
    Right("pipeline.read",       "project", _VIEWER,        "see pipelines, their versions, and what a run would do"),
    Right("run.read",            "project", _VIEWER,        "see runs, tasks, logs and outputs; compare; ask why"),
    Right("table.read",          "project", _VIEWER,        "see the tables that a project's pipelines load"),
    Right("record.read",         "project", _VIEWER,        "see records and parameter sets"),
    Right("source.read",         "project", _VIEWER,        "see sources, and what they wait for"),

    Right("source.wake",         "project", _TECHNICIAN,    "have sources looked at now, also by events"),
    Right("dataset.ingest",      "project", _TECHNICIAN,    "upload files into a dataset, with their description"),
    Right("run.start",           "project", _TECHNICIAN,    "start runs; repeat them; make files again"),
    Right("run.retry",           "project", _TECHNICIAN,    "try again what is parked"),
    Right("run.cancel",          "project", _TECHNICIAN,    "cancel, pause and resume runs"),
    Right("record.write",        "project", _TECHNICIAN,    "write records and parameter sets"),
    Right("quarantine.assign",   "project", _TECHNICIAN,    "say who shall decide about refused files"),
    Right("quarantine.resubmit", "project", _TECHNICIAN,    "give corrected files in the place of refused ones"),

    Right("run.publish",         "project", _SCIENTIST,     "let a run publish versions and load tables"),
    Right("run.prioritise",      "project", _SCIENTIST,     "let a run's tasks start before others"),
    Right("dataset.tag",         "project", _SCIENTIST,     "set, move and remove tags"),
    Right("dataset.remove",      "project", _SCIENTIST,     "commit versions without certain files"),
    Right("quarantine.release",  "project", _SCIENTIST,     "let refused files in after all"),
    Right("quarantine.reject",   "project", _SCIENTIST,     "keep refused files out for good"),
    Right("approval.read",       "project", _SCIENTIST,     "see what waits for a second person; take back one's own"),
    Right("approval.give",       "project", _SCIENTIST,     "sign what another person asked for"),
    Right("hub.query",           "lab",     _SCIENTIST,     "ask the hub's tables of all projects in SQL"),

    # The commands of a pipeline run as the user that Aliquot runs as: who publishes one could read all of the lab.
    Right("pipeline.publish",    "lab",     _ADMINISTRATOR, "register pipelines, file types, record types"),
    Right("dataset.move",        "lab",     _ADMINISTRATOR, "move a dataset to another project"),
    Right("people.manage",       "lab",     _ADMINISTRATOR, "accounts, roles, sessions and tokens of others"),
    Right("audit.read",          "lab",     _ADMINISTRATOR, "read, search, verify and export the audit"),
    Right("lab.read",            "lab",     _ADMINISTRATOR, "see settings, executors, storage and health"),
    Right("lab.verify",          "lab",     _ADMINISTRATOR, "read all bytes again"),
    Right("lab.sweep",           "lab",     _ADMINISTRATOR, "remove bytes that nothing needs any more"),
)}
# fmt: on


NEVER = frozenset({"account.own", "people.manage", "approval.give"})
"""What no token may do: a program that could make tokens and accounts could keep itself alive for ever."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What one person, or one token of theirs, may do.

    `roles` gives the role by project, with `EVERYWHERE` for all. A token narrows that: to the actions of `scope` and to
    the project `only`; None leaves them as they are.
    """

    roles: Mapping[str, Role]
    scope: frozenset[str] | None = None
    only: str | None = None

    def role_in(self, project: str) -> Role | None:
        """Give the higher of the roles that are held in the project and everywhere; None: no role."""
        held = [self.roles[each] for each in (project, EVERYWHERE) if each in self.roles]
        return max(held, key=list(Role).index, default=None)

    def sees(self, project: str) -> bool:
        """Say whether they have a role in the project: who has none is not told what is there."""
        return self.only in (None, project) and self.role_in(project) is not None

    def allow(self, action: str, project: str = DEFAULT_PROJECT) -> bool:
        """Say whether the action may be done on what belongs to the project; an unknown action never may."""
        right = RIGHTS.get(action)
        if right is None or (self.scope is not None and action not in self.scope):
            return False
        if right.reach == "self":
            return any(role in right.roles for role in self.roles.values())
        if right.reach == "lab":
            return self.only is None and self.roles.get(EVERYWHERE) in right.roles
        return self.only in (None, project) and self.role_in(project) in right.roles

    def projects(self, action: str) -> frozenset[str] | None:
        """Give the projects in which the action may be done, for lists; None: in all of them."""
        if self.allow(action, EVERYWHERE):
            return None
        named = {self.only} if self.only else set(self.roles)
        return frozenset(each for each in named - {EVERYWHERE} if self.allow(action, each))


ALL = Rights({EVERYWHERE: Role.ADMINISTRATOR})
"""What an administrator may do, and whoever works in the lab's folder itself."""

NOTHING = Rights({})
"""What somebody may do who is not known."""
