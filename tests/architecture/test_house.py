"""The house is as its plan says: floors, sizes, words."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "aliquot"
PROGRAMS = Path(sys.executable).parent

MODULES = sorted(SOURCE.rglob("*.py"))
LONGEST_MODULE = 400
LONGEST_FUNCTION = 60
FORBIDDEN = {"utils", "util", "base", "common", "helpers", "helper", "manager", "handler", "artifact", "asset", "misc"}


def _run(*command: str) -> None:
    done = subprocess.run([str(PROGRAMS / command[0]), *command[1:]], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_rooms_import_only_from_floors_below() -> None:
    _run("lint-imports")


def test_ruff_is_content() -> None:
    _run("ruff", "check", ".")
    _run("ruff", "format", "--check", ".")


def test_every_type_is_known() -> None:
    _run("basedpyright")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_sizes_keep_it_readable(path: Path) -> None:
    # A migration is as long as its change.
    if "migrations" not in path.parts:
        assert len(path.read_text().splitlines()) <= LONGEST_MODULE
        too_long = [(name, lines) for name, lines in _functions(path) if lines > LONGEST_FUNCTION]
        assert not too_long


def test_the_median_module_is_short() -> None:
    lengths = sorted(len(path.read_text().splitlines()) for path in MODULES)
    assert lengths[len(lengths) // 2] <= 150


def test_no_room_or_module_is_named_after_nothing() -> None:
    names = {part for path in MODULES for part in (*path.relative_to(SOURCE).parts[:-1], path.stem)}
    assert not names & FORBIDDEN


def test_only_the_catalogue_room_names_a_database_driver() -> None:
    for path in MODULES:
        if path.relative_to(SOURCE).parts[0] not in {"db", "hub"}:
            text = path.read_text()
            assert "import sqlite3" not in text, path
            assert "import psycopg" not in text, path


def test_nothing_forks() -> None:
    for path in MODULES:
        text = path.read_text()
        assert "os.fork(" not in text, path
        assert "preexec_fn" not in text, path
