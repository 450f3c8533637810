"""From an exit code to a sentence."""

import os
import signal
from pathlib import Path

from aliquot.executors.attempt import Verdict
from aliquot.model.errors import AliquotError, Unavailable
from aliquot.model.task import Cause

SIGNALLED = 128
_ALMOST_FULL = 1024 * 1024


def exit_verdict(code: int, folder: str, *, printed: bool = True) -> Verdict | None:
    """Say why a command has failed, by its exit code as a shell gives it: 128 and the number for a signal."""
    if code == 0:
        return None
    if _disk_full(folder):
        return Verdict(Cause.OURS, disk_full(folder), may_pass=True)
    if code == 127:
        sentence = (
            "The command ended with exit code 127: a program that it names was not found. "
            "Install it where the executor runs, or correct the name."
        )
    elif code == 126:
        sentence = (
            "The command ended with exit code 126: a file that it names is no program or may not be executed. "
            "Set its execute permission, or start it through its interpreter."
        )
    elif code > SIGNALLED and (name := signal_name(code - SIGNALLED)):
        sentence = f"The command was ended by {name} (exit code {code}), which Aliquot did not send."
        if name == "SIGKILL":
            sentence += " If the machine was short of memory, set the step's resources.memory."
    else:
        more = "; its last lines say more." if printed else " and has printed nothing."
        sentence = f"The command ended with exit code {code}{more}"
    return Verdict(Cause.USER, sentence)


def count_oom_kills() -> int:
    """Say how many processes the kernel has killed for want of memory since the machine started."""
    try:
        text = Path("/proc/vmstat").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)


def kernel_oom_verdict(code: int, kills_before: int | None) -> Verdict | None:
    """Say that the kernel killed the command for want of memory, when it has killed somebody meanwhile."""
    if code != SIGNALLED + signal.SIGKILL or kills_before is None or count_oom_kills() <= kills_before:
        return None
    return Verdict(
        Cause.OOM,
        "The machine ran out of memory and its kernel killed the command. Give the step a resources.memory that "
        "says what it needs, or run fewer tasks at once.",
    )


def spawn_verdict(error: OSError, program: str) -> Verdict:
    """Say why a program could not be started."""
    name = error.strerror or str(error)
    advice = "Correct the step's command."
    match error.errno:
        case 2:
            advice = "It, or the interpreter that its first line names, is not there: correct the name or install it."
        case 7:
            advice = "The command and its environment are larger than this system allows: put large values in a file."
        case 8:
            advice = "It is no program of this system; a script needs a first line like #!/bin/sh."
        case 13:
            advice = "Set its execute permission, or start it through its interpreter."
        case 11 | 12:
            message = f"{program} could not be started: {name}. The machine is short of memory."
            return Verdict(Cause.OURS, message, may_pass=True)
        case 28 | 122:
            message = f"{program} could not be started: {name}. Free some space; the attempt is made again by itself."
            return Verdict(Cause.OURS, message, may_pass=True)
        case _:
            pass
    return Verdict(Cause.USER, f"{program} could not be started: {name}. {advice}")


def system_verdict(error: OSError, folder: str) -> Verdict:
    """Say what stood in the way of preparing or collecting an attempt."""
    if error.errno in {28, 122}:
        return Verdict(Cause.OURS, disk_full(folder), may_pass=True)
    return Verdict(
        Cause.OURS,
        f"The attempt could not be prepared or collected on this machine: {error}. Look at the machine, then "
        f"run again.",
    )


def fault_verdict(error: Exception, folder: str) -> Verdict:
    """Say what went wrong in Aliquot itself, or on the machine below it."""
    if isinstance(error, AliquotError):
        return Verdict(Cause.OURS, error.message, isinstance(error, Unavailable))
    if isinstance(error, OSError):
        return system_verdict(error, folder)
    return Verdict(Cause.OURS, f"A fault of Aliquot: {type(error).__name__}: {error}. Report it.")


def disk_full(folder: str) -> str:
    """Say that the disk below a folder is full."""
    return f"The disk that holds {folder} is full. Free some space there; the attempt is made again by itself."


def signal_name(number: int) -> str | None:
    """Give a signal's name, None when there is none of that number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return None


def _disk_full(folder: str) -> bool:
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < _ALMOST_FULL
