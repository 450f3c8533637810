"""A command that is started without a shell sees what a shell would have shown it: asked of the real one."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from aliquot.executors.shell_free import ShellFree

PATH = "/usr/bin:/bin"
PRINT = "/usr/bin/printf '%s\\0'"

pytestmark = pytest.mark.skipif(Path("/bin/sh").resolve().name != "dash", reason="the system's shell is not dash")

no_zero = st.characters(blacklist_characters="\0", blacklist_categories=["Cs"])
value = st.one_of(st.text(no_zero, max_size=8), st.sampled_from(["*", "~", "a b", "$A", "\x81\x88", "\udcff", "-n"]))
piece = st.one_of(
    st.text(st.sampled_from("ab0_@%+,./:=-"), min_size=1, max_size=3),
    st.text(no_zero, max_size=4).map(lambda text: f"'{text}'"),
    st.text(no_zero, max_size=4).map(lambda text: f'"{text}"'),
    st.sampled_from([" ", "\t", '"$A"', '"${B}"', '"$A$B"', '"$AB"', "$A", "\n", "#", "~", "*", "\\", "`", "{a,b}"]),
)


def run(program: str, arguments: list[str], environment: dict[str, str], folder: Path) -> tuple[int, bytes]:
    done = subprocess.run(arguments, executable=program, env=environment, cwd=folder, capture_output=True, check=False)
    return done.returncode, done.stdout


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(piece, max_size=8), first=value, second=value)
def test_every_word_is_what_the_shell_makes_of_it(pieces: list[str], first: str, second: str) -> None:
    command = f"{PRINT} {''.join(pieces)}"
    values = {"PATH": PATH, "A": first, "B": second}
    start = ShellFree().start(command, values)
    assume(start is not None)
    assert start
    ours = run(start.program, start.arguments, values, Path("/"))
    assert ours == run("/bin/sh", ["sh", "-c", command], values, Path("/"))


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("env", {"IFS": ":"}),
        ("env", {"PWD": "/elsewhere"}),
        ("env", {"no.name": "1"}),
        ("env", {"PATH": f"bin:{PATH}"}),
        ("env", {"PATH": f":{PATH}"}),
        ('env "$PPID"', {}),
        ('env "$NOT_GIVEN"', {}),
        ("no-such-program-anywhere", {}),
        ("./env", {}),
    ],
)
def test_where_a_shell_would_do_something_else_it_does_it(command: str, more: dict[str, str]) -> None:
    assert ShellFree().start(command, {"PATH": PATH, **more}) is None


def test_the_first_program_of_the_path_is_taken(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "a" / "tool").mkdir()
    for name in ("b", "c"):
        (tmp_path / name / "tool").write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name / "tool").chmod(0o755)
    values = {"PATH": ":".join(str(tmp_path / name) for name in ("a", "b", "c"))}
    start = ShellFree().start("tool", values)
    assert start
    assert start.program == str(tmp_path / "b" / "tool")
