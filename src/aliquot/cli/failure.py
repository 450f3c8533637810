"""The one place where errors become a sentence on stderr and an exit code."""

import os
import re
import sys
import time
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aliquot.cli.text import as_json, plain, plain_lines
from aliquot.model.errors import AliquotError, Invalid

if TYPE_CHECKING:
    from cyclopts import CycloptsError

OUR_FAULT = 70
STOPPED = 130


@dataclass(slots=True)
class End:
    """How a command ended."""

    code: int = 0


@contextmanager
def ends(words: Sequence[str]) -> Generator[End]:
    """Turn whatever is raised into an exit code: the family's, 130 for Ctrl-C, 70 for a fault of ours."""
    from cyclopts import CycloptsError

    end = End()
    try:
        yield end
        # What is still to be written must not fail after this, when the interpreter ends.
        sys.stdout.flush()
    except AliquotError as error:
        end.code = error.exit_code
        _tell(error, words)
    except CycloptsError as error:
        usage = Invalid("usage", _usage(error), command=" ".join(error.command_chain or ()))
        end.code = usage.exit_code
        _tell(usage, words)
    except KeyboardInterrupt:
        end.code = STOPPED
        sys.stderr.write("stopped\n")
    except BrokenPipeError:
        # Whoever read has gone, as `head` does; nothing is wrong with what was read.
        _let_go_of_stdout()
    except Exception as error:  # noqa: BLE001  # the last place: a trace is for the log, not for the person
        end.code = OUR_FAULT
        _tell_our_fault(error)


def _usage(error: "CycloptsError") -> str:
    """Say what is wrong with a command line, in words for people who do not know Python's types."""
    from cyclopts import CoercionError, UnusedCliTokensError

    if isinstance(error, UnusedCliTokensError):
        several = error.unused_tokens or []
        return f"There is no place for {' '.join(map(repr, several))} in this command."
    said = str(error).strip()
    if isinstance(error, CoercionError):
        for kind, words in (("int", "a whole number, such as 3"), ("float", "a number, such as 0.5")):
            said = re.sub(rf'unable to convert ("[^"]*") into {kind}\.', rf"\1 is not {words}.", said)
    return said


def _tell(error: AliquotError, words: Sequence[str]) -> None:
    if "--json" in words:
        sys.stderr.write(as_json(error.document()) + "\n")
        return
    from rich.text import Text

    from aliquot.cli.output import say, stderr

    sentence, *lines = plain_lines(error.message).split("\n")
    say(Text.assemble(("error: ", "bold red"), sentence, (f"  [{error.code}]", "dim")))
    for each in lines:
        stderr().print(_placed(each), soft_wrap=True)
    if error.code == "usage" and (command := error.facts.get("command")) is not None:
        say(Text(f"Try: {' '.join(['aliquot', *str(command).split()])} --help", style="dim"))


def _placed(text: str) -> "object":
    """Set off `file:line:column` at the beginning of a line."""
    from rich.text import Text

    place, sign, rest = text.partition(": ")
    if sign and place.rpartition(":")[2].isdigit():
        return Text.assemble("  ", (place, "cyan"), sign, rest)
    return Text("  " + text)


def _tell_our_fault(error: Exception) -> None:
    trace = "".join(traceback.format_exception(error))
    if os.environ.get("ALIQUOT_DEBUG") == "1":
        sys.stderr.write(trace)
    where = _write_trace(trace)
    said = plain(f"{type(error).__name__}: {error}")
    sys.stderr.write(
        f"error: this is a fault of Aliquot, not yours ({said}). "
        + (f"The trace is in {where}." if where else "Set ALIQUOT_DEBUG=1 to see the trace.")
        + "\n"
    )


def _write_trace(trace: str) -> Path | None:
    """Write a trace into the lab's log folder, if there is a lab."""
    with suppress(AliquotError, OSError):
        from aliquot.lab.lab import STATE, find_folder

        folder = find_folder() / STATE / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.txt"
        path.write_text(trace, encoding="utf-8", errors="backslashreplace")
        return path
    return None


def _let_go_of_stdout() -> None:
    # The interpreter flushes stdout at its end; there must be something that takes it.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
