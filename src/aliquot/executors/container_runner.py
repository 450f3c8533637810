"""Running a command in a container of this machine."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from aliquot.executors.attempt import Attempt, AttemptFailed, Verdict
from aliquot.executors.captured import CapturedLog
from aliquot.executors.command import arguments, environment, task_mark
from aliquot.executors.conclusions import SIGNALLED, count_oom_kills, kernel_oom_verdict, spawn_verdict
from aliquot.executors.gauge import Gauge
from aliquot.executors.images import OWNER_LABEL, Image, Runtime, last_line
from aliquot.executors.note import Note
from aliquot.executors.order import Order
from aliquot.executors.process_runner import alone_verdict, lost, take_note
from aliquot.executors.slot import LeftSlot, ShepherdLost, Slot
from aliquot.executors.steps import Ended
from aliquot.executors.watch import Seen, Watch
from aliquot.executors.working_directory import WorkingDirectory
from aliquot.model.errors import AliquotError, Unavailable
from aliquot.model.task import Cause, TaskDocument, Usage

FOLDER = "/task"
"""Where a command finds its working directory in every container."""

_PIDS = 4096


class Containers:
    """What the attempts in containers of one runtime share: how to signal them, and how to say how they ended."""

    def __init__(self, runtime: Runtime, notes: Path, watch: Watch) -> None:
        self.runtime = runtime
        self.pid_file = notes / "container.pid"
        self._watch = watch

    def follow(
        self, attempt: Attempt, directory: WorkingDirectory, name: str, slot: Slot | LeftSlot, wait: Callable[[], Note]
    ) -> Ended:
        """Watch a container until `wait` says that its runtime's command has ended, and remove it."""
        with attempt.lock:
            attempt.stop = lambda number: self._signal(name, slot, number)
        gauge = Gauge(lambda: self._first_process(name))
        self._watch.add(attempt, directory, gauge, slot.since)
        wall = 0.0
        try:
            note = wait()
            take_note(attempt, note)
            wall = note.wall
        except ShepherdLost:
            self.runtime.remove_containers(name)
            attempt.check()
            raise lost() from None
        finally:
            with attempt.lock:
                attempt.stop = None
            seen = self._watch.remove(attempt)
            # The runtime removes the group a moment after its last process: this look often comes in time.
            gauge()
            attempt.usage = Usage(wall=wall, cpu=gauge.cpu, peak_memory=seen.peak)
        try:
            return self._conclude(name, note.exit_code or 0, attempt.document, gauge, seen, directory.stderr)
        finally:
            self.runtime.remove_containers(name)

    def _signal(self, name: str, slot: Slot | LeftSlot, number: int) -> None:
        if slot.since() is None:
            slot.signal(number)
            return
        # Fails while the container is being made; the watch asks again.
        self.runtime.ask("kill", f"--signal={signal.Signals(number).name}", name)

    def _first_process(self, name: str) -> int | None:
        with suppress(OSError, ValueError):
            return int(self.pid_file.read_text())
        if self.runtime.name == "podman":
            return None
        state = self.runtime.inspect_container(name)
        pid = state.get("Pid") if state else None
        return pid if isinstance(pid, int) and pid > 0 else None

    def _conclude(
        self, name: str, code: int, document: TaskDocument, gauge: Gauge, seen: Seen, stderr: CapturedLog
    ) -> Ended:
        if gauge.oom_kills:
            return Ended(code, _out_of_memory(document))
        limit = document.resources.memory
        if code == 0:
            # The group is gone by now, and a kill after the last look at its counter is known to the runtime, if to
            # anyone. To ask takes long: only where the kernel has killed somebody meanwhile.
            suspicious = limit is not None and (seen.oom_kills is None or count_oom_kills() > seen.oom_kills)
            state = self.runtime.inspect_container(name) if suspicious else None
            killed = state is not None and state.get("OOMKilled") is True
            return Ended(0, _out_of_memory(document) if killed else None, gone=True)
        state = self.runtime.inspect_container(name)
        if not _has_started(state):
            return Ended(code, self._not_started(code, stderr))
        assert state is not None
        # Not every runtime notices on every system that the kernel has killed for want of memory. A SIGKILL under a
        # limit of memory that nobody here sent is taken for it.
        if state.get("OOMKilled") is True or (code == SIGNALLED + signal.SIGKILL and limit is not None):
            return Ended(code, _out_of_memory(document))
        return Ended(code, kernel_oom_verdict(code, seen.oom_kills))

    def _not_started(self, code: int, stderr: CapturedLog) -> Verdict:
        reason = last_line(stderr.last_lines())
        if code in {126, 127}:
            return Verdict(
                Cause.USER,
                f"The container could not start its command: {reason}. Correct the command, or choose an image "
                f"that has it.",
            )
        return Verdict(Cause.REFUSED, f"{self.runtime.name} could not start the container: {reason}.")


class ContainerRunner:
    """Runs commands in containers that see one working directory, one after the other."""

    def __init__(self, containers: Containers, slot: Slot, owner: str) -> None:
        self._containers = containers
        self._runtime = containers.runtime
        self._slot = slot
        self._owner = owner

    def run(self, attempt: Attempt, directory: WorkingDirectory) -> Ended:
        """Run the command in a container, and remove the container."""
        document = attempt.document
        image = self._image(document)
        attempt.image_digest = image.digest
        values = environment(document, FOLDER, None, self._owner)
        name = f"aliquot-{self._owner}-{task_mark(document)}"
        argv = self._arguments(name, document, image, values, directory.folder)
        self._containers.pid_file.unlink(missing_ok=True)
        attempt.check()
        undo = (self._runtime.program, *self._runtime.removal(name))
        order = Order(document, self._runtime.program, argv, dict(os.environ), name, image.digest, undo)
        try:
            return self._containers.follow(attempt, directory, name, self._slot, lambda: self._slot.run(order).note)
        except OSError as error:
            attempt.check()
            verdict = spawn_verdict(error, self._runtime.name)
            raise AttemptFailed(verdict.cause, verdict.message, may_pass=verdict.may_pass) from error

    def clear(self) -> None:
        """Note that what the command has left was collected."""
        self._slot.clear()

    def close(self) -> None:
        """Let go of what was prepared."""
        self._slot.close()

    def _image(self, document: TaskDocument) -> Image:
        if document.image is None:
            raise AttemptFailed(
                Cause.REFUSED,
                "The step names no image, but this lab runs commands in containers. Name one in the pipeline, or "
                "set executor: process in aliquot.yaml.",
            )
        try:
            return self._runtime.image(document.image)
        except AliquotError as error:
            may_pass = isinstance(error, Unavailable)
            raise AttemptFailed(Cause.REFUSED, error.message, may_pass=may_pass) from error

    def _arguments(
        self, name: str, document: TaskDocument, image: Image, values: dict[str, str], folder: str
    ) -> list[str]:
        limits = document.resources
        argv = [self._runtime.program, "run", f"--name={name}", "--pull=never", "--log-driver=none"]
        argv += [f"--label={OWNER_LABEL}={self._owner}", f"--label=aliquot.task={task_mark(document)}"]
        argv += ["--security-opt=no-new-privileges", "--security-opt=label=disable", f"--pids-limit={_PIDS}"]
        argv += self._runtime.user_options()
        if not document.network:
            argv.append("--network=none")
        if self._runtime.name == "podman":
            argv.append(f"--pidfile={self._containers.pid_file}")
        argv.append(f"--cpus={min(limits.cpus, os.cpu_count() or 1):g}")
        if limits.memory is not None:
            argv += [f"--memory={limits.memory}b", f"--memory-swap={limits.memory}b"]
        argv += [f"--workdir={FOLDER}", "--mount", _mount(folder, FOLDER)]
        argv += ["--mount", _mount(f"{folder}/in", f"{FOLDER}/in", "readonly")]
        argv += ["--mount", _mount(f"{folder}/bundle", f"{FOLDER}/bundle", "readonly")]
        argv += [f"--env={variable}={value}" for variable, value in values.items()]
        program, *rest = arguments(document.command, values)
        return [*argv, f"--entrypoint={program}", image.reference, *rest]


class LeftContainer:
    """Watches a container on whose supervisor is gone."""

    def __init__(self, containers: Containers, slot: LeftSlot) -> None:
        self._containers = containers
        self._slot = slot

    def run(self, attempt: Attempt, directory: WorkingDirectory) -> Ended:
        """Wait for the container's end under the limits of its document, and remove it."""
        note = self._slot.note()
        if note is None:
            raise lost()
        attempt.image_digest = note.image
        ended = self._containers.follow(attempt, directory, note.name, self._slot, self._slot.wait)
        note = self._slot.note() or note
        if note.ended_for or ended.verdict is None:
            return Ended(ended.exit_code, alone_verdict(attempt, note) or ended.verdict)
        return ended

    def clear(self) -> None:
        """Leave the note: who lets go of the place removes it."""

    def close(self) -> None:
        """Let go of the slot."""
        self._slot.close()


def _out_of_memory(document: TaskDocument) -> Verdict:
    limit = document.resources.memory
    allowed = f" {limit / 2**20:.0f} MiB" if limit is not None else ""
    return Verdict(
        Cause.OOM,
        f"The container needed more memory than the{allowed} that it may use, and the kernel killed it or a part of "
        f"it. Raise the step's resources.memory.",
    )


def _has_started(state: dict[str, object] | None) -> bool:
    if state is None:
        return False
    started = state.get("StartedAt")
    return state.get("Status") != "created" and isinstance(started, str) and not started.startswith("0001-")


def _mount(source: str, target: str, *options: str) -> str:
    """Write a mount as the comma-separated value that both runtimes read, quoted where a path needs it."""
    fields = ["type=bind", f"source={source}", f"target={target}", *options]
    return ",".join(f'"{each.replace(chr(34), chr(34) * 2)}"' if set(each) & {",", '"'} else each for each in fields)
