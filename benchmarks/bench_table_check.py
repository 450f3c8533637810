"""Table checks, beside the same checks as bare polars expressions and beside frictionless-py.

    python benchmarks/bench_table_check.py [scale]     # scale 1: 5,000,000 rows of 10 columns, about 390 MB

Bare polars only counts: it tells no row, no value and no ragged line. Each measurement is a process of its own, ours
and polars by turns, the best of three; times are seconds of wall clock and of processor, memory is the process's peak.
frictionless reads 50,000 rows only, and is given in rows a second. The same file is checked with two rules across
columns, too. A second file has a bad cell in one row of a hundred, a third has quotation marks around every text, a
fourth one row too long, which takes the careful route.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peak_memory import peak_mib

ROWS = 5_000_000
FRICTIONLESS_ROWS = 50_000
ROUNDS = 3
PAYERS = ["P01", "P02", "P03", "P04", "P05", "SELF"]
DATE = r"^\d{4}-\d{2}-\d{2}$"


def _field(name: str, kind: str = "string", **constraints: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "constraints": {"required": True, **constraints}}


SCHEMA: dict[str, Any] = {
    "fields": [
        _field("facility_id", pattern="HSP[1-3]"),
        _field("charge_id", pattern="C[0-9A-F]{12}"),
        _field("account_number", pattern="A[0-9A-F]{10}"),
        _field("service_date", "date"),
        _field("post_date", "date"),
        _field("department", pattern="D[0-9]{3}"),
        _field("procedure_code", pattern="[0-9]{6,18}"),
        _field("units", "integer", minimum=1),
        _field("charge_amount", "number", minimum=0),
        _field("payer_code", enum=PAYERS),
    ],
    "primaryKey": "charge_id",
}
RULES = [
    {"code": "posted-before-service", "rule": "service_date <= post_date"},
    {"code": "charge-too-high", "rule": "charge_amount <= units * 1000"},
]
NAMES = [field["name"] for field in SCHEMA["fields"]]


def write_charges(path: Path, rows: int, *, bad_every: int = 0, quoted: bool = False, long_row: bool = False) -> None:
    """Write so many charges, the same ones every time."""
    mark = '"' if quoted else ""
    with path.open("w") as file:
        file.write(",".join(NAMES) + "\n")
        for start in range(0, rows, 10_000):
            lines: list[str] = []
            for at in range(start, min(start + 10_000, rows)):
                amount = "-4.00" if bad_every and at % bad_every == 0 else f"{at * 37 % 100_000 / 100:.2f}"
                lines.append(
                    f"{mark}HSP{at % 3 + 1}{mark},{mark}C{at * 2654435761 % (1 << 48):012X}{mark},"
                    f"{mark}A{at * 7919 % (1 << 40):010X}{mark},2023-{at % 12 + 1:02d}-{at % 28 + 1:02d},"
                    f"2024-{at % 12 + 1:02d}-{at % 28 + 1:02d},{mark}D{at % 1000:03d}{mark},"
                    f"{100_000 + at % 899_999},{at % 9 + 1},{amount},{mark}{PAYERS[at % 6]}{mark}"
                    + (",\n" if long_row and at == rows // 2 else "\n")
                )
            file.writelines(lines)


def check_ours(path: Path, *, rules: bool = False) -> int:
    """Check with `check_table` and give the number of findings."""
    from aliquot.formats.table import check_table
    from aliquot.model.row_rule import RowRule
    from aliquot.model.table_schema import TableSchema

    across = [RowRule.model_validate(each) for each in RULES] if rules else []
    return sum(check_table(path, TableSchema.model_validate(SCHEMA), across).counts.values())


def check_polars(path: Path, *, rules: bool = False) -> int:
    """Check with bare expressions and give the number of bad cells and doubled keys."""
    import polars as pl

    frame = pl.scan_csv(path, schema=dict.fromkeys(NAMES, pl.String), empty_string_is_null=False)
    tests = {
        name: pl.col(name).str.contains(f"^(?:{field['constraints']['pattern']})$")
        for name, field in zip(NAMES, SCHEMA["fields"], strict=True)
        if "pattern" in field["constraints"]
    }
    tests |= {
        name: pl.col(name).str.contains(DATE) & pl.col(name).str.to_date("%Y-%m-%d", strict=False).is_not_null()
        for name in ("service_date", "post_date")
    }
    tests["units"] = pl.col("units").cast(pl.Int64, strict=False) >= 1
    tests["charge_amount"] = pl.col("charge_amount").cast(pl.Float64, strict=False) >= 0
    tests["payer_code"] = pl.col("payer_code").is_in(PAYERS)
    if rules:
        days = [pl.col(name).str.to_date("%Y-%m-%d", strict=False) for name in ("service_date", "post_date")]
        tests["posted-before-service"] = days[0] <= days[1]
        units = pl.col("units").cast(pl.Int64, strict=False)
        tests["charge-too-high"] = pl.col("charge_amount").cast(pl.Float64, strict=False) <= units * 1000
    counts = [(~test.fill_null(value=False)).sum().alias(name) for name, test in tests.items()]
    doubled = (pl.len() - pl.col("charge_id").n_unique()).alias("doubled")
    return sum(frame.select(*counts, doubled).collect(engine="streaming").row(0))


def check_frictionless(path: Path) -> int:
    """Check with frictionless-py and give the number of errors."""
    from frictionless import Schema, system
    from frictionless.resources import TableResource

    with system.use_context(trusted=True):
        resource = TableResource(path=str(path), schema=Schema.from_descriptor(SCHEMA))
        return len(resource.validate(limit_errors=1_000_000).flatten(["type"]))


CHECKS: dict[str, Callable[[Path], int]] = {
    "ours": check_ours,
    "polars": check_polars,
    "ours+": lambda path: check_ours(path, rules=True),
    "polars+": lambda path: check_polars(path, rules=True),
    "frictionless": check_frictionless,
}


def _measure(which: str, path: Path) -> dict[str, float]:
    """Check in a fresh process, and give its seconds, processor seconds, peak memory in MB, and findings."""
    command = [sys.executable, __file__, "--one", which, str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _one(which: str, path: Path) -> None:
    begun, worked = time.perf_counter(), time.process_time()
    found = CHECKS[which](path)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - begun,
                "cpu": time.process_time() - worked,
                "peak_mb": peak_mib(),
                "findings": found,
            }
        )
    )


def _best(measured: list[dict[str, float]]) -> dict[str, float]:
    return {
        "seconds": min(one["seconds"] for one in measured),
        "cpu": min(one["cpu"] for one in measured),
        "peak_mb": max(one["peak_mb"] for one in measured),
        "findings": measured[0]["findings"],
    }


def run(scale: float = 1.0) -> dict[str, Any]:
    """Measure everything at `scale` times five million rows."""
    rows = max(int(ROWS * scale), 1000)
    results: dict[str, Any] = {"rows": rows}
    kinds: dict[str, dict[str, Any]] = {
        "clean": {},
        "two row rules": {},
        "one bad row in 100": {"bad_every": 100},
        "quoted": {"quoted": True},
        "one long row": {"long_row": True},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "charges.csv"
        for kind, options in kinds.items():
            write_charges(path, rows, **options)
            rounds = ROUNDS if kind in {"clean", "two row rules"} else 1
            names = ["ours"] if kind == "one long row" else ["ours", "polars"]
            if kind == "two row rules":
                names = ["ours+", "polars+"]
            measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
            for _ in range(rounds):
                for name in names:
                    measured[name].append(_measure(name, path))
            results[kind] = {name: _best(of) for name, of in measured.items()}
        few = min(rows, FRICTIONLESS_ROWS)
        write_charges(path, few)
        results["frictionless_rows_a_second"] = few / _measure("frictionless", path)["seconds"]
    clean = results["clean"]
    results["rows_a_second"] = rows / clean["ours"]["seconds"]
    results["share_of_polars"] = clean["polars"]["seconds"] / clean["ours"]["seconds"]
    results["share_of_polars_cpu"] = clean["polars"]["cpu"] / clean["ours"]["cpu"]
    results["times_frictionless"] = results["rows_a_second"] / results["frictionless_rows_a_second"]
    results["peak_mb"] = clean["ours"]["peak_mb"]
    return results


def main() -> None:
    """Print a table and one line of JSON."""
    if sys.argv[1:2] == ["--one"]:
        _one(sys.argv[2], Path(sys.argv[3]))
        return
    results = run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
    print(f"{'file':20} {'check':8} {'rows/s':>12} {'seconds':>9} {'cpu':>7} {'peak MB':>8} {'findings':>9}")
    for kind, of in results.items():
        for name, one in of.items() if isinstance(of, dict) else ():
            print(
                f"{kind:20} {name:8} {results['rows'] / one['seconds']:12,.0f} {one['seconds']:9.2f} {one['cpu']:7.2f} "
                f"{one['peak_mb']:8.0f} {one['findings']:9,.0f}"
            )
    print(
        f"clean: {results['share_of_polars']:.2f} of the speed of bare polars, "
        f"{results['share_of_polars_cpu']:.2f} by processor time; "
        f"{results['times_frictionless']:.0f} times frictionless ({results['frictionless_rows_a_second']:,.0f} rows/s)"
    )
    print(json.dumps(results))


if __name__ == "__main__":
    main()
