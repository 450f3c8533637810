"""Why a task ran or was skipped: which parts of its key differ from the nearest earlier task's."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from aliquot.db.tables import key_input, result, run, run_step, task
from aliquot.engine.control import find_task

_LOOK_BACK = 200
_INPUT = "input "

TaskRow = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class PartDifference:
    """Something that decides a result and differs: what it is, and its value then and now (None: not there)."""

    part: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a task ran or was skipped. `nearest` names the earlier task compared with, as `run/step/ordinal`."""

    task: str
    action: str
    text: str
    nearest: str | None = None
    differences: tuple[PartDifference, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the reason as JSON."""
        return {
            "task": self.task,
            "action": self.action,
            "reason": self.text,
            "nearest": self.nearest,
            "differences": [{"part": d.part, "before": d.before, "after": d.after} for d in self.differences],
        }


def why(connection: Connection, run_id: int, name: str, projects: Collection[str] | None = None) -> Reason:
    """Explain one task of a run; `projects` are those whose tasks may be named, None: all."""
    row = find_task(connection, run_id, name)
    own = f"{row.run_id}/{row.step}/{row.ordinal}"
    if row.same_as:
        failed = connection.execute(_tasks_of(projects).where(task.c.id == row.same_as)).first()
        if failed is None:
            return Reason(own, "park", "parked, unchanged: a task of another project failed at the same work")
        there = f"{failed.run_id}/{failed.step}/{failed.ordinal}"
        text = f"parked since run {failed.run_id}, unchanged: task {there} failed at the same work"
        return Reason(own, "park", text, there)
    if row.reused:
        made = connection.execute(
            _tasks_of(projects).join(result, result.c.task_id == task.c.id).where(result.c.key == row.key)
        ).first()
        if made is None and projects is not None:
            words = "a task of another project has done the same work: every part of the key is equal"
            return Reason(own, "skip", words)
        maker = f"{made.run_id}/{made.step}/{made.ordinal}" if made else None
        return Reason(own, "skip", f"task {maker} has done the same work: every part of the key is equal", maker)
    earlier, shared = _nearest(connection, row, projects)
    if earlier is None:
        return Reason(own, "run", "no earlier task of this step worked on anything like it: it is new")
    differing = differences(_parts(connection, earlier), _parts(connection, row))
    there = f"{earlier.run_id}/{earlier.step}/{earlier.ordinal}"
    if not differing:
        return Reason(own, "run", f"task {there} has an equal key, but did not succeed ({earlier.state})", there)
    if shared:
        text = f"compared with task {there}, which worked on the same datum, these differ: {_listed(differing)}"
        return Reason(own, "run", text, there, differing)
    # Of another datum the inputs differ by nature; what else differs would have made it run again as well.
    beside = tuple(each for each in differing if not each.part.startswith(_INPUT))
    text = "its datum is new: no earlier task of this step worked on the same files"
    if beside:
        text += f"; and compared with task {there}, the latest of this step, these differ: {_listed(beside)}"
    return Reason(own, "run", text, there if beside else None, beside)


def _listed(differing: Sequence[PartDifference]) -> str:
    return ", ".join(dict.fromkeys(each.part for each in differing))


def _tasks_of(projects: Collection[str] | None) -> Select[*tuple[Any, ...]]:
    query = select(task).join(run, run.c.id == task.c.run_id)
    return query if projects is None else query.where(run.c.project.in_(projects))


def _nearest(
    connection: Connection, row: TaskRow, projects: Collection[str] | None
) -> tuple[TaskRow | None, bool]:  # fmt: skip
    """Find the earlier task of the same pipeline and step that is most alike: same datum first, then the latest."""
    pipeline = select(run.c.pipeline).where(run.c.id == row.run_id).scalar_subquery()
    candidates = connection.execute(
        _tasks_of(projects)
        .where(run.c.pipeline == pipeline, task.c.step == row.step, task.c.run_id < row.run_id)
        .order_by(task.c.run_id.desc(), task.c.ordinal)
    )
    latest: TaskRow | None = None
    matched = {name: part[:2] for name, part in row.datum["parts"].items()}
    seen: set[int] = set()
    for candidate in candidates:
        seen.add(candidate.run_id)
        if len(seen) > _LOOK_BACK:
            break
        latest = latest or candidate
        if {name: part[:2] for name, part in candidate.datum["parts"].items()} == matched:
            return candidate, True
    return latest, False


def _parts(connection: Connection, row: TaskRow) -> dict[str, Any]:
    common = connection.execute(
        select(run_step.c.parts).where(run_step.c.run_id == row.run_id, run_step.c.step == row.step)
    ).scalar_one()
    flat: dict[str, Any] = {"command": common["command"], "image or environment": common["environment"]}
    flat["network"] = common.get("network", False)
    flat["ensure"] = common.get("ensure")
    flat |= {f"code {path}": digest for path, digest in common["code"].items()}
    flat |= {f"parameter {name}": value for name, value in common["parameters"].items()}
    flat |= {f"export {name}": value for name, value in row.datum["exports"].items()}
    inputs = connection.execute(select(key_input).where(key_input.c.key == row.key))
    flat |= {f"{_INPUT}{each.input} {each.path}": each.digest for each in inputs}
    return flat


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[PartDifference, ...]:
    """List the parts whose values differ, those of `after` first."""
    names = [*after, *(name for name in before if name not in after)]
    return tuple(
        PartDifference(name, before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)
    )
