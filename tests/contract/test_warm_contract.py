"""What warm workers keep to: the executors' contract, for functions."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aliquot.executors.command import OWNER_MARK
from aliquot.executors.local import LocalExecutor
from aliquot.executors.owner import end_leftovers
from aliquot.model.errors import Invalid
from aliquot.model.seams import Handle
from aliquot.model.state import State
from aliquot.model.task import Cause, Outcome, Resources, task_from_json
from executor_place import Place, living, living_of
from warm_place import WarmPlace, make_warm

MIB = 2**20


@pytest.fixture
def place(tmp_path: Path) -> Iterator[WarmPlace]:
    place = WarmPlace(tmp_path, make_warm(), None)
    yield place
    owner = next(place.work.glob("*.lock")).name.removesuffix(".lock")
    place.executor.close()
    assert list(place.work.iterdir()) == []
    assert living(f"{OWNER_MARK}={owner}") == []


@pytest.fixture
def one(tmp_path: Path) -> Iterator[WarmPlace]:
    place = WarmPlace(tmp_path, make_warm(1), None)
    yield place
    place.executor.close()


def _complete(outcome: Outcome) -> Outcome:
    assert outcome.state is State.COMPLETE, (outcome.message, outcome.tail)
    return outcome


def test_a_function_reads_and_writes_files(place: WarmPlace) -> None:
    place.write("""
        @aliquot.step
        def copy(reads: Path, out: Path, times: int = 1):
            (out / "deep").mkdir()
            (out / "deep" / reads.name).write_bytes(reads.read_bytes() * times)
    """)
    outcome = _complete(place.do("copy", {"in/reads/a.bin": b"abc"}, values={"times": 2, "unused": "x"}))
    assert place.content(outcome, "/deep/a.bin") == b"abcabc"
    assert (outcome.exit_code, outcome.stdout, outcome.stderr, outcome.tail) == (0, None, None, "")
    assert 0 <= outcome.usage.wall <= outcome.ended_at - outcome.started_at + 0.001
    assert outcome.usage.peak_memory > MIB


def test_a_function_takes_bytes_and_returns_files_and_exports(place: WarmPlace) -> None:
    place.write("""
        @aliquot.step
        def turn(reads: bytes, sample: str):
            return aliquot.Files({f"{sample}.txt": reads[::-1], "/n/é.txt": "ü"}, exports={"n": len(reads)})
    """)
    outcome = _complete(place.do("turn", {"in/reads/a.bin": b"abc"}, values={"sample": "s1"}))
    assert [each.path for each in outcome.outputs] == ["/n/é.txt", "/s1.txt"]
    assert place.content(outcome, "/s1.txt") == b"cba"
    assert place.content(outcome, "/n/é.txt") == "ü".encode()
    assert outcome.exports == {"n": 3}


def test_a_dict_is_exports_and_an_input_may_be_all_files(place: WarmPlace) -> None:
    place.write(
        """
        from __future__ import annotations
        @aliquot.step
        def total(parts: dict[str, bytes], missing: Path | None = None):
            return {"sizes": {path: len(data) for path, data in parts.items()}, "missing": missing is None}
    """.replace("from __future__ import annotations", "")
    )
    files = {"in/parts/a": b"1", "in/parts/b/c": b"22"}
    outcome = _complete(place.do("total", files, inputs={"parts": "in/parts"}))
    assert outcome.exports == {"sizes": {"/a": 1, "/b/c": 2}, "missing": True}
    assert outcome.outputs == ()


@pytest.mark.parametrize("kind", ["Path", "bytes"])
def test_large_inputs_and_outputs(place: WarmPlace, kind: str) -> None:
    place.write(f"""
        @aliquot.step
        def copy(reads: {kind}, out: Path):
            data = reads.read_bytes() if isinstance(reads, Path) else reads
            (out / "written").write_bytes(data)
            return aliquot.Files({{"returned": data}}, exports={{"n": len(data)}})
    """)
    data = os.urandom(3 * MIB)
    outcome = _complete(place.do("copy", {"in/reads/a.bin": data}))
    assert place.content(outcome, "/written") == place.content(outcome, "/returned") == data
    assert outcome.exports == {"n": len(data)}


def test_a_large_result_that_a_function_still_has_open_is_stored_as_it_was(place: WarmPlace) -> None:
    place.write("""
        kept = []
        @aliquot.step
        def copy(reads: Path, out: Path):
            for each in kept:
                each.seek(0)
                each.write(b"spoilt")
                each.flush()
            (out / "a").write_bytes(reads.read_bytes())
            kept.append((out / "a").open("r+b"))
    """)
    contents = [os.urandom(3 * MIB) for _ in range(3)]
    outcomes = [_complete(place.do("copy", {"in/reads/a.bin": data})) for data in contents]
    assert [place.content(outcome, "/a") for outcome in outcomes] == contents


def test_the_module_is_loaded_once_for_many_calls_and_each_has_a_clean_folder(one: WarmPlace) -> None:
    one.write("""
        seen = []
        @aliquot.step
        def look(reads: Path, out: Path):
            seen.append(1)
            found = sorted(str(each) for each in Path().rglob("*") if "bundle" not in each.parts and each.is_file())
            (out / "x").write_text("x"); Path("stray").write_text("s"); Path("tmp/t").write_text("t")
            (reads.parent / "more").mkdir(); (reads.parent / "more" / "m").write_text("m"); os.chdir("/")
            return {"count": len(seen), "found": found, "pid": os.getpid()}
    """)
    outcomes = one.all([one.call("look", {f"in/reads/{n}.bin": b"a"}) for n in range(20)])
    assert [_complete(each).exports["found"] for each in outcomes] == [[f"in/reads/{n}.bin"] for n in range(20)]
    assert [each.exports["count"] for each in outcomes] == list(range(1, 21))
    assert len({each.exports["pid"] for each in outcomes}) == 1


def test_nothing_is_inherited(place: WarmPlace) -> None:
    place.write("""
        @aliquot.step
        def env():
            return {"env": dict(os.environ), "cwd": os.getcwd(), "stdin": sys.stdin.read()}
    """)
    seen = _complete(place.do("env")).exports
    assert set(seen["env"]) == {"HOME", "TMPDIR", "LANG", "LC_ALL", "PATH", "ALIQUOT_TASK", "ALIQUOT_OWNER"}
    assert seen["env"]["HOME"] == seen["cwd"]
    assert seen["stdin"] == ""


def test_what_each_call_prints_is_its_own(one: WarmPlace) -> None:
    one.write("""
        import subprocess
        @aliquot.step
        def say(n: int):
            print("out", n); print("err", n, file=sys.stderr); subprocess.run(["echo", f"child {n}"])
            os.write(1, b"raw\\n")
            if n == 1: os.dup2(2, 1); sys.stdout = None
            return aliquot.Files({"n": str(n)}, exports={"n": n})
    """)
    outcomes = one.all([one.call("say", values={"n": n}) for n in range(4)])
    for n, outcome in enumerate(outcomes):
        assert _complete(outcome).exports == {"n": n}
        assert one.content(outcome, "/n") == b"%d" % n
        printed = one.bytes_of(outcome, outcome.stdout)
        assert (b"out %d\n" % n in printed) == (n < 2)
        assert b"child %d\nraw\n" % n in printed
        assert one.bytes_of(outcome, outcome.stderr) == b"err %d\n" % n


def test_an_exception_is_the_users_error_with_its_traceback(one: WarmPlace) -> None:
    one.write("""
        def deep(n): raise ValueError(f"bad spectrum {n}")
        @aliquot.step
        def fail(n: int, out: Path):
            (out / "half").write_text("x")
            if n % 2: deep(n)
            return {"pid": os.getpid()}
    """)
    outcomes = one.all([one.call("fail", values={"n": n}) for n in range(4)])
    assert [each.state for each in outcomes] == [State.COMPLETE, State.EXECUTOR_ERROR] * 2
    failed = outcomes[1]
    assert (failed.cause, failed.exit_code, failed.outputs) == (Cause.USER, 1, ())
    assert failed.message == "The function work:fail raised ValueError: bad spectrum 1"
    assert "in deep\n    def deep(n): raise" in failed.tail
    assert failed.tail.endswith("ValueError: bad spectrum 1")
    assert "warm_worker" not in failed.tail
    assert outcomes[0].exports == outcomes[2].exports


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("return 5", "returned a int"),
        ("return {'x': object()}", "no JSON"),
        ("return {'x': float('nan')}", "no JSON"),
        ("return aliquot.Files({'../x': b''})", "'../x'"),
        ("return aliquot.Files({'x': 5})", "as a int"),
        ("(out / 'x').write_text('1'); return aliquot.Files({'x': b'2'})", "both wrote and returned /x"),
        ("(out / 'x').symlink_to('/etc/passwd')", "symbolic link"),
        ("os.mkfifo(out / 'x')", "named pipe"),
        ("out.rmdir()", "out/"),
        ("(out / 'exports.json').write_text('{')", "not JSON"),
        ("(out / 'exports.json').write_text('{}'); return {'a': 1}", "both wrote and returned /exports.json"),
        ("sys.exit(0)", "SystemExit"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_result_is_named(place: WarmPlace, code: str, words: str) -> None:
    place.write(f"""
        @aliquot.step
        def do(out: Path, n: int):
            if n == 0:
                {code}
    """)
    bad, good = place.all([place.call("do", values={"n": n}) for n in range(2)])
    assert (bad.state, bad.cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert words in bad.message
    _complete(good)


def test_a_module_that_cannot_be_imported_says_why(place: WarmPlace) -> None:
    place.write("import no_such_module\n")
    outcomes = place.all([place.call("do") for _ in range(20)])
    for outcome in outcomes:
        assert (outcome.state, outcome.cause) == (State.EXECUTOR_ERROR, Cause.USER)
        assert "No module named 'no_such_module'" in outcome.message
        assert "work.py" in outcome.tail
    place.write("def do(): pass\n")
    assert "write @aliquot.step above it" in place.do("do").message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os._exit(3)", "exit code 3"),
        ("os.kill(os.getpid(), 11)", "SIGSEGV"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
        ("os.killpg(0, 15)", "SIGTERM"),
    ],
)
def test_a_worker_that_dies_costs_its_current_datum_alone(one: WarmPlace, code: str, words: str) -> None:
    one.write(f"""
        @aliquot.step
        def do(n: int, out: Path):
            if n == 5:
                print("last words", flush=True)
                {code}
            (out / "n").write_text(str(n))
    """)
    outcomes = one.all([one.call("do", values={"n": n}) for n in range(12)])
    assert [n for n, each in enumerate(outcomes) if each.state is not State.COMPLETE] == [5]
    assert (outcomes[5].state, outcomes[5].cause) == (State.EXECUTOR_ERROR, Cause.USER)
    assert words in outcomes[5].message
    assert outcomes[5].tail == "last words"
    assert [one.content(each, "/n") for n, each in enumerate(outcomes) if n != 5] == [
        b"%d" % n for n in range(12) if n != 5
    ]


def test_one_that_hangs_is_ended_and_costs_itself_alone(place: WarmPlace) -> None:
    place.write("""
        import signal
        @aliquot.step
        def do(n: int):
            if n == 3:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                while True: time.sleep(1)
    """)
    outcomes = place.all([place.call("do", values={"n": n}, resources={"time": 0.5}) for n in range(10)])
    assert [n for n, each in enumerate(outcomes) if each.state is not State.COMPLETE] == [3]
    assert outcomes[3].cause is Cause.TIMEOUT
    assert "0.5 s" in outcomes[3].message


def test_a_process_that_a_signal_was_sent_to_makes_no_other_turn(one: WarmPlace) -> None:
    one.write("""
        import os, signal, time

        @aliquot.step
        def call(slow: bool):
            if slow:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(1.3)
            return {"pid": os.getpid()}
    """)
    before = _complete(one.do("call", {}, values={"slow": False}))
    slow = one.do("call", {}, values={"slow": True}, resources=Resources(time=0.8))
    assert (slow.cause, slow.exit_code) == (Cause.TIMEOUT, 1)
    after = _complete(one.do("call", {}, values={"slow": False}))
    assert before.exports != after.exports


def test_nobody_waits_behind_a_long_call(place: WarmPlace) -> None:
    place.write("""
        @aliquot.step
        def do(n: int):
            if n == 0: time.sleep(60)
    """)
    handles = place.executor.submit([place.call("do", values={"n": n}) for n in range(40)])
    began = time.monotonic()
    for handle in handles[1:]:
        _complete(place.outcome(handle))
    assert time.monotonic() - began < 20
    (sighting,) = place.executor.look(handles[:1])
    assert sighting.running
    place.executor.cancel(handles[:1])
    assert place.outcome(handles[0]).state is State.CANCELED


def test_one_that_takes_too_much_memory(place: WarmPlace) -> None:
    place.write("""
        kept = []
        @aliquot.step
        def do(n: int):
            if n == 3:
                kept.append(bytearray(400 * 2**20)); time.sleep(30)
    """)
    limits = {"memory": 200 * MIB}
    outcomes = place.all([place.call("do", values={"n": n}, resources=limits) for n in range(6)])
    assert [n for n, each in enumerate(outcomes) if each.state is not State.COMPLETE] == [3]
    assert outcomes[3].cause is Cause.OOM
    assert "200 MiB" in outcomes[3].message
    assert outcomes[3].usage.peak_memory > 200 * MIB


def test_a_leak_costs_nothing(one: WarmPlace) -> None:
    one.write("""
        kept = []
        @aliquot.step
        def leak(out: Path):
            kept.append(b"x" * (20 * 2**20))
            return {"pid": os.getpid()}
    """)
    outcomes = one.all([one.call("leak", resources={"memory": 200 * MIB}) for _ in range(40)])
    pids = {_complete(each).exports["pid"] for each in outcomes}
    assert len(pids) > 4


def test_a_gigabyte_on_standard_output(place: WarmPlace) -> None:
    place.write("""
        @aliquot.step
        def shout(n: int):
            if n == 1:
                line = b"x" * 2**20
                for _ in range(1024): os.write(1, line)
                os.write(1, b"the end\\n")
    """)
    outcomes = place.all([place.call("shout", values={"n": n}) for n in range(3)])
    assert [_complete(each).stdout is not None for each in outcomes] == [False, True, False]
    kept = place.bytes_of(outcomes[1], outcomes[1].stdout)
    assert len(kept) < 100 * MIB
    assert b"bytes were left out here" in kept
    assert kept.endswith(b"the end\n")


@pytest.mark.parametrize("size", [6, 400_000])
def test_what_a_thread_of_one_datum_writes_late_is_no_result_of_the_next(one: WarmPlace, size: int) -> None:
    one.write("""
        import threading
        threads = []
        @aliquot.step
        def write(out: Path, n: int, size: int):
            if n == 1:
                def later():
                    while not begun.wait(): pass
                    for folder in (out, Path("out")):
                        try: folder.mkdir(exist_ok=True); (folder / "late").write_text("of the first")
                        except OSError: pass
                begun = threading.Event()
                threads.append((begun, threading.Thread(target=later)))
                threads[0][1].start()
            else:
                for begun, thread in threads:
                    begun.set(); thread.join()
            (out / f"{n}").write_text("x" * size)
            return {"pid": os.getpid(), "threads": len(threads)}
    """)
    handles = one.executor.submit([one.call("write", values={"n": n, "size": size}) for n in (1, 2, 3)])
    outcomes = [_complete(one.outcome(handle)) for handle in handles]
    assert [[file.path for file in each.outputs] for each in outcomes] == [["/1"], ["/2"], ["/3"]]
    assert outcomes[0].exports["pid"] == outcomes[1].exports["pid"]
    assert outcomes[1].exports["threads"] == 1


def test_what_a_call_leaves_behind_is_ended(place: WarmPlace) -> None:
    place.write("""
        import subprocess
        @aliquot.step
        def leave(n: int):
            subprocess.Popen(["sleep", "1000"], start_new_session=n % 2 == 1)
            return {"pid": os.getpid()}
    """)
    handles = place.executor.submit([place.call("leave", values={"n": n}) for n in range(4)])
    pids = {_complete(place.outcome(handle)).exports["pid"] for handle in handles}
    assert len(pids) == 4
    place.until(lambda: not any(b"sleep" in _line(pid) for pid in living_of(handles[0])))


def _line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_stored_bytes_survive_a_hostile_function(one: WarmPlace) -> None:
    one.write("""
        import mmap
        @aliquot.step
        def spoil(small: Path, large: Path):
            for each in (small, large):
                with each.open("r+b") as file: file.write(b"x" * 5)
                each.unlink()
        @aliquot.step
        def read(small: Path, large: Path, out: Path):
            (out / "s").write_bytes(small.read_bytes()); (out / "l").write_bytes(large.read_bytes())
    """)
    large = os.urandom(MIB)
    files = {"in/small/a": b"small", "in/large/b": large}
    _complete(one.do("spoil", files))
    again = _complete(one.do("read", files))
    assert one.content(again, "/s") == b"small"
    assert one.content(again, "/l") == large


def test_submit_is_idempotent_and_look_answers_for_every_handle(place: WarmPlace) -> None:
    place.write("""
        @aliquot.step
        def do(): pass
    """)
    document = place.call("do")
    first, second = place.executor.submit([document, document])
    assert first == second
    _complete(place.outcome(first))
    assert place.executor.submit([document]) == [first]
    (known, other) = place.executor.look([first, Handle("warm:somebody:1-1")])
    assert known.outcome is not None
    assert other.lost
    place.executor.forget([first])
    assert place.executor.look([first])[0].lost


def test_cancel_ends_the_one_that_runs_and_those_that_wait(place: WarmPlace) -> None:
    place.write("""
        import signal, subprocess
        @aliquot.step
        def hang():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            subprocess.run(["sleep", "1000"])
    """)
    handles = place.executor.submit([place.call("hang") for _ in range(20)])
    place.until(lambda: any(each.running for each in place.executor.look(handles)))
    place.until(lambda: any(b"sleep" in _line(pid) for pid in living_of(handles[0])))
    began = time.monotonic()
    place.executor.cancel(handles)
    outcomes = [place.outcome(handle) for handle in handles]
    assert time.monotonic() - began < 10
    assert {each.state for each in outcomes} == {State.CANCELED}
    place.until(lambda: not any(b"sleep" in _line(pid) for pid in living_of(handles[0])))


def test_what_waits_can_be_withdrawn(one: WarmPlace) -> None:
    one.write("""
        @aliquot.step
        def hang(): time.sleep(1000)
        @aliquot.step
        def do(): pass
    """)
    (first,) = one.executor.submit([one.call("hang")])
    one.until(lambda: one.executor.look([first])[0].running)
    document = one.call("do")
    handles = one.executor.submit([document])
    assert one.executor.withdraw([first, *handles]) == handles
    assert one.executor.look(handles)[0].lost
    assert one.executor.submit([document]) == handles
    one.executor.cancel([first])
    _complete(one.outcome(handles[0]))


def test_workers_go_with_their_executor_however_it_goes(tmp_path: Path) -> None:
    place = WarmPlace(tmp_path, make_warm(1), None)
    place.write("""
        @aliquot.step
        def hang(): time.sleep(1000)
    """)
    (handle,) = place.executor.submit([place.call("hang")])
    place.until(lambda: place.executor.look([handle])[0].running)
    place.until(lambda: bool(living_of(handle)))
    assert end_leftovers(place.work) == 0
    os.kill(living_of(handle)[0], signal.SIGSTOP)
    place.executor.close()
    assert living_of(handle) == []


def test_what_was_ended_for_its_time_has_not_failed_by_itself(place: WarmPlace) -> None:
    # The start of a worker is of the first call's time, and not of its own word on how long it took.
    place.write("""
        import signal, time
        time.sleep(0.6)
        def raises(*_): raise KeyboardInterrupt
        signal.signal(signal.SIGTERM, raises)

        @aliquot.step
        def do(): time.sleep(0.9)
    """)
    outcome = place.do("do", resources={"time": 1})
    assert outcome.cause is Cause.TIMEOUT


def test_a_document_survives_its_own_text(place: WarmPlace) -> None:
    document = place.call("do", {"in/x/a": b"1"}, values={"n": 1})
    assert task_from_json(document.to_json()) == document


def test_it_refuses_what_is_no_function(place: WarmPlace) -> None:
    with pytest.raises(Invalid):
        place.executor.identity("docker.io/library/busybox:1")
    assert place.executor.identity(None, python=True) == place.executor.identity(None, python=True)


def test_commands_and_functions_side_by_side(tmp_path: Path) -> None:
    place = WarmPlace(tmp_path, lambda store, work: LocalExecutor(store, work, 2, grace=0.5), None)
    place.write("""
        @aliquot.step
        def do(n: int): return {"n": n}
    """)
    documents = [
        place.call("do", values={"n": n}) if n % 2 else Place.document(place, f'echo {n} > "$OUT"/n') for n in range(20)
    ]
    outcomes = place.all(documents)
    assert [_complete(each).exports for each in outcomes[1::2]] == [{"n": n} for n in range(1, 20, 2)]
    assert [place.content(each, "/n") for each in outcomes[::2]] == [b"%d\n" % n for n in range(0, 20, 2)]
    assert place.executor.identity(None) != place.executor.identity(None, python=True)
    place.executor.close()
    assert list(place.work.iterdir()) == []
