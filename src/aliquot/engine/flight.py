"""Attempts under way, as their supervisor knows them."""

from dataclasses import dataclass

from aliquot.engine.document import Command, TaskRow
from aliquot.model.seams import Executor, Handle


@dataclass(slots=True)
class Flight:
    """An attempt that was submitted. `recorded` says that its row is in the catalogue."""

    row: TaskRow
    command: Command
    executor: Executor
    handle: Handle
    submitted_at: float
    recorded: bool = False
    canceled: bool = False
