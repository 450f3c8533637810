"""Commands for `sh -c` that need no shell: one program, with words that are plain or quoted, is started by itself.

A shell takes about as long to start as a small program does. It is left out where the system's shell is dash, of which
it is known what it hands on, and where every word means the same to it and to us.
"""

import os
import re
import shutil
import time
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import NamedTuple

_KNOWN_SHELL = "dash"
_WORD = re.compile(
    r"""(?P<plain>[A-Za-z0-9_@%+,./:=-]+)"""
    r"""|'(?P<single>[^'\0]*)'"""
    r"""|"(?P<double>(?:[^"$`\\\0]|\$[A-Za-z_][A-Za-z0-9_]*|\$\{[A-Za-z_][A-Za-z0-9_]*\})*)\""""
    r"""|(?P<space>[ \t]+)"""
)
_VALUE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_OWN = """
! { } case do done elif else esac fi for function if in select then time until while [[ ]]
. : [ alias bg bind break builtin caller cd chdir command compgen complete continue declare dirs disown echo enable
eval exec exit export false fc fg getopts hash help history jobs kill let local logout mapfile popd printf pushd pwd
read readarray readonly return set shift shopt source suspend test times trap true type typeset ulimit umask unalias
unset wait
"""
"""Words that mean something to a shell itself, first in a command: POSIX.1-2017, XCU 2.4, 2.9.1, 2.14, and what dash
and other shells add.
"""

_SPECIAL = "ENV HISTSIZE IFS LINENO MAIL MAILCHECK MAILPATH OLDPWD OPTIND PPID PS1 PS2 PS4 PWD TERM"
"""Variables that a shell does not hand on as they were given, or that change how it takes commands."""

_OWN_WORDS = frozenset(_OWN.split())
_SPECIAL_NAMES = frozenset(_SPECIAL.split())
_KNOWN_FOR = 1.0
"""Seconds for which a program that was found is not looked for again."""

Word = tuple[tuple[str, bool], ...]
"""The parts of a word: a text, or the name of a variable (True)."""


class Start(NamedTuple):
    """A program's file, and its arguments with its name."""

    program: str
    arguments: list[str]


class ShellFree:
    """Says of one command after the other how it can be started without a shell."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], tuple[float, str | None]] = {}

    def start(self, command: str, values: Mapping[str, str]) -> Start | None:
        """Say what to start for a command in an environment; None: a shell.

        Whoever starts it adds `PWD` to the environment, as dash does, and starts the shell where it cannot be started.
        """
        words = split(command)
        if words is None or not _is_known_shell() or not _is_handed_on(frozenset(values)):
            return None
        try:
            arguments = ["".join([values[part] if named else part for part, named in word]) for word in words]
        except KeyError:
            # A shell has values of its own for some.
            return None
        program = self._program(arguments[0], values.get("PATH", ""))
        return None if program is None else Start(program, arguments)

    def _program(self, name: str, path: str) -> str | None:
        now = time.monotonic()
        until, found = self._found.get((name, path), (0.0, None))
        if now >= until:
            found = _find(name, path)
            self._found[name, path] = now + _KNOWN_FOR, found
        return found


@lru_cache(maxsize=256)
def split(command: str) -> tuple[Word, ...] | None:
    """Take a command apart into words, of which the first is a program's name; None where a shell has more to do."""
    words: list[Word] = []
    word: list[tuple[str, bool]] = []
    begun = False
    text = command.strip(" \t\n")
    place = 0
    while place < len(text):
        found = _WORD.match(text, place)
        if found is None:
            return None
        place = found.end()
        if found["space"] is not None:
            words.append(tuple(word))
            word, begun = [], False
            continue
        if not words and not begun and found["plain"] is None:
            return None
        begun = True
        if found["double"] is not None:
            word += _parts(found["double"])
        else:
            word.append((found["plain"] or found["single"] or "", False))
    words.append(tuple(word))
    first = words[0]
    name = "".join(part for part, _ in first)
    if not name or "=" in name or name[0] in "-+" or name in _OWN_WORDS or any(named for _, named in first):
        return None
    return tuple(words)


def _parts(text: str) -> list[tuple[str, bool]]:
    """Take apart what stands between double quotes."""
    parts: list[tuple[str, bool]] = []
    place = 0
    for found in _VALUE.finditer(text):
        parts += [(text[place : found.start()], False), (found[1] or found[2], True)]
        place = found.end()
    return [*parts, (text[place:], False)]


@cache
def _is_known_shell() -> bool:
    return os.path.basename(os.path.realpath("/bin/sh")) == _KNOWN_SHELL  # noqa: PTH119


@lru_cache(maxsize=256)
def _is_handed_on(names: frozenset[str]) -> bool:
    """Say whether a shell gives its programs all of these variables as it was given them."""
    return not names & _SPECIAL_NAMES and all(map(_VARIABLE.fullmatch, names))


def _find(name: str, path: str) -> str | None:
    """Find a program, if it can be done without knowing the folder; None where it is not there."""
    if "/" in name:
        return name if name.startswith("/") else None
    return shutil.which(name, path=path) if all(each.startswith("/") for each in path.split(":")) else None
