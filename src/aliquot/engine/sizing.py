"""`resources: auto`: asking for what similar datums of the same step needed.

Similar are the up to 50 attempts that succeeded and whose inputs are nearest in size, from a quarter to four times as
large. Asked for is what 95 of 100 of them needed, and a third more, in steps of 64 MiB and 256 MiB at least. A datum
larger than any seen so far is taken to need more in proportion. Nothing less than double is asked for where an attempt
at a datum of that size, or a smaller one, ran out of memory. As long as fewer than three are known, 1 GiB is asked for.

What is asked for does not enter the key.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from aliquot.engine.advise import attempts_of, memory_for, quantile
from aliquot.model.pipeline import AUTO, StepResources
from aliquot.model.state import State
from aliquot.model.task import Cause, Resources

FIRST_MEMORY = 2**30
"""Bytes of memory that are asked for before anything is known."""
_MOST = 2_000
_NEAREST = 50
_NEAR = 4.0
_FEW = 3
_FRESH = 2.0


@dataclass(frozen=True, slots=True)
class Needed:
    """What one attempt needed: its input in bytes, its memory at the peak, and how many processors it kept busy."""

    input_bytes: int
    memory: int
    cpus: float


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that ran out of memory: its input and what it was given, in bytes."""

    input_bytes: int
    memory: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is known of the attempts of a step, by `of`."""

    needed: Sequence[Needed] = ()
    failed: Sequence[Failed] = ()

    def resources(self, asked: StepResources, input_bytes: int) -> Resources:
        """Give what a task with so many bytes of input may use; fields that are not `auto` stay as they are."""
        memory = self.memory(input_bytes) if asked.memory == AUTO else asked.memory
        cpus = self.cpus(input_bytes) if asked.cpus == AUTO else asked.cpus
        return Resources(float(cpus), None if memory is None else int(memory), asked.disk, asked.time)

    def memory(self, input_bytes: int) -> int:
        """Give the memory to ask for, in bytes."""
        near = self._near(input_bytes)
        asked = FIRST_MEMORY
        if near:
            most = quantile(sorted(each.memory for each in near), 0.95)
            largest = max(each.input_bytes for each in near)
            asked = memory_for(most * max(1.0, input_bytes / max(1, largest)))
        lacked = [2 * each.memory for each in self.failed if each.input_bytes <= input_bytes * 1.1 + 1]
        return max(asked, *lacked, 0)

    def cpus(self, input_bytes: int) -> float:
        """Give the processors to ask for: as many as 95 of 100 kept busy, rounded up."""
        near = self._near(input_bytes)
        return float(max(1, math.ceil(quantile(sorted(each.cpus for each in near), 0.95) - 0.1))) if near else 1.0

    def _near(self, input_bytes: int) -> list[Needed]:
        def distance(each: Needed) -> float:
            return abs(math.log((each.input_bytes + 1) / (input_bytes + 1)))

        ordered = sorted(self.needed, key=distance)[:_NEAREST]
        near = [each for each in ordered if distance(each) <= math.log(_NEAR)]
        if len(near) >= _FEW:
            return near
        # Nothing of its size is known: what is nearest says more than nothing does.
        return ordered if len(ordered) >= _FEW else []


UNKNOWN = Sizes()
"""Nothing is known, or nothing has to be."""


def sizes_of(connection: Connection, pipeline: str, step: str) -> Sizes:
    """Read what the latest attempts of a step needed."""
    rows = [row for row in attempts_of(connection, pipeline, step, _MOST) if row.input_bytes is not None]
    return Sizes(
        [
            Needed(row.input_bytes, row.peak_memory, row.cpu / row.wall if row.wall else 0.0)
            for row in rows
            if row.state == State.COMPLETE and row.peak_memory
        ],
        [Failed(row.input_bytes, int((row.asked or {}).get("memory") or 0)) for row in rows if row.cause == Cause.OOM],
    )


class Learner:
    """Keeps what is known of steps, and reads it again when it may have changed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, Sizes]] = {}

    def sizes(self, connection: Connection, pipeline: str, step: str, *, anew: bool = False) -> Sizes:
        """Give what is known of a step; `anew` because an attempt at the datum has just failed."""
        found = self._known.get((pipeline, step))
        if found is None or anew or time.monotonic() - found[0] > _FRESH:
            found = (time.monotonic(), sizes_of(connection, pipeline, step))
            self._known[pipeline, step] = found
        return found[1]
