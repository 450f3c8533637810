"""What every executor keeps to: processes and containers alike."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from aliquot.blobs import open_store
from aliquot.executors.container import ContainerExecutor
from aliquot.executors.process import ProcessExecutor, end_leftovers
from aliquot.model.errors import Invalid, Unavailable
from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Resources, TaskDocument, outcome_from_json
from executor_place import IMAGE, IMAGE_WITH_USER, Place, living_of

MIB = 2**20


@pytest.fixture(params=["process", "container"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "process":
        place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 2, grace=0.5), None)
    else:
        request.getfixturevalue("images")
        place = Place(tmp_path, lambda store, work: ContainerExecutor(store, work, 2, grace=0.5), IMAGE)
    yield place
    place.executor.close()
    assert list(place.work.iterdir()) == []


@pytest.fixture
def containers(images: None, tmp_path: Path) -> Iterator[Place]:
    del images
    place = Place(tmp_path, lambda store, work: ContainerExecutor(store, work, 1, "podman", grace=0.5), IMAGE)
    yield place
    place.executor.close()


def test_a_command_copies_its_input(place: Place) -> None:
    data = os.urandom(4096)
    outcome = place.run('cp "$READS" "$OUT"/', {"in/reads/a.bin": data})
    assert outcome.state is State.COMPLETE, outcome.message
    assert (outcome.cause, outcome.exit_code, outcome.message) == (None, 0, "")
    assert [each.path for each in outcome.outputs] == ["/a.bin"]
    assert place.content(outcome, "/a.bin") == data
    assert (outcome.stdout, outcome.stderr, outcome.tail) == (None, None, "")
    assert 0 < outcome.usage.wall <= outcome.ended_at - outcome.started_at


def test_a_large_input_and_output(place: Place) -> None:
    data = os.urandom(3 * MIB)
    outcome = place.run('cp "$READS" "$OUT"/b', {"in/reads/a.bin": data})
    assert place.content(outcome, "/b") == data


def test_a_large_result_becomes_the_blob_as_it_lies(place: Place) -> None:
    data = os.urandom(3 * MIB)
    outcome = place.run('cp "$READS" "$OUT"/b; echo x >> "$OUT"/b; ls -i "$OUT"/b', {"in/reads/a.bin": data})
    assert place.content(outcome, "/b") == data + b"x\n"
    where = {each.digest: each for each in outcome.locations}
    blob = place.store.local_path(where[outcome.outputs[0].digest])
    assert blob
    assert blob.stat().st_ino == int(outcome.tail.split()[0])


def test_a_large_result_under_two_names_is_stored_once(place: Place) -> None:
    data = os.urandom(3 * MIB)
    outcome = place.run('cp "$READS" "$OUT"/b; ln "$OUT"/b "$OUT"/c; echo x >> "$OUT"/b', {"in/reads/a.bin": data})
    assert place.content(outcome, "/b") == place.content(outcome, "/c") == data + b"x\n"
    assert len({each.digest for each in outcome.outputs}) == 1


def test_what_a_command_sees(place: Place) -> None:
    outcome = place.run(
        'env | sort > "$OUT/env"; pwd > "$OUT/pwd"; cat "$TASK" > "$OUT/task"; sh "$BUNDLE/tool.sh" > "$OUT/tool"',
        {"in/reads/a.txt": b"a", "bundle/tool.sh": b"echo from the bundle"},
        environment={"SAMPLE": "s 1; rm -rf /", "CPUS": "2"},
    )
    assert outcome.state is State.COMPLETE, outcome.tail
    seen = dict(line.split("=", 1) for line in place.content(outcome, "/env").decode().splitlines())
    folder = place.content(outcome, "/pwd").decode().strip()
    assert seen["SAMPLE"] == "s 1; rm -rf /"
    assert seen["CPUS"] == "2"
    assert seen["HOME"] == folder
    assert seen["TMPDIR"] == f"{folder}/tmp"
    assert seen["READS"] == f"{folder}/in/reads/a.txt"
    assert seen["OUT"] == f"{folder}/out"
    assert (seen["LANG"], seen["LC_ALL"]) == ("C.UTF-8", "C.UTF-8")
    assert place.content(outcome, "/tool") == b"from the bundle\n"
    assert b'"format":1' in place.content(outcome, "/task")


def test_nothing_is_inherited(place: Place) -> None:
    assert "PYTEST_CURRENT_TEST" in os.environ
    outcome = place.run('env > "$OUT/env"')
    assert b"PYTEST" not in place.content(outcome, "/env")


def test_values_in_a_list_are_not_split(place: Place) -> None:
    outcome = place.run(
        ("sh", "-c", 'for each; do echo "<$each>"; done > $OUT/list', "sh", "$WORDS", "${WORDS}s", "$$5 a$b $1"),
        environment={"WORDS": "two words; *"},
    )
    assert place.content(outcome, "/list") == b"<two words; *>\n<two words; *s>\n<$5 a$b $1>\n"


def test_a_list_is_expanded_before_it_is_run(place: Place) -> None:
    outcome = place.run(("cp", "$READS", "${OUT}/$NAME"), {"in/reads/a.txt": b"a"}, environment={"NAME": "my file"})
    assert outcome.state is State.COMPLETE, outcome.message
    assert [each.path for each in outcome.outputs] == ["/my file"]


def test_a_name_without_a_value_is_named(place: Place) -> None:
    outcome = place.run(("cp", "$REEDS", "$OUT"), {"in/reads/a.txt": b"a"})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "$REEDS" in outcome.message
    assert "READS" in outcome.message


def test_stored_bytes_survive_a_hostile_command(place: Place) -> None:
    small, large = b"small", os.urandom(MIB)
    files = {"in/small/a": small, "in/large/b": large}
    outcome = place.run("chmod -R a+w in; echo x > in/small/a; echo x > in/large/b; rm -rf in/* bundle; true", files)
    assert outcome.state is State.COMPLETE, outcome.message
    again = place.run('cp "$SMALL" "$LARGE" "$OUT"', files)
    assert place.content(again, "/a") == small
    assert place.content(again, "/b") == large


def test_a_failing_command(place: Place) -> None:
    outcome = place.run("seq 1 30; echo it is broken >&2; exit 3")
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.EXECUTOR_ERROR, Cause.USER, 3)
    assert "exit code 3" in outcome.message
    assert "\n30\n" in outcome.tail
    assert "\n10\n" not in outcome.tail
    assert "it is broken" in outcome.tail
    assert place.bytes_of(outcome, outcome.stderr) == b"it is broken\n"
    assert place.bytes_of(outcome, outcome.stdout).startswith(b"1\n2\n")
    assert outcome.outputs == ()


@pytest.mark.parametrize("command", ["no-such-program --x", ("no-such-program", "--x")])
def test_a_program_that_is_not_there(place: Place, command: str | tuple[str, ...]) -> None:
    outcome = place.run(command)
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "not found" in outcome.message
    assert "no-such-program" in outcome.message + outcome.tail


def test_a_command_that_kills_itself(place: Place) -> None:
    outcome = place.run("sh -c 'kill -TERM $$'; exit $?")
    assert (outcome.cause, outcome.exit_code) == (Cause.USER, 143)
    assert "SIGTERM" in outcome.message


@pytest.mark.parametrize("trap", ["", 'trap "" TERM; ', 'trap "" TERM; (while :; do sleep 1; done) & '])
def test_a_command_that_takes_too_long(place: Place, trap: str) -> None:
    (handle,) = place.executor.submit(
        [place.document(f"{trap}while :; do sleep 0.1; done", resources=Resources(time=0.5))]
    )
    outcome = place.outcome(handle)
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.TIMEOUT)
    assert "0.5 s" in outcome.message
    assert outcome.usage.wall < 10
    place.until(lambda: living_of(handle) == [])


def test_a_command_may_end_well_when_it_is_asked_to(place: Place) -> None:
    command = 'trap "echo goodbye; exit 0" TERM; while :; do sleep 0.1; done'
    outcome = place.run(command, resources={"time": 0.5})
    assert outcome.cause is Cause.TIMEOUT
    assert "goodbye" in outcome.tail


def test_cancel_what_runs_and_what_waits(place: Place) -> None:
    handles = place.executor.submit([place.document("sleep 300") for _ in range(4)])
    place.until(lambda: sum(sighting.running for sighting in place.executor.look(handles)) == 2)
    place.executor.cancel(handles)
    for handle in handles:
        outcome = place.outcome(handle)
        assert (outcome.state, outcome.cause) == (State.CANCELED, Cause.CANCELED)
    place.until(lambda: living_of(handles[0]) == [])


def test_cancel_does_not_wait_for_a_slot(place: Place) -> None:
    handles = place.executor.submit([place.document("sleep 300") for _ in range(4)])
    place.until(lambda: sum(sighting.running for sighting in place.executor.look(handles)) == 2)
    place.executor.cancel(handles[2:])
    assert [place.outcome(handle).state for handle in handles[2:]] == [State.CANCELED] * 2
    assert [sighting.running for sighting in place.executor.look(handles)] == [True, True, False, False]
    place.executor.cancel(handles)
    assert [place.outcome(handle).state for handle in handles[:2]] == [State.CANCELED] * 2


def test_children_that_outlive_their_command_are_ended(place: Place) -> None:
    (handle,) = place.executor.submit([place.document("sleep 300 & sleep 300 & echo done > $OUT/done")])
    assert place.outcome(handle).state is State.COMPLETE
    place.until(lambda: living_of(handle) == [])


@pytest.mark.parametrize("escape", ["setsid", "env -i setsid"])
def test_a_child_that_leaves_its_session_is_ended(place: Place, escape: str) -> None:
    command = (
        f"PATH=$PATH:/bin; ({escape} $(command -v sh) -c 'echo up > out/up; exec sleep 1234.5' &) ; "
        "while [ ! -s out/up ]; do sleep 0.01; done"
    )
    (handle,) = place.executor.submit([place.document(command)])
    outcome = place.outcome(handle)
    assert outcome.state is State.COMPLETE, outcome.tail
    place.until(lambda: sleeping("1234.5") == 0)


DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.chdir("/")
os.setsid()
if os.fork():
    os._exit(0)
os.closerange(0, 100)
held = bytearray(int(sys.argv[1]) * 2**20)
ready = os.open(sys.argv[2], os.O_CREAT)
os.close(ready)
time.sleep(float(sys.argv[3]))
"""


def daemon(tmp_path: Path, seconds: str, mebibytes: int = 1) -> str:
    """Give a shell command that starts a daemon that nothing ties to its task, and waits until it is up."""
    program = tmp_path / "daemon.py"
    program.write_text(DAEMON)
    up = tmp_path / f"up-{seconds}"
    start = f"env -i {sys.executable} {program} {mebibytes} {up} {seconds}"
    return f"{start}; while [ ! -e {up} ]; do sleep 0.01; done; rm {up}"


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 2, grace=0.5), None)
    yield place
    place.executor.close()


def running(words: str) -> list[int]:
    """List the living processes among whose arguments this is one."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if words in (folder / "cmdline").read_text().split("\0"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_what_left_its_session_folder_and_environment_is_ended(processes: Place) -> None:
    command = f"(cd /; setsid env -i {sys.executable} -c 'import time; time.sleep(1234.25)' 1234.25 &); sleep 0.1"
    assert processes.run(command).state is State.COMPLETE
    assert running("1234.25") == []


def test_a_daemon_that_nothing_ties_to_its_task_is_ended(processes: Place, tmp_path: Path) -> None:
    assert processes.run(daemon(tmp_path, "1234.75")).state is State.COMPLETE
    assert running("1234.75") == []


@pytest.mark.parametrize("escape", ["setsid", "daemon"])
def test_memory_of_what_has_escaped_counts(processes: Place, tmp_path: Path, escape: str) -> None:
    command = daemon(tmp_path, "1235.25", 400)
    if escape == "setsid":
        program = "import time; x = bytearray(400 * 2**20); time.sleep(100)"
        command = f"(cd /; setsid env -i {sys.executable} -c '{program}' 1235.25 &)"
    outcome = processes.run(f"{command}; sleep 60", resources={"memory": 50 * MIB, "time": 20.0})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.OOM), outcome
    assert outcome.usage.wall < 15
    assert running("1235.25") == []


def test_time_limits_what_has_escaped(processes: Place, tmp_path: Path) -> None:
    outcome = processes.run(f"{daemon(tmp_path, '1235.75')}; sleep 60", resources={"time": 1.0})
    assert outcome.cause is Cause.TIMEOUT
    assert running("1235.75") == []


def test_an_escaped_process_of_one_of_two_ends_with_its_own_task(processes: Place, tmp_path: Path) -> None:
    go = tmp_path / "go"
    (other,) = processes.executor.submit([processes.document(f"while [ ! -e {go} ]; do sleep 0.02; done")])
    processes.until(lambda: processes.executor.look([other])[0].running)
    assert processes.run(daemon(tmp_path, "1236.25")).state is State.COMPLETE
    assert running("1236.25") == []
    go.touch()
    assert processes.outcome(other).state is State.COMPLETE


def test_an_escaped_process_that_writes_to_its_log_ends_with_its_own_task(processes: Place) -> None:
    (other,) = processes.executor.submit([processes.document("sleep 60")])
    processes.until(lambda: processes.executor.look([other])[0].running)
    command = f"(cd /; setsid env -i {sys.executable} -c 'import time; time.sleep(1236.75)' 1236.75 &); sleep 0.1"
    assert processes.run(command).state is State.COMPLETE
    assert running("1236.75") == []
    assert processes.executor.look([other])[0].outcome is None


def test_children_of_the_program_itself_are_left_alone(processes: Place) -> None:
    (first,) = processes.executor.submit([processes.document("sleep 0.7; (setsid sleep 0.5 &)")])
    processes.until(lambda: processes.executor.look([first])[0].running)
    own = [
        subprocess.Popen(["sleep", "60"]),
        subprocess.Popen(["sleep", "60"], env={}),
        subprocess.Popen(["sleep", "60"], start_new_session=True),
        subprocess.Popen(["sleep", "60"], start_new_session=True, env={"PATH": "/bin", **os.environ}),
    ]
    ended = subprocess.Popen(["sh", "-c", "exit 7"], start_new_session=True)
    try:
        subprocess.run(["sh", "-c", "setsid env -i sleep 1237.25 & sleep 0.1"], cwd="/", check=True)
        assert processes.outcome(first).state is State.COMPLETE
        assert processes.run("true").state is State.COMPLETE
        assert [each.poll() for each in own] == [None] * len(own)
        assert len(running("1237.25")) == 1
        assert ended.wait() == 7
    finally:
        for pid in [*(each.pid for each in own), *running("1237.25")]:
            os.kill(pid, signal.SIGKILL)
        for each in own:
            each.wait()


def sleeping(seconds: str) -> int:
    wanted = ["sleep", seconds]
    count = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        count += words[:2] == wanted
    return count


def test_memory_is_limited(place: Place) -> None:
    command = "x=$(head -c 400000000 /dev/zero | tr '\\000' a); sleep 60"
    outcome = place.run(command, resources={"memory": 100 * MIB})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.OOM), outcome
    assert "100 MiB" in outcome.message
    assert outcome.usage.wall < 30


@pytest.mark.parametrize("then", ["echo no", "exit 0", "exit 3", "sleep 0.3; echo no > $OUT/no"])
def test_a_killed_child_under_a_shell_that_goes_on_is_out_of_memory(containers: Place, then: str) -> None:
    command = f"dd if=/dev/zero of=/dev/null bs=200M count=1; {then}"
    outcome = containers.run(command, resources={"memory": 32 * MIB})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.OOM), outcome
    assert outcome.exit_code == (3 if then == "exit 3" else 0)
    assert "32 MiB" in outcome.message
    assert "resources.memory" in outcome.message
    assert outcome.outputs == ()


def test_use_is_recorded(place: Place) -> None:
    command = (
        "x=$(head -c 30000000 /dev/zero | tr '\\000' a); i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; sleep 0.5"
    )
    outcome = place.run(command, resources={"memory": 600 * MIB})
    assert outcome.state is State.COMPLETE, outcome.message
    assert 25 * MIB < outcome.usage.peak_memory < 500 * MIB
    assert 0.05 < outcome.usage.cpu < 30
    assert outcome.usage.wall > 0.5


def test_a_flood_of_output_is_cut(place: Place) -> None:
    command = "echo first; head -c 200000000 /dev/zero | tr '\\000' x; echo; echo last"
    (handle,) = place.executor.submit([place.document(command)])
    outcome = place.outcome(handle)
    assert outcome.state is State.COMPLETE, outcome.message
    kept = place.bytes_of(outcome, outcome.stdout)
    assert kept.startswith(b"first\nxxx")
    assert kept.endswith(b"xxx\nlast\n")
    assert b"bytes were left out here" in kept
    assert len(kept) < 65 * MIB
    assert outcome.tail.endswith("last")


@pytest.mark.parametrize("then", ["; sleep 60", ""])
def test_disk_is_limited(place: Place, then: str) -> None:
    outcome = place.run(f'head -c 80000000 /dev/zero > "$OUT/big"{then}', resources={"disk": 20 * MIB})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "resources.disk" in outcome.message
    assert outcome.usage.wall < 30


def test_no_outputs_are_legal(place: Place) -> None:
    outcome = place.run("true")
    assert (outcome.state, outcome.outputs, outcome.locations, outcome.exports) == (State.COMPLETE, (), (), None)


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ('ln -s /etc/passwd "$OUT/x y"', "symbolic link"),
        ('mkfifo "$OUT/x y"', "named pipe"),
        ('mkdir "$OUT/d" && ln -s d "$OUT/x y"', "symbolic link"),
    ],
)
def test_only_files_are_outputs(place: Place, command: str, word: str) -> None:
    outcome = place.run(command)
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert word in outcome.message
    assert "out/x y" in outcome.message


def test_an_out_that_is_replaced_is_refused(place: Place) -> None:
    outcome = place.run("rm -rf out && ln -s /etc out")
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert place.run("echo 1 > $OUT/a").state is State.COMPLETE


def test_names_of_all_kinds(place: Place) -> None:
    names = ["a b", "-rf", "new\nline", "Ünïcödé-試料", "x" * 255, "$(id)", "'\"\\"]
    files = {f"in/i{number}/{name}": name.encode() for number, name in enumerate(names)}
    copies = "; ".join(f'mkdir -p "$OUT/deep/{n}" && cp -- "$I{n}" "$OUT/deep/{n}/"' for n in range(len(names)))
    outcome = place.run(copies, files)
    assert outcome.state is State.COMPLETE, outcome.tail
    assert [each.path for each in outcome.outputs] == sorted(f"/deep/{n}/{name}" for n, name in enumerate(names))
    for number, name in enumerate(names):
        assert place.content(outcome, f"/deep/{number}/{name}") == name.encode()


def test_a_name_that_is_not_utf8_is_refused(place: Place) -> None:
    outcome = place.run(r"""echo 1 > "$OUT/$(printf 'bad\377')" """)
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert r"bad\xff" in outcome.message
    outcome.to_json().encode()


def test_exports_are_no_output(place: Place) -> None:
    command = (
        """mkdir "$OUT/sub"; echo '{"n": 3, "é": [1.5, null]}' | tee "$OUT/exports.json" > "$OUT/sub/exports.json" """
    )
    outcome = place.run(command)
    assert outcome.exports == {"n": 3, "é": [1.5, None]}
    assert [each.path for each in outcome.outputs] == ["/sub/exports.json"]


@pytest.mark.parametrize("text", ["{", '{"n": NaN}', r'"\\ud800"', ""])
def test_exports_that_are_not_json(place: Place, text: str) -> None:
    outcome = place.run(f"""printf '{text}' > "$OUT/exports.json" """)
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "exports.json" in outcome.message


def test_a_value_that_no_environment_can_hold(place: Place) -> None:
    outcome = place.run("true", environment={"NAME": "a\0b"})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "NAME" in outcome.message


def test_values_that_are_too_large_are_the_users(place: Place) -> None:
    outcome = place.run("true", environment={"NAME": "x" * 200_000})
    assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert "in a file" in outcome.message


def test_results_that_cannot_be_stored_are_ours(place: Place) -> None:
    (handle,) = place.executor.submit([place.document("echo 1 > $OUT/a; sleep 0.5")])
    place.until(lambda: place.executor.look([handle])[0].running)
    store = place.work.parent / "store"
    store.rename(place.work.parent / "elsewhere")
    store.write_text("the disk is gone")
    outcome = place.outcome(handle)
    assert (outcome.state, outcome.cause, outcome.outputs) == (State.SYSTEM_ERROR, Cause.OURS, ())
    assert "could not be stored" in outcome.message


def test_submitting_twice_is_one_attempt(place: Place) -> None:
    document = place.document("echo $$ > $OUT/pid; sleep 0.2")
    first = place.executor.submit([document, document])
    assert place.executor.submit([document]) == first[:1]
    assert first[0] == first[1]
    outcome = place.outcome(first[0])
    assert place.executor.submit([document]) == first[:1]
    (sighting,) = place.executor.look(first[:1])
    assert sighting.outcome == outcome
    other = place.executor.submit([place.document("true", task=document.task, fence=2)])
    assert other != first[:1]
    assert place.outcome(other[0]).outputs == ()


def test_an_unknown_handle_is_lost(place: Place) -> None:
    unknown = Handle(f"{place.executor.name}:1-2-abc:7-1")
    (sighting,) = place.executor.look([unknown])
    assert (sighting.handle, sighting.lost, sighting.running, sighting.outcome) == (unknown, True, False, None)
    place.executor.cancel([unknown])
    place.executor.forget([unknown])


def test_forget_lets_go_of_what_has_ended(place: Place) -> None:
    ended, running = place.executor.submit([place.document("true"), place.document("sleep 300")])
    place.outcome(ended)
    place.executor.forget([ended, running])
    lost = [sighting.lost for sighting in place.executor.look([ended, running])]
    assert lost == [True, False]


def test_a_slot_is_clean_for_the_next(place: Place) -> None:
    litter = "echo 1 > left; mkdir -p tmp/a/b out/c in2; echo 2 > tmp/a/b/x; chmod 0 tmp/a; echo noise"
    for _ in range(4):
        place.run(litter, {"in/one/a": b"1", "in/two/sub/b": b"2"})
    for _ in range(4):
        outcome = place.run('ls -A . in in/three tmp out bundle > "$OUT/seen"', {"in/three/c": b"3"})
        seen = place.content(outcome, "/seen").decode()
        lines = [line for line in seen.splitlines() if line and not line.endswith(":")]
        assert sorted(lines) == ["bundle", "c", "in", "out", "seen", "task.json", "three", "tmp"]
        assert outcome.stdout is None


def test_a_slot_survives_the_loss_of_its_folder(place: Place) -> None:
    for _ in range(2):
        assert place.run('cd /; rm -rf "$HOME"', {"in/one/a": b"1"}).cause is Cause.USER
        assert place.run("rm -rf in bundle tmp; echo 1 > in; ln -s / bundle; true").state is State.COMPLETE
    for _ in range(2):
        outcome = place.run('cp "$ONE" "$OUT/a"; echo 1 > "$TMPDIR/x"', {"in/one/a": b"1"})
        assert place.content(outcome, "/a") == b"1"


def test_a_damaged_input_is_ours(place: Place) -> None:
    document = place.document("true", {"in/reads/a": os.urandom(1000)})
    pack = document.files[0].blob.pack
    assert pack
    (file,) = [path for path in (place.work.parent / "store").rglob("*") if path.name.endswith(pack[-8:])]
    file.chmod(0o600)
    with file.open("r+b") as broken:
        broken.write(b"\0\xff\0\xff")
    (handle,) = place.executor.submit([document])
    outcome = place.outcome(handle)
    assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.OURS)
    assert "restore" in outcome.message


@pytest.mark.parametrize("folder", ["in/reads", "bundle"])
def test_a_large_damaged_input_reaches_no_command(place: Place, folder: str) -> None:
    document = place.document("true", {f"{folder}/a": os.urandom(3 * MIB)})
    damage(place, document)
    (handle,) = place.executor.submit([document])
    outcome = place.outcome(handle)
    assert (outcome.state, outcome.cause, outcome.exit_code) == (State.SYSTEM_ERROR, Cause.OURS, None)
    assert document.files[0].blob.digest in outcome.message
    assert "from a copy" in outcome.message


def test_stage_gives_no_command_a_damaged_input(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1), None)
    place.executor.close()
    ran = tmp_path / "ran"
    document = place.document(f"touch {ran}", {"in/reads/a": os.urandom(3 * MIB)})
    damage(place, document)
    (tmp_path / "task.json").write_text(document.to_json())
    command = [sys.executable, "-m", "aliquot.executors.stage", str(tmp_path / "task.json")]
    assert subprocess.run(command, check=False).returncode == 1
    outcome = outcome_from_json((tmp_path / "outcome.json").read_text())
    assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.OURS)
    assert document.files[0].blob.digest in outcome.message
    assert not ran.exists()


def damage(place: Place, document: TaskDocument) -> None:
    path = place.store.local_path(document.files[0].blob)
    assert path
    path.chmod(0o600)
    with path.open("r+b") as broken:
        broken.seek(2 * MIB)
        broken.write(b"\0\xff\0\xff")


def test_closing_ends_what_runs(place: Place) -> None:
    (handle,) = place.executor.submit([place.document("sleep 300")])
    place.until(lambda: place.executor.look([handle])[0].running)
    began = time.monotonic()
    place.executor.close()
    assert time.monotonic() - began < 10
    assert living_of(handle) == []


SUPERVISOR = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from executor_place import Place
from aliquot.executors.container import ContainerExecutor
from aliquot.executors.process import ProcessExecutor
kind = {"process": ProcessExecutor, "container": ContainerExecutor}[sys.argv[1]]
place = Place(Path(sys.argv[2]), lambda store, work: kind(store, work, 1), sys.argv[4] or None)
(handle,) = place.executor.submit([place.document("sleep 300 & setsid sleep 300 & sleep 300")])
place.until(lambda: place.executor.look([handle])[0].running)
print(handle, flush=True)
sys.stdin.read()
"""


def test_leftovers_of_a_dead_supervisor_are_ended_and_no_others(place: Place) -> None:
    root, tests = str(place.work.parent), str(Path(__file__).parent.parent)
    other = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, place.executor.name, root, tests, place.image or ""],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout
    dead = Handle(other.stdout.readline().strip())
    (alive,) = place.executor.submit([place.document("sleep 300")])
    place.until(lambda: len(living_of(dead)) >= 3 and len(living_of(alive)) >= 1)
    assert end_leftovers(place.work) == 0
    other.kill()
    other.communicate()
    assert len(living_of(dead)) >= 3
    assert place.executor.look([dead])[0].lost
    assert end_leftovers(place.work) >= 1
    assert living_of(dead) == []
    assert len(living_of(alive)) >= 1
    assert len([path for path in place.work.iterdir() if path.is_dir()]) == 1


def test_a_full_disk_is_said_in_words(place: Place, small_disk: Path, tmp_path: Path) -> None:
    kind = type(place.executor)
    tight = Place(tmp_path / "tight", lambda store, _: kind(store, small_disk / "work", 1), place.image)
    try:
        big = os.urandom(12 * MIB)
        staged = tight.run("true", {"in/reads/a": big})
        assert (staged.state, staged.cause) == (State.SYSTEM_ERROR, Cause.OURS)
        assert "full" in staged.message
        written = tight.run('head -c 20000000 /dev/zero > "$OUT/big"')
        assert (written.state, written.cause) == (State.SYSTEM_ERROR, Cause.OURS)
        assert "full" in written.message
        after = tight.run("true")
        assert after.state is State.COMPLETE, after.message
    finally:
        tight.executor.close()


def test_a_disk_that_is_full_from_the_first_on_costs_no_slot(place: Place, small_disk: Path, tmp_path: Path) -> None:
    kind = type(place.executor)
    tight = Place(tmp_path / "tight", lambda store, _: kind(store, small_disk / "work", 1), place.image)
    try:
        with suppress(OSError), (small_disk / "fill").open("wb", buffering=0) as fill:
            while True:
                fill.write(b"x" * 4096)
        for _ in range(3):
            outcome = tight.run("true")
            assert (outcome.state, outcome.cause, outcome.may_pass) == (State.SYSTEM_ERROR, Cause.OURS, True)
            assert "full" in outcome.message
        (small_disk / "fill").unlink()
        assert tight.run("true").state is State.COMPLETE
    finally:
        tight.executor.close()


def test_many_at_once(place: Place) -> None:
    count = 200 if place.executor.name == "process" else 6
    documents = [
        place.document('cp "$A" "$OUT/a"; echo $I', {"in/a/x": b"%d" % n}, environment={"I": str(n)})
        for n in range(count)
    ]
    handles = place.executor.submit(documents)
    for number, handle in enumerate(handles):
        outcome = place.outcome(handle)
        assert place.content(outcome, "/a") == b"%d" % number
        assert place.bytes_of(outcome, outcome.stdout) == b"%d\n" % number
    assert place.executor.capacity >= 2


def test_a_shepherd_that_is_killed_takes_no_turn_with_it(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1, grace=0.5), None)
    for _ in range(25):
        outcome = place.run("kill -9 $PPID")
        assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.LOST)
        assert "was ended from outside" in outcome.message
    assert place.run("true").state is State.COMPLETE
    place.executor.close()


def test_a_command_is_given_no_files_of_its_shepherd(processes: Place) -> None:
    outcome = processes.run("ls -l /proc/self/fd | grep -v '^total' | wc -l")
    # Standard input, output and error, and the folder that is listed.
    assert outcome.tail.split() == ["4"]


dash_only = pytest.mark.skipif(Path("/bin/sh").resolve().name != "dash", reason="the system's shell is not dash")


@dash_only
@pytest.mark.parametrize(("command", "alone"), [("cat /proc/self/stat", True), ("cat /proc/self/stat && true", False)])
def test_one_program_is_started_without_a_shell(processes: Place, command: str, alone: bool) -> None:
    outcome = processes.run(command)
    # proc_pid_stat(5): process, name, state, parent, group, session. Under a shell, that leads group and session.
    process, _, _, parent, group, session = processes.bytes_of(outcome, outcome.stdout).split()[:6]
    assert (parent == session != group, parent == session == group) == (alone, not alone)
    assert process not in {group, session}


@dash_only
def test_a_program_sees_the_environment_that_a_shell_would_give_it(processes: Place) -> None:
    seen = [processes.run(command, environment={"NAME": "é *"}) for command in ("env -0", "env -0; true")]
    both: list[dict[str, str]] = []
    for outcome in seen:
        lines = processes.bytes_of(outcome, outcome.stdout).decode().rstrip("\0").split("\0")
        values = dict(line.split("=", 1) for line in lines)
        del values["ALIQUOT_TASK"]
        both.append({name: value.replace(values["HOME"], "HOME") for name, value in values.items()})
    assert both[0] == both[1]
    assert both[0]["PWD"] == "HOME"


BOLD = {
    "slow.sh": b'sleep 0.2\necho 1 > "$OUT/r"\n',
    "session.py": b"import os\nos.setsid()\nopen(os.environ['OUT'] + '/r', 'w').write('1')\n",
    "group.py": b"import os\nos.setpgid(0, 0)\nopen(os.environ['OUT'] + '/r', 'w').write('1')\n",
    "terminal.py": b"import os, pty\n_, there = pty.openpty()\nos.close(os.open(os.ttyname(there), os.O_RDWR))\n"
    b"open(os.environ['OUT'] + '/r', 'w').write('1')\n",
}


@pytest.mark.parametrize(
    "command",
    [
        'setsid sh "$BUNDLE/slow.sh"',
        f'{sys.executable} "$BUNDLE/session.py"',
        f'{sys.executable} "$BUNDLE/group.py"',
        f'{sys.executable} "$BUNDLE/terminal.py"',
    ],
)
def test_a_program_leads_no_session_and_no_group(processes: Place, command: str) -> None:
    for _ in range(3):
        outcome = processes.run(command, {f"bundle/{name}": text for name, text in BOLD.items()})
        assert (outcome.state, [each.path for each in outcome.outputs]) == (State.COMPLETE, ["/r"]), outcome.message


@pytest.mark.parametrize(
    ("text", "mode", "code"),
    [
        ("echo from a script", 0o755, 0),
        ("#!\necho from a script", 0o755, 0),
        ("#!/no/such/program\n", 0o755, 127),
        ("#!/bin/sh\n", 0o644, 126),
    ],
)
def test_where_the_system_cannot_start_a_program_the_shell_has_its_say(
    processes: Place, tmp_path: Path, text: str, mode: int, code: int
) -> None:
    tool = tmp_path / "tool"
    tool.write_text(text)
    tool.chmod(mode)
    alone, under = processes.run(str(tool)), processes.run(f"{tool}; exit $?")
    assert alone.exit_code == under.exit_code == code
    assert alone.tail == under.tail != ""


def test_a_command_too_large_to_start_is_told_by_the_shell(processes: Place) -> None:
    outcome = processes.run('/usr/bin/printf %s "$A$A"', environment={"A": "x" * 70_000})
    assert (outcome.cause, outcome.exit_code) == (Cause.USER, 126)


def test_many_that_a_command_leaves_in_its_group_are_ended_at_once(processes: Place) -> None:
    began = time.monotonic()
    outcome = processes.run('sh "$BUNDLE/many.sh"', {"bundle/many.sh": b"for i in $(seq 200); do sleep 99 & done\n"})
    assert outcome.state is State.COMPLETE
    assert outcome.usage.wall <= time.monotonic() - began < 20
    assert processes.run("true").state is State.COMPLETE


def test_a_process_executor_runs_no_image(tmp_path: Path) -> None:
    place = Place(tmp_path, lambda store, work: ProcessExecutor(store, work, 1), "docker.io/library/busybox:1")
    outcome = place.run("true")
    assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.REFUSED)
    with pytest.raises(Invalid, match="executor: container"):
        place.executor.identity("docker.io/library/busybox:1")
    assert place.executor.identity(None) == place.executor.identity(None)
    place.executor.close()


def test_an_image_is_recorded_by_digest(containers: Place) -> None:
    outcome = containers.run("true")
    identity = containers.executor.identity(IMAGE)
    assert identity.startswith("sha256:")
    assert outcome.image_digest == identity
    name = IMAGE.rsplit(":", 1)[0]
    by_digest = containers.run("true", image=f"{name}@{identity}")
    assert by_digest.state is State.COMPLETE, by_digest.message
    assert by_digest.image_digest == identity


def test_an_image_that_cannot_be_had_is_refused(containers: Place) -> None:
    missing = "localhost:1/aliquot/no-such-image:0"
    outcome = containers.run("true", image=missing)
    assert (outcome.state, outcome.cause) == (State.SYSTEM_ERROR, Cause.REFUSED)
    assert missing in outcome.message
    with pytest.raises(Unavailable, match="no-such-image"):
        containers.executor.identity(missing)
    without = containers.run("true", image=None)
    assert without.cause is Cause.REFUSED


def test_a_container_has_no_network(containers: Place) -> None:
    outcome = containers.run("cat /proc/net/dev > $OUT/dev")
    devices = [line.split(":")[0].strip() for line in containers.content(outcome, "/dev").decode().splitlines()[2:]]
    assert devices == ["lo"]


def test_inputs_are_read_only_in_a_container(containers: Place) -> None:
    outcome = containers.run("touch $IN in/reads/new || echo read-only", {"in/reads/a": b"1", "bundle/b": b"2"})
    assert "Read-only" in outcome.tail


def test_an_image_with_a_user_of_its_own(containers: Place) -> None:
    command = 'umask 077; mkdir "$OUT/d"; id -u > "$OUT/d/id"; cp "$READS" "$OUT"; echo 1 > tmp/x'
    outcome = containers.run(command, {"in/reads/a": b"1"}, image=IMAGE_WITH_USER)
    assert outcome.state is State.COMPLETE, outcome.tail
    assert containers.content(outcome, "/d/id") == (b"1234\n" if os.geteuid() == 0 else b"0\n")


def test_containers_do_not_stay(containers: Place) -> None:
    containers.run("false")
    listed = subprocess.run(
        ["podman", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    assert str(os.getpid()) not in listed.stdout


def test_a_missing_runtime_is_named(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    with pytest.raises(Unavailable, match="nosuchruntime"):
        ContainerExecutor(store, tmp_path / "work", 1, "nosuchruntime")  # pyright: ignore[reportArgumentType]
