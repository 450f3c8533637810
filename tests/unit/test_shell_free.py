"""Which commands are started without a shell, and as which words."""

import pytest

from aliquot.executors.shell_free import split


def words(command: str) -> list[str] | None:
    found = split(command)
    if found is None:
        return None
    return ["".join(f"<{part}>" if named else part for part, named in word) for word in found]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('cp "$FILE" "$OUT"/', ["cp", "<FILE>", "<OUT>/"]),
        ("  python3\t'a b' --n=3 \n", ["python3", "a b", "--n=3"]),
        ('/usr/bin/tool "x ${NAME}.txt" \'$HOME\'"$A"c', ["/usr/bin/tool", "x <NAME>.txt", "$HOME<A>c"]),
        ("tool '' \"\"", ["tool", "", ""]),
        ('tool "two\nlines"', ["tool", "two\nlines"]),
        ('tool "$A$B"', ["tool", "<A><B>"]),
        ("tool", ["tool"]),
    ],
)
def test_one_program_needs_no_shell(command: str, expected: list[str]) -> None:
    assert words(command) == expected


@pytest.mark.parametrize(
    "command",
    [
        "",
        " \n",
        "a\nb",
        "a; b",
        "a && b",
        "a | b",
        "a > b",
        "a &",
        "a $B",
        "a *.txt",
        "a ~/b",
        "a `b`",
        'a "`b`"',
        "a $(b)",
        'a "$(b)"',
        'a "${B:-c}"',
        'a "$1"',
        'a "$$"',
        'a "b\\"c"',
        "a b\\ c",
        "a # b",
        "a {b,c}",
        "A=1 b",
        "A=1",
        '"$A" b',
        "'a' b",
        "cd /tmp",
        "echo a",
        "test -f a",
        "[ -f a ]",
        "exec a",
        "if a",
        "! a",
        "(a)",
        "-x",
        "--",
        "+x",
        "a 'b",
        'a "b',
        "a 'b\0'",
    ],
)
def test_what_a_shell_has_to_do_with_is_left_to_it(command: str) -> None:
    assert split(command) is None
