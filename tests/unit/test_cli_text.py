"""Words for people: nothing that a file is called may steer a terminal."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aliquot.cli.text import ago, as_json, count, digest, folder, local, moment, plain, plain_lines, size, span
from aliquot.model.digest import digest_bytes


def test_a_folder_has_a_name_in_a_sentence() -> None:
    assert [folder(Path(each)) for each in (".", "./", "..", "out", "a\nb")] == [
        "this folder", "this folder", "..", "out", r"a\nb",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plate 1.csv", "plate 1.csv"),
        ("日本語.txt", "日本語.txt"),
        ("Übersicht µm²", "Übersicht µm²"),
        ("a\nb", r"a\nb"),
        ("a\tb\rc", r"a\tb\rc"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x9b31m", r"\x9b31m"),
        ("\x00\x07\x7f", r"\x00\x07\x7f"),
        ("exe\u202ecsv.exe", "exe\\u202ecsv.exe"),
        ("zero\u200bwidth", "zero\\u200bwidth"),
        ("line\u2028end", "line\\u2028end"),
        ("broken\udcff", "broken\\udcff"),
        ("👩\u200d🔬", "👩\u200d🔬"),
        ("[red]markup[/red]", "[red]markup[/red]"),
    ],
)
def test_names_are_one_line_of_text(name: str, shown: str) -> None:
    assert plain(name) == shown


@given(st.text())
def test_no_text_can_steer_a_terminal(name: str) -> None:
    assert all(char.isprintable() or char in "\u200c\u200d" for char in plain(name))
    assert "\n" not in plain(name)


@given(st.text())
def test_logs_keep_their_lines_and_nothing_else(text: str) -> None:
    assert all(char.isprintable() or char in "\n\t\u200c\u200d" for char in plain_lines(text))


@given(st.dictionaries(st.text(), st.text()))
@example({"\x7f": ""})
def test_json_is_safe_to_look_at_and_reads_back_equal(document: dict[str, str]) -> None:
    written = as_json(document)
    assert json.loads(written) == document
    assert all(char.isprintable() or char == "\n" for char in written)


def test_json_keeps_letters_as_they_are() -> None:
    assert "日本語" in as_json({"path": "/日本語.txt"})


def test_digests_are_short_for_people() -> None:
    whole = digest_bytes(b"x")
    assert digest(whole) == whole.removeprefix("blake3:")[:12]
    assert digest("python 3.11") == "python 3.11"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, ""),
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (12.2, "12 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_spans(seconds: float | None, words: str) -> None:
    assert span(seconds) == words


def test_times_are_told_as_people_think_of_them() -> None:
    now = time.time()
    assert ago(None) == ""
    assert ago(now - 1, now) == "just now"
    assert ago(now - 30, now) == "30 s ago"
    assert ago(now - 180, now) == "3 min ago"
    assert ago(now - 7200, now) == "2 h ago"
    assert ago(now - 90_000, now) == local(now - 90_000)
    assert ago(now + 3600, now) == local(now + 3600)
    assert moment(now - 90_000) == local(now - 90_000)
    assert moment(now - 180) == f"{local(now - 180)} (3 min ago)"


def test_counts_and_sizes() -> None:
    assert count(1, "file") == "1 file"
    assert count(1204, "file") == "1,204 files"
    assert count(2, "datum", "datums") == "2 datums"
    assert size(None) == ""
    assert size(5_000_000_000) == "4.7 GiB"
