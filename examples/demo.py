"""Runs two example labs from files dropped into their inboxes to tables, pictures and lineage, in `demo/`.

    make demo

Everything goes through the `aliquot` command, as a person would type it.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent
DEMO = EXAMPLES.parent / "demo"
PROGRAMS = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "ALIQUOT_LOG_LEVEL": "error"}


def say(text: str = "") -> None:
    """Tell the person."""
    print(text, flush=True)


def run(folder: Path, *command: str, fails: bool = False) -> str:
    """Run a command in a lab's folder; one that fails ends the demonstration with what it said."""
    done = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode and not fails:
        say(done.stdout + done.stderr)
        sys.exit(f"demo: {' '.join(command)} ended with {done.returncode}")
    return done.stdout


def ask(folder: Path, *words: str, fails: bool = False) -> Any:
    """Run `aliquot … --json` and read what it gives."""
    return json.loads(run(folder, "aliquot", *words, "--json", fails=fails))


def lab(name: str) -> Path:
    """Copy an example lab to `demo/` and register its definitions."""
    folder = DEMO / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    run(folder, "aliquot", "apply")
    return folder


def ran(summary: dict[str, Any]) -> str:
    """Say how many datums the runs of a summary ran and skipped."""
    return (
        f"{sum(each['ran'] for each in summary['runs'])} tasks ran, "
        f"{sum(each['skipped'] for each in summary['runs'])} were known already"
    )


def claims() -> None:
    """Hospital billing: recognised, checked, bad rows set aside, totals and balances in SQL."""
    folder = lab("claims")
    inbox = folder / "inbox" / "billing"
    generate = (sys.executable, str(folder / "generate.py"), str(inbox))
    say("claims — charges and transactions of three hospitals")
    run(folder, *generate, "--months", "2", "--bad-rows", "7")
    first = ask(folder, "up", "--until-idle", fails=True)
    source = first["sources"]["billing"]
    say(f"  {len(list(inbox.glob('*.csv')))} files dropped, {source['taken']} taken, {ran(first)}")
    for held in ask(folder, "quarantine", "list")[:1]:
        say(f"  quarantine: the bad rows of {held['path']} wait for a person")
    run(folder, *generate, "--months", "3", "--bad-rows", "0")
    second = ask(folder, "up", "--until-idle", fails=True)
    say(f"  one more month and a corrected file: {ran(second)}")
    sums = ask(
        folder, "hub", "query",
        "SELECT facility_name AS name, count(*) AS accounts, sum(balance_cents) AS cents "
        "FROM balances GROUP BY 1 ORDER BY 1",
    )  # fmt: skip
    for row in sums["rows"]:
        say(f"  {row['name']:<16}{row['accounts']:>4} accounts{row['cents'] / 100:>14,.2f} USD to collect")
    say()


def imaging() -> None:
    """Mass spectrometry imaging: split, peak-picked side by side, merged without losing an ion."""
    folder = lab("imaging-ms")
    say("imaging-ms — an imzML pair from an instrument")
    run(folder, sys.executable, str(folder / "generate.py"), str(folder / "inbox"))
    summary = ask(folder, "up", "--until-idle")
    run(folder, "aliquot", "dataset", "export", "images", "images")
    pictures = sorted((folder / "images").rglob("*.png"))
    quality = ask(folder, "hub", "query", "SELECT pixels, missing_pixels, ions, tic FROM quality")["rows"][0]
    say(f"  {ran(summary)}; {quality['pixels']} pixels, {quality['missing_pixels']} missing, {quality['ions']} ions")
    say(f"  total ion current {quality['tic']:,.3f}, the same before the split and after the merge")
    say(f"  {len(pictures)} pictures, for instance {pictures[0].relative_to(DEMO.parent)}")
    say()
    path = ask(folder, "dataset", "files", "images")[0]["path"]
    say(f"Where does it come from?   cd demo/imaging-ms && aliquot lineage images:{path} --back")
    tree = run(folder, "aliquot", "lineage", f"images:{path}", "--back").splitlines()
    chain = [line for line in tree if "──" in line]
    for line in [tree[0], *(line for line in chain if "and " not in line)][:9]:
        say(f"  {line[:116]}")
    say("  … with the command, code, parameters and environment of each task")
    say()


def main() -> None:
    """Make `demo/` anew and run both labs."""
    began = time.monotonic()
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir()
    claims()
    imaging()
    say(f"Done in {time.monotonic() - began:.0f} s. Both labs are in demo/; look around:")
    say("  . .venv/bin/activate && cd demo/claims")
    say("  aliquot dataset list            aliquot quarantine show 1        aliquot run show 1")
    say("  aliquot hub tables              aliquot lineage balances         aliquot pipeline plan postings")
    say("Drop a file into demo/claims/inbox/billing and type:  aliquot up --until-idle")
    say("Look at it all in a browser:  aliquot up")


if __name__ == "__main__":
    main()
