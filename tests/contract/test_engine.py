"""Runs from start to published version, on both databases, with real processes."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aliquot.blobs import Store
from aliquot.db import Catalogue
from aliquot.engine.control import cancel, retry
from aliquot.engine.explain import why
from aliquot.engine.pipelines import current
from aliquot.engine.start import Order, start
from aliquot.engine.supervise import Supervisor
from aliquot.model.state import State
from small_lab import SmallLab

both = pytest.mark.parametrize("catalogue", ["sqlite", "postgresql"], indirect=True)

COUNT: dict[str, Any] = {
    "pipeline": "count",
    "parameters": {"unit": {"type": "string", "default": "l"}, "title": {"type": "string", "default": "Lines"}},
    "inputs": {"texts": {"dataset": "texts"}},
    "steps": {
        "count": {
            "inputs": {"file": {"from": "texts", "glob": "/{name}.txt"}},
            "parameters": ["unit"],
            "command": 'wc -$UNIT < "$FILE" | tr -d " " > "$OUT/$NAME.count"',
        },
        "sum": {
            "inputs": {"counts": {"from": "count", "glob": "/"}},
            "parameters": ["title"],
            "bundle": ["sum.sh"],
            "command": 'sh "$BUNDLE/sum.sh" "$COUNTS" > "$OUT/total"',
        },
    },
    "outputs": {"counts": {"from": "count", "publish": "counts"}, "total": {"from": "sum", "publish": "total"}},
}
SUM = b'echo "$TITLE"; cat "$1"/*.count | awk "{ s += \\$1 } END { print s }"\n'


@pytest.fixture
def lab(catalogue: Catalogue, store: Store, tmp_path: Path) -> Iterator[SmallLab]:
    made = SmallLab(catalogue, store, tmp_path)
    yield made
    made.close()


@pytest.fixture
def counted(lab: SmallLab) -> SmallLab:
    lab.add("texts", {"/a.txt": "1\n2\n", "/b.txt": "3\n", "/notes.md": "no\n"})
    lab.apply(COUNT, {"sum.sh": SUM})
    return lab


@both
def test_a_run_publishes_what_its_steps_give(counted: SmallLab) -> None:
    number = counted.run("count")
    assert counted.row(number).state == State.COMPLETE, counted.row(number).message
    assert counted.content("counts") == {"/a.count": b"2\n", "/b.count": b"1\n"}
    assert counted.content("total") == {"/total": b"Lines\n3\n"}


@both
def test_nothing_runs_twice_and_only_what_is_new_runs(counted: SmallLab) -> None:
    counted.run("count")
    again = counted.run("count")
    assert counted.ran(again) == []
    assert counted.content("counts", "1") == counted.content("counts")
    counted.add("texts", {"/c.txt": "4\n5\n6\n"})
    more = counted.run("count")
    assert counted.ran(more) == ["count:/c.txt", "sum:/"]
    assert counted.content("total") == {"/total": b"Lines\n6\n"}


@both
def test_a_parameter_reruns_only_the_steps_that_declare_it(counted: SmallLab) -> None:
    counted.run("count")
    titled = counted.run("count", title="Zeilen")
    assert counted.ran(titled) == ["sum:/"]
    words = counted.run("count", unit="w")
    assert counted.ran(words, "count") == ["count:/a.txt", "count:/b.txt"]


@both
def test_a_changed_script_reruns_the_steps_that_use_it(counted: SmallLab) -> None:
    counted.run("count")
    counted.apply(COUNT, {"sum.sh": SUM + b"# changed\n"})
    number = counted.run("count")
    assert counted.ran(number) == ["sum:/"]
    with counted.catalogue.read() as connection:
        reason = why(connection, number, "sum/1")
    assert [each.part for each in reason.differences] == ["code sum.sh"]


@both
def test_a_removed_input_takes_its_outputs_from_the_next_version(counted: SmallLab) -> None:
    counted.run("count")
    counted.put("texts", removes=("/a.txt",))
    number = counted.run("count")
    assert counted.ran(number) == ["sum:/"]
    assert counted.content("counts") == {"/b.count": b"1\n"}
    assert counted.content("counts", "1") == {"/a.count": b"2\n", "/b.count": b"1\n"}


@both
def test_equal_files_of_two_datasets_are_computed_once(counted: SmallLab) -> None:
    counted.add("others", {"/b.txt": "3\n"})
    counted.run("count")
    with counted.catalogue.write() as connection:
        number = start(connection, Order(current(connection, "count"), inputs={"texts": "others"}))
    counted.supervise()
    assert number
    assert counted.ran(number, "count") == []


@both
def test_two_runs_at_once_share_equal_work(counted: SmallLab) -> None:
    one, other = counted.start("count"), counted.start("count")
    counted.supervise()
    assert counted.row(one).state == counted.row(other).state == State.COMPLETE
    ran = [*counted.ran(one), *counted.ran(other)]
    assert sorted(ran) == ["count:/a.txt", "count:/b.txt", "sum:/"]


@both
def test_a_bad_datum_is_parked_with_its_log_and_the_rest_goes_on(lab: SmallLab) -> None:
    lab.add("texts", {"/a.txt": "ok\n", "/b.txt": "bad\n"})
    lab.apply(
        {
            "pipeline": "check",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "check": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": 'if grep -q bad "$FILE"; then echo "this is bad" >&2; exit 3; fi; cp "$FILE" "$OUT"',
                }
            },
            "outputs": {"checked": {"from": "check", "publish": "checked"}},
        }
    )
    number = lab.run("check")
    row = lab.row(number)
    assert (row.state, row.parked) == (State.COMPLETE, 1)
    assert lab.content("checked") == {"/a.txt": b"ok\n"}
    bad = next(each for each in lab.tasks(number) if each.state == State.EXECUTOR_ERROR)
    assert bad.cause == "user"
    lab.add("texts", {"/b.txt": "good\n"})
    fixed = lab.run("check")
    assert lab.ran(fixed) == ["check:/b.txt"]
    assert set(lab.content("checked")) == {"/a.txt", "/b.txt"}
    assert lab.row(fixed).parked == 0


@both
@pytest.mark.parametrize(
    ("policy", "state"),
    [("stop", State.EXECUTOR_ERROR), ({"allow": 1}, State.COMPLETE), ({"allow": "10%"}, State.EXECUTOR_ERROR)],
)
def test_a_run_ends_as_its_failure_policy_says(lab: SmallLab, policy: Any, state: State) -> None:
    lab.add("texts", {f"/{n}.txt": "ok\n" for n in range(4)} | {"/0.txt": "bad\n"})
    lab.apply(
        {
            "pipeline": "check",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "check": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": 'grep -q ok "$FILE" && cp "$FILE" "$OUT"',
                    "failures": policy,
                }
            },
            "outputs": {"checked": {"from": "check", "publish": "checked"}},
        }
    )
    number = lab.run("check")
    assert lab.row(number).state == state, lab.row(number).message
    if state is State.COMPLETE:
        assert len(lab.content("checked")) == 3
    else:
        assert "failed" in lab.row(number).message


@both
def test_two_tasks_that_write_one_path_fail_the_run_with_both_named(lab: SmallLab) -> None:
    lab.add("texts", {"/a.txt": "1", "/b.txt": "2"})
    lab.apply(
        {
            "pipeline": "clash",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "copy": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": 'cp "$FILE" "$OUT/same"',
                }
            },
            "outputs": {"copies": {"from": "copy", "publish": "copies"}},
        }
    )
    row = lab.row(lab.run("clash"))
    assert row.state == State.EXECUTOR_ERROR
    assert "copy/1 and copy/2 both wrote /same" in row.message


@both
def test_retries_end_when_their_budget_is_spent(lab: SmallLab) -> None:
    lab.add("texts", {"/a.txt": "1"})
    lab.apply(
        {
            "pipeline": "never",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "fail": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": "exit 1",
                    "retry": {"attempts": 3, "on": ["user"], "backoff": "1ms"},
                }
            },
        }
    )
    number = lab.run("never")
    assert [row.attempts for row in lab.tasks(number)] == [3]
    assert lab.row(number).state == State.EXECUTOR_ERROR


@both
def test_a_task_that_is_complete_at_last_tells_nothing_of_how_it_failed(lab: SmallLab, tmp_path: Path) -> None:
    lab.add("texts", {"/a.txt": "1"})
    flag = tmp_path / "tried"
    lab.apply(
        {
            "pipeline": "second",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "try": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": f'[ -e "{flag}" ] && exit 0; touch "{flag}"; exit 3',
                    "retry": {"attempts": 3, "on": ["user"], "backoff": "1ms"},
                }
            },
        }
    )
    before = time.time()
    (row,) = lab.tasks(lab.run("second"))
    assert (row.state, row.cause, row.message, row.attempts) == (State.COMPLETE, None, "", 1)
    assert row.failures == {"user": 1}
    assert before < row.ended_at <= time.time()


@both
def test_exports_reach_later_steps_and_their_keys(lab: SmallLab) -> None:
    lab.add("texts", {"/a.txt": "1\n2\n"})
    lab.apply(
        {
            "pipeline": "export",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "measure": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": 'echo "{\\"summary\\": {\\"lines\\": $(wc -l < "$FILE")}}" > "$OUT/exports.json"; '
                    'cp "$FILE" "$OUT/"',
                    "exports": {"n_lines": "summary.lines"},
                },
                "use": {
                    "inputs": {"file": {"from": "measure", "glob": "/*"}},
                    "command": 'echo "$N_LINES" > "$OUT/n"',
                },
            },
            "outputs": {"n": {"from": "use", "publish": "n"}},
        }
    )
    lab.run("export")
    assert lab.content("n") == {"/n": b"2\n"}


@both
def test_groups_share_a_key_and_crosses_combine(lab: SmallLab) -> None:
    lab.add("reads", {"/s1_R1.fq": "1", "/s1_R2.fq": "2", "/s2_R1.fq": "3"})
    lab.add("params", {"/x": "x", "/y": "y"})
    lab.apply(
        {
            "pipeline": "cross",
            "inputs": {"reads": {"dataset": "reads"}, "params": {"dataset": "params"}},
            "steps": {
                "both": {
                    "inputs": {
                        "reads": {"from": "reads", "glob": "/{sample}_R*.fq", "group_by": "$sample"},
                        "with": {"from": "params", "glob": "/{p}"},
                    },
                    "command": 'cat "$READS"/* > "$OUT/$SAMPLE-$P"',
                }
            },
            "outputs": {"both": {"from": "both", "publish": "both"}},
        }
    )
    lab.run("cross")
    assert lab.content("both") == {"/s1-x": b"12", "/s1-y": b"12", "/s2-x": b"3", "/s2-y": b"3"}


@both
def test_no_datums_is_a_legal_run(lab: SmallLab) -> None:
    lab.apply(COUNT, {"sum.sh": SUM})
    row = lab.row(lab.run("count"))
    assert row.state == State.COMPLETE
    assert lab.content("counts") == {}


@both
def test_cancel_ends_a_command_that_ignores_sigterm(lab: SmallLab) -> None:
    lab.add("texts", {"/a.txt": "1", "/b.txt": "2", "/c.txt": "3"})
    lab.apply(
        {
            "pipeline": "slow",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "sleep": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": "trap '' TERM; sleep 300",
                }
            },
        }
    )
    number = lab.start("slow")
    supervisor = Supervisor(lab.catalogue, lab.store, lambda _: lab.executor)
    supervisor.open()
    while not any(row.state == State.RUNNING for row in lab.tasks(number)):
        supervisor.cycle()
        supervisor.wait(0.05)
    with lab.catalogue.write() as connection:
        cancel(connection, number)
    lab.supervise(supervisor, seconds=30)
    supervisor.close()
    assert lab.row(number).state == State.CANCELED
    assert {row.state for row in lab.tasks(number)} == {State.CANCELED}


@both
def test_retry_starts_a_run_that_does_only_what_failed(lab: SmallLab) -> None:
    flag = lab.folder / "flag"
    lab.add("texts", {"/a.txt": "1", "/b.txt": "2"})
    lab.apply(
        {
            "pipeline": "later",
            "inputs": {"texts": {"dataset": "texts"}},
            "steps": {
                "copy": {
                    "inputs": {"file": {"from": "texts", "glob": "/*"}},
                    "command": f'case "$FILE" in *b.txt) test -e "{flag}" || exit 1;; esac; cp "$FILE" "$OUT"',
                }
            },
        }
    )
    first = lab.run("later")
    assert lab.row(first).parked == 1
    flag.write_text("")
    with lab.catalogue.write() as connection:
        second = retry(connection, first, "test")[0]
    lab.supervise()
    assert lab.ran(second) == ["copy:/b.txt"]
    assert lab.row(second).parked == 0


@both
def test_an_older_run_does_not_publish_over_newer_inputs(counted: SmallLab) -> None:
    older = counted.start("count")
    with counted.catalogue.write() as connection:
        cancel(connection, older)
    counted.supervise()
    counted.add("texts", {"/a.txt": "1\n2\n3\n"})
    counted.run("count")
    with counted.catalogue.write() as connection:
        again = retry(connection, older, "test")[0]
    counted.supervise()
    row = counted.row(again)
    assert row.state == State.COMPLETE
    assert "not published: run 2 has published what came of newer inputs" in row.message
    assert counted.content("counts")["/a.count"] == b"3\n"
    assert counted.content("counts", "1")["/a.count"] == b"3\n"


@both
def test_a_person_may_bind_and_publish_an_older_version(counted: SmallLab) -> None:
    counted.add("texts", {"/a.txt": "1\n2\n3\n"})
    counted.run("count")
    with counted.catalogue.write() as connection:
        order = Order(current(connection, "count"), inputs={"texts": "texts@1"}, publish=True)
        assert start(connection, order)
    counted.supervise()
    assert counted.content("counts")["/a.count"] == b"2\n"


@both
def test_a_retry_has_the_versions_of_the_run_before_empty_ones_too(lab: SmallLab) -> None:
    lab.apply(COUNT, {"sum.sh": SUM})
    first = lab.start("count")
    with lab.catalogue.write() as connection:
        cancel(connection, first)
    lab.supervise()
    lab.add("texts", {"/a.txt": "1\n"})
    with lab.catalogue.write() as connection:
        again = retry(connection, first, "test")[0]
    assert lab.row(again).inputs == lab.row(first).inputs == {"texts": ["texts", 0]}


@both
@pytest.mark.parametrize("command", [":", 'echo \'{"other": 1}\' > "$OUT/exports.json"'])
def test_a_value_that_is_not_exported_is_the_commands_fault(lab: SmallLab, command: str) -> None:
    lab.add("texts", {"/a.txt": "1\n"})
    step = {
        "inputs": {"file": {"from": "texts", "glob": "/*"}},
        "command": command,
        "exports": {"n": "summary.total"},
    }
    lab.apply({"pipeline": "export", "inputs": {"texts": {"dataset": "texts"}}, "steps": {"measure": step}})
    number = lab.run("export")
    (row,) = lab.tasks(number)
    assert (row.state, row.cause) == (State.EXECUTOR_ERROR, "user")
    assert "The export n cannot be read" in row.message


def test_a_step_that_may_use_the_network_is_other_work(lab: SmallLab) -> None:
    lab.add("texts", {"/a.txt": "1\n"})
    step: dict[str, Any] = {"inputs": {"file": {"from": "texts", "glob": "/*"}}, "command": ":"}
    document = {"pipeline": "net", "inputs": {"texts": {"dataset": "texts"}}, "steps": {"look": step}}
    lab.apply(document)
    lab.run("net")
    lab.apply({**document, "steps": {"look": {**step, "network": True}}})
    number = lab.run("net")
    assert lab.ran(number) == ["look:/a.txt"]
    with lab.catalogue.read() as connection:
        assert [each.part for each in why(connection, number, "look/1").differences] == ["network"]


@both
def test_why_says_that_a_datum_is_new_and_what_else_differs(counted: SmallLab) -> None:
    counted.run("count")
    counted.add("texts", {"/c.txt": "4\n"})
    second = counted.run("count")
    third = counted.run("count", unit="w")
    with counted.catalogue.read() as connection:
        new = why(connection, second, "count/3")
        changed = why(connection, third, "count/3")
    assert new.text == "its datum is new: no earlier task of this step worked on the same files"
    assert new.differences == ()
    assert [each.part for each in changed.differences] == ["parameter unit"]
