"""Pages whose commands are run: what is shown in ```console blocks is what really happens.

A line that begins with `$ ` is a command, the lines with `> ` below it belong to it, the rest is what it prints. A
command ends with 0 unless it says otherwise in a remark (`# exits 1: …`). A comment `<!-- run … -->` holds commands
that are run without being shown. A page begins in an empty folder, which it calls /home/ana.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HOME = "/home/ana"
_BLOCK = re.compile(r"^```console\n(?P<shown>.*?)^```$|^<!-- run\n(?P<hidden>.*?)^-->$", re.MULTILINE | re.DOTALL)
_EXITS = re.compile(r"# exits (\d+)")
_CHANGING = (
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)?( \([^)]*\))?"), "TIME"),
    (re.compile(r"\bjust now\b|\b\d+ (s|min) ago\b"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min)\b"), "SPAN"),
    (re.compile(r"\b\d+(\.\d+)? (KiB|MiB|GiB)(/s)?"), "SIZE"),
    # A command that ends at once leaves no time to see its memory.
    (re.compile(r"\bSPAN, SIZE"), "SPAN"),
    # What a version's list of changes takes depends on the times in it.
    (re.compile(r"\bblobs, \d+ B\b"), "blobs, SIZE"),
    (re.compile(r"\b[0-9a-f]{6,64}\b"), "DIGEST"),
    (re.compile(r"[ \t\u2500]+"), " "),
)
# Whether a command still sees a file settle depends on how long after the file it was typed.
_BY_CHANCE = re.compile(r"\bwaits until it has not changed for\b")


@dataclass(slots=True)
class Command:
    """A command as it was typed, what it must end with, and the lines that the page says it prints."""

    text: str
    exits: int
    shown: bool
    lines: list[str] = field(default_factory=list[str])


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed, with the folder of the session called /home/ana."""

    code: int
    lines: list[str]


class Session:
    """A shell that keeps its folder from one command to the next."""

    def __init__(self, folder: Path) -> None:
        self._root = folder.resolve()
        self._here = self._root
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {
            "PATH": path,
            "HOME": str(self._root),
            "USER": "ana",
            "ALIQUOT_USER": "ana",
            "COLUMNS": "100",
            "LANG": "C.UTF-8",
            "TZ": "UTC",
            # Talk and results in the order in which they are written, as on a terminal.
            "PYTHONUNBUFFERED": "1",
            "TMPDIR": tempfile.gettempdir(),
        }

    def run(self, text: str) -> Ended:
        """Run one command."""
        with tempfile.NamedTemporaryFile("r") as place:
            script = f"{text}\ncode=$?\npwd > {place.name}\nexit $code\n"
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=self._here,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=300,
                check=False,
            )
            self._here = Path(place.read().strip() or self._here)
        said = done.stdout.replace(str(self._root), HOME)
        return Ended(done.returncode, [line.rstrip() for line in said.rstrip("\n").split("\n")] if said.strip() else [])


def commands(page: str) -> Iterator[Command]:
    """List the commands of a page, in order."""
    for block in _BLOCK.finditer(page):
        yield from _of_block(block["shown"] or block["hidden"], shown=block["hidden"] is None)


def _of_block(text: str, *, shown: bool) -> Iterator[Command]:
    command: Command | None = None
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command
            exits = _EXITS.search(line)
            command = Command(line[2:], int(exits[1]) if exits else 0, shown)
        elif command and (line == ">" or line.startswith("> ")) and not command.lines:
            command.text += "\n" + line[2:]
        elif command:
            command.lines.append(line)
    if command:
        yield command


def unchanging(lines: list[str]) -> list[str]:
    """Give what of a command's lines is the same every time: without times, spans, sizes, digests and waits, sorted."""
    kept: list[str] = []
    for line in lines:
        if _BY_CHANCE.search(line):
            continue
        for pattern, word in _CHANGING:
            line = pattern.sub(word, line)
        if line.strip():
            kept.append(line.strip())
    return sorted(kept)


def refreshed(page: str, folder: Path) -> str:
    """Give a page with what its commands print now."""
    session = Session(folder)

    def run(block: "re.Match[str]") -> str:
        parts: list[str] = []
        for command in _of_block(block["shown"] or block["hidden"], shown=block["hidden"] is None):
            ended = session.run(command.text)
            if ended.code != command.exits:
                said = "\n".join(ended.lines)
                raise SystemExit(f"{command.text}\nended with {ended.code}, not {command.exits}:\n{said}")
            if not command.shown:
                continue
            first, *rest = command.text.split("\n")
            if parts and not parts[-1].startswith("$ "):
                parts.append("")
            parts += [f"$ {first}", *(f"> {line}".rstrip() for line in rest), *ended.lines]
        return block[0] if block["hidden"] is not None else "```console\n" + "\n".join(parts) + "\n```"

    return _BLOCK.sub(run, page)
