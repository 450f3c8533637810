"""What each rule of `ensure` asks for, and in which words it is told."""

from pathlib import Path
from typing import Any

import pytest

from aliquot.executors.attempt import Attempt, AttemptFailed, Verdict
from aliquot.executors.captured import CapturedLog
from aliquot.executors.ensure import Given, judge, passed_on, reads_tables
from aliquot.model.blob import Location
from aliquot.model.digest import EMPTY, digest_bytes
from aliquot.model.ensure import Ensure, rule_document, rule_from
from aliquot.model.seams import Handle
from aliquot.model.table_schema import TableSchema
from aliquot.model.task import Cause, TaskDocument, TaskFile, task_from_json

TWO = {"/a": b"", "/b": b""}
A, B = digest_bytes(b"a"), digest_bytes(b"b")


def document(*rules: dict[str, Any]) -> TaskDocument:
    return TaskDocument(EMPTY, 1, 1, "step", "true", "memory://", ensure=rules)


def judged(tmp_path: Path, rule: dict[str, Any], files: dict[str, bytes]) -> tuple[Verdict | None, list[str]]:
    """Hold files against one rule; gives the verdict, and the lines that the log has got."""
    given: list[Given] = []
    for path, data in files.items():
        place = tmp_path / f"out{path}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        given.append(Given(path, digest_bytes(data), len(data), f"out{path}"))
    log = CapturedLog(tmp_path / "log")
    written = rule_document(Ensure.model_validate(rule), None)
    verdict = judge(Attempt(Handle("x"), document(written)), given, str(tmp_path), log)
    lines = log.last_lines().splitlines()
    log.close()
    return verdict, lines


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        ({}, {"/a": b""}),
        ({"glob": "/d/"}, {"/d/a": b"", "/x": b""}),
        ({"glob": "/"}, {"/d/a": b""}),
        ({"glob": "/*.txt", "non_empty": True}, {"/a.txt": b"a", "/b.csv": b""}),
        ({"size": {"min": 1, "max": "1KiB"}}, {"/a": b"a", "/b": b"b" * 1024}),
        ({"count": 2}, TWO),
        ({"count": {"max": 2}}, {"/a": b""}),
        ({"count": 0, "glob": "/*.tmp"}, {"/a": b""}),
        ({"count": {"min": 0}, "glob": "/*.tmp", "non_empty": True}, {"/a": b""}),
        ({"digest": A}, {"/a": b"a", "/b": b"a"}),
        ({"schema": {"fields": [{"name": "n", "type": "integer"}]}}, {"/a.csv": b"n\n1\n"}),
    ],
)
def test_rules_that_are_kept(tmp_path: Path, rule: dict[str, Any], files: dict[str, bytes]) -> None:
    assert judged(tmp_path, rule, files) == (None, [])


@pytest.mark.parametrize(
    ("rule", "files", "lines"),
    [
        ({}, {}, ["no file matches /**, but at least 1 is expected."]),
        ({"glob": "/*.csv"}, {"/a.txt": b""}, ["no file matches /*.csv, but at least 1 is expected."]),
        ({"non_empty": True}, {"/a": b"", "/b": b"b"}, ["out/a: The file is empty."]),
        ({"size": {"min": "1KiB"}}, {"/a": b"a"}, ["out/a: The file has 1 byte; it needs 1,024 at least."]),
        ({"size": {"max": 1}}, {"/a": b"aa"}, ["out/a: The file has 2 bytes; it may have 1 at most."]),
        ({"count": {"min": 3}}, {"/a": b""}, ["1 file matches /**, but at least 3 are expected."]),
        ({"count": {"max": 2}}, {**TWO, "/c": b""}, ["3 files match /**, but at most 2 are expected."]),
        ({"count": 96}, TWO, ["2 files match /**, but 96 are expected."]),
        ({"glob": "/*.tmp", "count": 0}, {"/a.tmp": b""}, ["1 file matches /*.tmp, but none is expected."]),
        ({"digest": A}, {"/a": b"b"}, [f"out/a: The content has the digest {B}, but {A} is expected."]),
        ({"schema": {"fields": [{"name": "n", "type": "integer"}]}}, {"/a.csv": b"n\n1\nx\n"},
         ['out/a.csv: Row 3: n is "x", but should be a whole number.']),
        ({"schema": {"fields": [{"name": "n"}]}}, {"/a.csv": b""},
         ["out/a.csv: The file is empty: it has not even a header."]),
        ({"non_empty": True, "size": {"min": 1}}, {"/a": b""},
         ["out/a: The file is empty.", "out/a: The file has 0 bytes; it needs 1 at least."]),
    ],
)  # fmt: skip
def test_violated_rules_are_told(
    tmp_path: Path, rule: dict[str, Any], files: dict[str, bytes], lines: list[str]
) -> None:
    verdict, logged = judged(tmp_path, rule, files)
    assert verdict is not None
    assert verdict.cause is Cause.USER
    assert logged == [f"ensure: {line}" for line in lines]
    more = "" if len(lines) == 1 else f" (the first of {len(lines)} findings)"
    assert verdict.message == f"'ensure' is not kept: {lines[0]}{more}"


def test_warnings_about_a_table_violate_nothing(tmp_path: Path) -> None:
    rule = {"schema": {"fields": [{"name": "n", "type": "string"}]}}
    assert judged(tmp_path, rule, {"/a.csv": "n\nMüller\n".encode("latin-1")})[0] is None


def test_a_schema_that_cannot_be_checked_is_the_users_error(tmp_path: Path) -> None:
    rule = {"schema": {"fields": [{"name": "n", "type": "integer", "constraints": {"minimum": "many"}}]}}
    with pytest.raises(AttemptFailed) as caught:
        judged(tmp_path, rule, {"/a.csv": b"n\n1\n"})
    assert caught.value.verdict.cause is Cause.USER
    assert caught.value.verdict.message.startswith("'ensure' cannot be checked: ")


def test_an_attempt_that_is_canceled_meanwhile_is_left(tmp_path: Path) -> None:
    attempt = Attempt(Handle("x"), document({"glob": "/**", "schema": {"fields": [{"name": "n"}]}}))
    attempt.condemn(Cause.CANCELED, "The attempt was canceled.")
    log = CapturedLog(tmp_path / "log")
    with pytest.raises(AttemptFailed, match="canceled"):
        judge(attempt, [Given("/a.csv", A, 1, "out/a.csv")], str(tmp_path), log)
    log.close()


def test_rules_travel_in_the_document_and_old_documents_have_none() -> None:
    schema = TableSchema.model_validate(
        {"fields": [{"name": "n", "type": "number", "constraints": {"minimum": 0.5, "required": True}}]}
    )
    rule = Ensure.model_validate({"glob": "/*.csv", "count": {"max": 3}, "type": "charges"})
    made = document(rule_document(rule, schema))
    read = task_from_json(made.to_json())
    assert read == made
    assert reads_tables(read)
    again = rule_from(read.ensure[0])
    assert (again.glob, again.count, again.type, again.schema_) == ("/*.csv", rule.count, "charges", schema)
    old = document().to_json().replace(',"ensure":[]', "")
    assert "ensure" not in old
    assert task_from_json(old).ensure == ()


def test_only_checks_is_said_of_what_has_rules_and_runs_nothing() -> None:
    place = Location(A, 1)
    nothing = TaskDocument(EMPTY, 1, 1, "s", "", "m", files=(TaskFile("in/reads/d/a", place),), ensure=({"glob": "/"},))
    assert nothing.only_checks
    assert not document({"glob": "/"}).only_checks
    assert passed_on(nothing.files) == [Given("/d/a", A, 1, "in/reads/d/a")]
