"""The claims example: its generator, its steps as a task runs them, and real billing files counted to the cent."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from aliquot.formats.check import check
from aliquot.formats.recognise import recognise
from aliquot.formats.table_split import split_table
from example_lab import Datum, ExampleLab, Files, Rows, files_in, rows_of
from example_lab import generate as generate_example
from services import require_service

TABLES = ("control_totals", "postings", "balances")


def lab() -> ExampleLab:
    return ExampleLab.open("claims")


def task(work: Path, step: str, files: Files) -> CompletedProcess[str]:
    """Run a step on one datum of these files."""
    (name,) = lab().pipeline.steps[step].inputs
    place = next(iter(files)) if len(files) == 1 else ""
    return lab().task(work, step, Datum({name: files}, {name: place}))


def ran(done: CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def whole_lab(work: Path, files: Iterable[Path], **parameters: str) -> dict[str, Rows]:
    """Run all steps over billing files and give the rows of the three tables."""
    claims = lab()
    made = claims.run(work, {"billing": {f"/{file.name}": file for file in files}}, **parameters)
    assert not claims.failed
    return {name: claims.table(name, made) for name in TABLES}


def generate(out: Path, *options: str) -> Path:
    return generate_example("claims", out, *options)


def write(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


TRANSACTIONS = "facility_id,transaction_id,account_number,transaction_type,payment_method,post_date,amount,payer_code"
CHARGES = (
    "facility_id,charge_id,account_number,medical_record_number,service_date,post_date,department,procedure_code,"
    "units,unit_amount,charge_amount,payer_code,provider_id"
)


def charge(number: int, amount: str, service: str, posted: str = "2024-01-20", account: int = 1) -> str:
    return (
        f"HSP1,C{number:012X},A{account:010X},M0000001,{service},{posted},D001,100001,1,{amount},{amount},P01,N00000001"
    )


def paid(number: int, amount: str, kind: str = "PAYMENT", account: int = 1) -> str:
    return f"HSP1,T{number:012X},A{account:010X},{kind},,2024-01-25,{amount},P01"


def test_definitions_are_valid() -> None:
    claims = lab()
    types = claims.types
    assert [rule.type for rule in claims.config.sources["billing"].accept] == ["charges", "transactions"]
    assert set(types) == {"charges", "transactions"}
    for kind in types.values():
        assert kind.on_invalid == "split"
        assert kind.table is not None
        assert set(kind.recognise.columns or []) <= {field.name for field in kind.table.fields}
    assert claims.pipeline.order()[-1] == "balances"
    for step in claims.pipeline.steps.values():
        assert all((claims.folder / path).is_file() for path in step.bundle)


def test_one_more_file_is_one_control_task_and_one_parse_task(tmp_path: Path) -> None:
    files = files_in(generate(tmp_path / "in", "--bad-rows", "0", "--months", "1"))
    first, second = lab(), lab()
    first.run(tmp_path / "first", {"billing": files})
    more = files | {"/HSP1/late/file.csv": files["/HSP1_charge_202311.csv"]}
    made = second.run(tmp_path / "second", {"billing": more})
    counts = {step: second.tasks.count(step) - first.tasks.count(step) for step in first.pipeline.steps}
    assert counts == {"control": 1, "parse": 1, "balances": 0}
    assert "/HSP1/HSP1/late/file.csv" in made["parse"]
    assert first.tasks.count("balances") == 3


def test_the_generator_writes_the_same_bytes_again(tmp_path: Path) -> None:
    one, two = (generate(tmp_path / name, "--wrong", "--totals", str(tmp_path / f"{name}.csv")) for name in "ab")
    names = sorted(path.name for path in one.iterdir())
    assert len(names) == 3 * 3 * 2 + 1 + 1
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_generated_files_are_counted_as_the_generator_says(tmp_path: Path) -> None:
    source = generate(tmp_path / "in", "--bad-rows", "0", "--totals", str(tmp_path / "totals.csv"))
    tables = whole_lab(tmp_path / "work", sorted(source.iterdir()))
    expected = {row["file"]: row for row in rows_of(tmp_path / "totals.csv")}
    for row in tables["control_totals"]:
        digest = hashlib.sha256((source / row["file"]).read_bytes()).hexdigest()
        assert row == {**expected[row["file"]], "sha256": digest}
    assert len(tables["control_totals"]) == len(expected) == 18
    total = sum(int(row["amount_cents"]) for row in expected.values())
    assert sum(int(row["amount_cents"]) for row in tables["postings"]) == total
    assert sum(int(row["balance_cents"]) for row in tables["balances"]) == total


def test_the_file_of_bad_rows_holds_each_way_of_being_bad(tmp_path: Path) -> None:
    source = generate(tmp_path / "in", "--months", "1", "--hospitals", "1", "--totals", str(tmp_path / "totals.csv"))
    rows = rows_of(source / "HSP1_charge_202312.csv")
    corrected = generate(
        tmp_path / "next", "--first", "2023-12", "--months", "1", "--hospitals", "1", "--bad-rows", "0"
    )
    differing = [
        at
        for at, (bad, good) in enumerate(zip(rows, rows_of(corrected / "HSP1_charge_202312.csv"), strict=True))
        if bad != good
    ]
    assert differing == [1, 3, 5, 7, 9, 11, 13]
    (total,) = [row for row in rows_of(tmp_path / "totals.csv") if row["file"] == "HSP1_charge_202312.csv"]
    assert int(total["rows"]) == len(rows) - 7
    done = task(tmp_path / "work", "control", {"/bad.csv": source / "HSP1_charge_202312.csv"})
    assert done.returncode == 1
    assert "bad.csv, line 3: Invalid isoformat string: '31.02.2024'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_no_billing_file_ends_the_step_with_a_sentence(tmp_path: Path) -> None:
    wrong = generate(tmp_path / "in", "--months", "1", "--wrong") / "HSP1_charge_corrected.csv"
    done = task(tmp_path / "work", "control", {"/wrong.csv": wrong})
    assert done.returncode == 1
    assert "neither a column charge_id nor transaction_id" in done.stderr


def test_amounts_are_added_exactly(tmp_path: Path) -> None:
    many = [paid(n, "0.10") for n in range(1, 31)] + [paid(99, "99999999.99")]
    ran(task(tmp_path / "work", "control", {"/sub/T.csv": write(tmp_path / "T.csv", TRANSACTIONS, *many)}))
    (total,) = rows_of(tmp_path / "work" / "out" / "sub" / "T.csv")
    assert (total["file"], total["rows"], total["amount"]) == ("sub/T.csv", "31", "100000002.99")
    assert total["amount_cents"] == "10000000299"


@pytest.mark.parametrize("amount", ["1.005", "NaN", "Infinity", "", "1,00"])
def test_an_amount_that_is_not_whole_cents_is_refused(tmp_path: Path, amount: str) -> None:
    quoted = f'"{amount}"' if "," in amount else amount
    done = task(tmp_path / "work", "control", {"/T.csv": write(tmp_path / "T.csv", TRANSACTIONS, paid(1, quoted))})
    assert done.returncode == 1
    assert "T.csv, line 2" in done.stderr
    assert not list((tmp_path / "work" / "out").iterdir())


def test_an_empty_month_counts_nothing(tmp_path: Path) -> None:
    ran(task(tmp_path / "work", "control", {"/T.csv": write(tmp_path / "T.csv", TRANSACTIONS)}))
    (total,) = rows_of(tmp_path / "work" / "out" / "T.csv")
    assert (total["rows"], total["amount"], total["facility_id"]) == ("0", "0.00", "")


def balances(work: Path, charges: list[str], transactions: list[str], **parameters: str) -> Rows:
    files = [write(work / "C.csv", CHARGES, *charges), write(work / "T.csv", TRANSACTIONS, *transactions)]
    return whole_lab(work, files, **parameters)["balances"]


def test_the_oldest_charges_are_settled_first(tmp_path: Path) -> None:
    charges = [charge(1, "50.00", "2024-01-18"), charge(2, "50.00", "2023-12-31"), charge(3, "100.00", "2023-06-01")]
    transactions = [
        paid(1, "-90.00"), paid(2, "-10.00", "ADJUSTMENT"), paid(3, "-20.00", "TRANSFEROUT"),
        paid(4, "20.00", "TRANSFERIN"),
    ]  # fmt: skip
    (line,) = balances(tmp_path, charges, transactions)
    assert {name: line[name] for name in ("charges", "payments", "adjustments", "transfers", "balance")} == {
        "charges": "200.00", "payments": "-90.00", "adjustments": "-10.00", "transfers": "0.00", "balance": "100.00"
    }  # fmt: skip
    # The charge of June is settled; the one of 31 December is 60 days old on 29 February.
    assert (line["age_days"], line["age_bucket"]) == ("60", "060-089")
    assert (line["facility_name"], line["as_of"]) == ("Facility One", "2024-02-29")


@pytest.mark.parametrize(
    ("service", "expected"),
    [("2024-01-31", "000-029"), ("2024-01-30", "030-059"), ("2023-11-02", "090-119"), ("2023-11-01", "120+"),
     ("1996-01-07", "120+")],
)  # fmt: skip
def test_age_buckets(tmp_path: Path, service: str, expected: str) -> None:
    (line,) = balances(tmp_path, [charge(1, "1.00", service)], [])
    assert line["age_bucket"] == expected


def test_settled_and_overpaid_accounts_have_no_age(tmp_path: Path) -> None:
    charges = [charge(1, "1.00", "2024-01-01", account=1), charge(2, "1.00", "2024-01-01", account=2)]
    lines = balances(tmp_path, charges, [paid(1, "-1.00", account=1), paid(2, "-1.50", account=2)])
    assert [(line["balance"], line["age_bucket"], line["age_days"]) for line in lines] == [
        ("0.00", "settled", ""), ("-0.50", "credit", "")
    ]  # fmt: skip


def test_postings_after_the_day_do_not_count_and_are_told(tmp_path: Path) -> None:
    charges = [charge(1, "1.00", "2024-01-01"), charge(2, "5.00", "2024-02-01", posted="2024-02-02")]
    (line,) = balances(tmp_path, charges, [], as_of="2024-02-01")
    assert (line["balance"], line["later_postings"]) == ("1.00", "1")
    (line,) = balances(tmp_path / "posted", charges, [], as_of="2024-02-02", age_from="post_date")
    assert (line["balance"], line["later_postings"], line["age_days"]) == ("6.00", "0", "13")


def test_a_charge_that_was_sent_twice_counts_once_and_two_that_differ_stop_the_step(tmp_path: Path) -> None:
    posting = ["posting_id,facility_id,account_number,kind,post_date,service_date,amount_cents,amount,file"]
    first = f"{posting[0]}\nC1,HSP1,A1,charge,2024-01-01,2024-01-01,100,1.00,"
    files = {
        f"/HSP1/{name}.csv": write(tmp_path / f"{name}.csv", f"{first}{name}.csv") for name in ("a", "b")
    }  # fmt: skip
    assert "C1 stands in a.csv and again in b.csv: counted once" in ran(task(tmp_path / "same", "balances", files))
    (line,) = rows_of(tmp_path / "same" / "out" / "HSP1.csv")
    assert (line["balance"], line["postings"]) == ("1.00", "1")
    write(tmp_path / "b.csv", posting[0], "C1,HSP1,A1,charge,2024-01-01,2024-01-01,200,2.00,b.csv")
    done = task(tmp_path / "other", "balances", files)
    assert done.returncode == 1
    assert "a.csv and in b.csv, and the two differ" in done.stderr


def require_polars() -> None:
    require_service(find_spec("polars") is not None, "polars")


def test_bad_rows_are_split_off_and_good_rows_are_counted(tmp_path: Path) -> None:
    require_polars()
    source = generate(tmp_path / "in", "--months", "1", "--wrong", "--totals", str(tmp_path / "totals.csv"))
    types = list(lab().types.values())
    expected = {row["file"]: row for row in rows_of(tmp_path / "totals.csv")}
    for file in sorted(source.iterdir()):
        kind = recognise(file.name, f"/{file.name}", file, types).type
        if file.name == "HSP1_charge_corrected.csv":
            assert kind is None
            continue
        assert kind is not None
        assert kind.type == f"{expected[file.name]['kind']}s"
        report = check(kind, {file.name: file})
        bad = file.name == "HSP1_charge_202312.csv"
        assert list(report.refused_rows) == ([1, 3, 5, 7, 9, 11, 13] if bad else [])
        if bad:
            split = split_table(file, report, tmp_path / "valid.csv", tmp_path / "refused.csv")
            assert split == (int(expected[file.name]["rows"]), 7)
            ran(task(tmp_path / "work", "control", {f"/{file.name}": tmp_path / "valid.csv"}))
            (total,) = rows_of(tmp_path / "work" / "out" / file.name)
            assert total["amount_cents"] == expected[file.name]["amount_cents"]


def test_real_files_are_recognised_by_their_columns_and_have_no_bad_row(shared_data: Path) -> None:
    require_polars()
    types = list(lab().types.values())
    kinds: Counter[str] = Counter()
    for file in (shared_data / "claims" / "good").iterdir():
        kind = recognise("any.csv", "/any.csv", file, types).type
        if kind is None:
            assert file.name == "CONTROL_TOTALS.csv"
            continue
        assert check(kind, {file.name: file}).findings == ()
        kinds[kind.type] += 1
    assert kinds == {"charges": 36, "transactions": 34}


def test_real_control_totals_are_reproduced_to_the_cent(shared_data: Path, tmp_path: Path) -> None:
    good = shared_data / "claims" / "good"
    control = {row["file"]: row for row in rows_of(good / "CONTROL_TOTALS.csv")}
    tables = whole_lab(tmp_path, [good / name for name in control])
    for row in tables["control_totals"]:
        expected = control.pop(row["file"])
        assert row["amount"] == expected["amount_total"]
        assert Decimal(row["amount_cents"]) == Decimal(expected["amount_total"]) * 100
        for name in ("kind", "facility_id", "post_month", "rows", "sha256"):
            assert row[name] == expected[name]
    assert not control
    sums: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for row in tables["control_totals"]:
        sums[row["kind"]] += int(row["amount_cents"])
        counts[row["kind"]] += int(row["rows"])
    assert counts == {"charge": 379, "transaction": 643}
    assert sums == {"charge": 79_499_507, "transaction": -79_585_555}
    assert len(tables["postings"]) == 379 + 643
    assert sum(int(row["balance_cents"]) for row in tables["balances"]) == 79_499_507 - 79_585_555
    assert len(tables["balances"]) == 145
    assert sum(row["balance_cents"] != "0" for row in tables["balances"]) == 19
