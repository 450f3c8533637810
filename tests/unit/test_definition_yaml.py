"""YAML 1.2 as plain values with places, and texts that are not YAML, answered in words."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from aliquot.definitions.yaml_text import DEEPEST, LARGEST_FILE, Place, read_yaml


def _read(text: str | bytes):
    document, problems = read_yaml(text if isinstance(text, bytes) else text.encode(), "f.yaml")
    return document, [str(problem) for problem in problems]


def test_keys_and_values_know_their_places():
    document, problems = _read("a: 1\nb:\n  - x\n  - {c: é, d: [y]}\n")
    assert problems == []
    assert document.value == {"a": 1, "b": ["x", {"c": "é", "d": ["y"]}]}
    assert document.keys["a",] == (1, 1)
    assert document.values["a",] == (1, 4)
    assert document.values["b", 1, "c"] == (4, 9)
    assert document.values["b", 1, "d", 0] == (4, 16)
    assert document.place(("b",)) == Place(2, 1)
    assert document.place(("b", 1, "missing", "deeper")) == Place(4, 5)
    assert document.place(("missing",)) == Place(1, 1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("true", True), ("False", False), ("~", None), ("", None),
        ("null", None), ("12", 12), ("-7", -7), ("010", 10), ("0o10", 8), ("0x1f", 31), ("1_000", "1_000"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0), ("2030-12-31", "2030-12-31"), ("12:30", "12:30"),
        ('"5"', "5"), ("'true'", "true"), ("1.2.3", "1.2.3"), ("0b1", "0b1"), ("|-\n  5\n", "5"),
    ],
)  # fmt: skip
def test_plain_values_follow_the_core_schema_of_yaml_1_2(text, value):
    document, problems = _read(f"a: {text}\n")
    assert problems == []
    assert document.value["a"] == value
    assert type(document.value["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('a: "x\nb: 1\n', "1:4: the quote that opens here is not closed"),
        ("a: 'x\n", "1:4: the quote that opens here is not closed"),
        ('a: "\\d"\n', r"1:6: '\d' means nothing within double quotes; use single quotes, or '\\' for a backslash"),
        ("a:\n\tb: 1\n", "2:1: the line is indented with a tab; YAML takes spaces only"),
        ("a:\n  b: 1\n\tc: 2\n", "3:1: the line is indented with a tab; YAML takes spaces only"),
        ("a: *.csv\n", "1:4: a: '*.csv' refers to nothing; a text that begins with '*' needs quotes: \"*.csv\""),
        ("a: &a [*a]\n", "1:8: a[0]: '*a' refers to nothing; a text that begins with '*' needs quotes: \"*a\""),
        ("a: %\n", "1:4: a text that begins with '%' needs quotes"),
        ("a: @x\n", "1:4: a text that begins with '@' needs quotes"),
        ("a: b: c\n", "1:5: there are two ': ' on this line; put the text after the first into quotes"),
        ("a: [1, 2\nb: 3\n", "1:4: the '[' that opens here is not closed with ']'"),
        ("a: {x: 1\nb: 2\n", "1:4: the '{' that opens here is not closed with '}'"),
        ("a: [\n", "2:1: the text ends before a bracket is closed"),
        ("a: {x: /{s}/}\n", "1:9: expected ',' or '}' here; a text with braces or brackets needs quotes"),
        ("a: ]\n", "1:4: a value is expected here; a text that begins with a bracket needs quotes"),
        ('a: "x" y\n', "1:8: there is more text here than one value; put all of it into quotes, or indent it"),
        ("- a\nb: 1\n", "2:1: list and mapping are mixed at one level: every line of a list begins with '- '"),
        ("a: - b\n", "1:4: a list's '- ' begins on a line of its own"),
        ("a: 1\nb\nc: 2\n", "3:1: a ':' is missing after the key on the line before"),
        (
            "a: 1\n  b: 2\n",
            "2:4: this line is indented differently from what it belongs to, or the line before lacks its ':'",
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            "3:2: this line is indented differently from its neighbours, or a bracket here closes nothing",
        ),
        ("a: 1\nb: 2\na: 3\n", "3:1: a: the key 'a' stands here a second time; it was given on line 1 already"),
        ("a: {x: 1, x: 2}\n", "1:11: a.x: the key 'x' stands here a second time; it was given on line 1 already"),
        ("1: x\n", '1:1: a key is a text, but this one is read as the number 1; write "1"'),
        ("true: x\n", '1:1: a key is a text, but this one is read as true; write "true"'),
        (": x\n", "1:1: a key is a text, but none stands before the ':'"),
        ("? [a]\n: b\n", "1:3: a key is a text; lists, mappings and aliases cannot be keys"),
        ("<<: {a: 1}\n", "1:1: YAML 1.2 has no merge keys ('<<'); write the keys out"),
        ("x: !foo 1\n", "1:4: x: the tag !foo means nothing here; remove it, and quote what is a text"),
        ("a: .nan\n", "1:4: a: .nan is not a number that can be stored; write it in quotes if it is a text"),
        ("a: 1e999\n", "1:4: a: 1e999 is too large a number"),
        ("a: " + "9" * 5000 + "\n", "1:4: a: the number has too many digits; write it in quotes"),
        ("a: 1\n---\nb: 1\n", "2:1: a second document begins here; a file holds one, so write no '---' within it"),
        ("%YAML 1.1\n---\na: 1\n", "2:1: definitions are YAML 1.2 without directives; remove the line with '%'"),
        ("", "1:1: the file is empty"),
        ("# only this\n", "1:1: the file is empty"),
        ("a: 1\nb: \x00\n", "2:4: the character U+0000 cannot stand in a definition; remove it"),
        ("a: \x1b[0m\n", "1:4: the character U+001B cannot stand in a definition; remove it"),
        ('a: "\\x00"\n', "1:4: a: the text holds a character that cannot be stored (NUL or half a pair)"),
        ('a: "\\ud800"\n', "1:4: a: the text holds a character that cannot be stored (NUL or half a pair)"),
        ('a: "\\U0001F600 \\U00110000"\n', "1:16: an escape names no character; correct it"),
        (b"a: 1\nb: caf\xe9\n", "2:7: this is not UTF-8 text; save the file as UTF-8"),
        ("a: 1\n".encode("utf-16"), "1:1: this is not UTF-8 text; save the file as UTF-8"),
        (b" " * (LARGEST_FILE + 1), "1:1: the file is larger than 1 MiB, which no definition is"),
        (
            "[" * 200,
            f"1:66: [0][0][0]: values lie more than {DEEPEST} levels deep in each other here",
        ),
    ],
)  # fmt: skip
def test_what_is_not_good_yaml_is_said_in_words(text, problem):
    assert _read(text)[1] == [f"f.yaml:{problem}"]


def test_several_mistakes_of_a_readable_text_are_told_at_once():
    assert _read("a: 1\na: !x 2\n3: *b\n")[1] == [
        "f.yaml:2:1: a: the key 'a' stands here a second time; it was given on line 1 already",
        "f.yaml:2:4: a..: the tag !x means nothing here; remove it, and quote what is a text",
        'f.yaml:3:1: a key is a text, but this one is read as the number 3; write "3"',
        "f.yaml:3:4: 3: '*b' refers to nothing; a text that begins with '*' needs quotes: \"*b\"",
    ]


def test_a_byte_order_mark_and_line_ends_of_windows_are_fine():
    document, problems = _read(b"\xef\xbb\xbfa: 1\r\nb: x\r\n")
    assert (document.value, problems) == ({"a": 1, "b": "x"}, [])


def test_aliases_are_values_and_their_growth_is_bounded():
    assert _read("a: &x {b: [1]}\nc: *x\n")[0].value == {"a": {"b": [1]}, "c": {"b": [1]}}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    document, problems = _read(bomb)
    assert document is None
    assert problems == [
        "f.yaml:5:25: a4[3]: the file grows to more than 50,000 values here; aliases multiply them"
    ]  # fmt: skip


@given(st.text(st.sampled_from("ab:- \n\t'\"[]{},&*!|>#%@?1.\\~\r"), max_size=40))
def test_any_text_gives_a_value_or_a_problem_and_never_an_error(text):
    document, problems = read_yaml(text.encode(), "f")
    assert document is not None or problems
    assert all(problem.line >= 1 and problem.column >= 1 for problem in problems)


@given(st.binary(max_size=60))
def test_any_bytes_give_a_value_or_a_problem_and_never_an_error(data):
    document, problems = read_yaml(data, "f")
    assert document is not None or problems


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(_json)
def test_json_is_read_as_what_it_says(value):
    document, problems = read_yaml(json.dumps(value).encode(), "f")
    # A text may hold what no definition may: NUL, or half a pair. YAML has no keys of more than 1,024 characters.
    assert problems or document.value == value


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789.-_", min_size=1, max_size=8))
def test_plain_words_are_read_as_the_library_reads_them_where_json_can_hold_that(text):
    document, problems = read_yaml(f"- {text}\n".encode(), "f")
    try:
        theirs = YAML(typ="safe", pure=True).load(f"- {text}\n")[0]
    except ValueError:
        return
    if problems or not isinstance(theirs, int | float | str) or not isinstance(document.value, list):
        return
    ours = document.value[0]
    if isinstance(theirs, str | bool) or isinstance(ours, str):
        # The library keeps a few forms of YAML 1.1: underscores and binary numbers, and dates.
        assert ours == theirs or "_" in text or text.lstrip("-").startswith("0b")
    elif not text.lstrip("-").startswith("0"):
        assert ours == theirs or math.isinf(theirs)
