"""The pages of reference are what the code says, and say something about everything that they name."""

import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
sys.path.insert(0, str(DOCS))

from generators.commands import all_commands, help_text  # noqa: E402 - found through the line above
from generators.errors import PLAIN_WORDS, findings_page  # noqa: E402
from generators.sentences import said  # noqa: E402

from aliquot.cli.app import make_app  # noqa: E402
from aliquot.model.errors import FAMILIES  # noqa: E402

RAISERS = tuple(each.__name__ for each in FAMILIES)


def test_the_committed_pages_are_what_the_code_says() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "generate.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_code_belongs_to_one_family() -> None:
    families: dict[str, set[str]] = defaultdict(set)
    for each in said(*RAISERS):
        if each.code:
            families[each.code].add(each.name)
    assert len(families) > 100
    assert {code: names for code, names in families.items() if len(names) > 1} == {}


def test_every_error_has_a_sentence() -> None:
    texts: dict[str, list[str]] = defaultdict(list)
    for each in said(*RAISERS):
        if each.code:
            texts[each.code] += each.texts
    silent = [code for code, found in texts.items() if not found and code not in PLAIN_WORDS]
    assert silent == []


def test_every_code_stands_on_the_page_once() -> None:
    page = (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")
    for each in said(*RAISERS):
        if each.code:
            assert page.count(f"`{each.code}` |") == 1, each.code


def test_every_finding_says_something() -> None:
    rows = [line for line in findings_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if row.endswith("|  |")] == []


@pytest.mark.parametrize("words", list(all_commands(make_app())), ids=" ".join)
def test_every_command_says_what_it_is_for(words: tuple[str, ...]) -> None:
    text = help_text(make_app(), words)
    usage, _, rest = text.partition("\n\n")
    assert usage.startswith(f"Usage  aliquot {' '.join(words)}")
    first = rest.split("\n")[0]
    assert first[:1].isupper(), text
    assert len(first.split()) >= 3, text


@pytest.mark.parametrize("words", list(all_commands(make_app())), ids=" ".join)
def test_every_option_says_what_it_is_for(words: tuple[str, ...]) -> None:
    labels = [line.strip() for line in help_text(make_app(), words).splitlines() if line.startswith("  ")]
    for label in labels:
        if label.startswith("-"):
            name, _, about = label.partition("  ")
            assert about.strip(), f"{name} of {' '.join(words)}"
