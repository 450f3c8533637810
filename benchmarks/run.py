"""Run every benchmark, one after the other, each in a process of its own, and print the figures as JSON lines.

    python benchmarks/run.py [--scale 1.0] [NAME …]

Each module `bench_NAME.py` has `run(scale)`, which measures against the raw limit, and against a peer where one is
installed, in the same run. Take the ratios; seconds depend on the machine and on what else it does.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CALL = """
import importlib, json, sys
sys.path.insert(0, {here!r})
print(json.dumps(importlib.import_module({module!r}).run({scale})))
"""


def main() -> int:
    """Run the benchmarks that are named, or all."""
    known = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of {', '.join(known)}")
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is the size that the documentation quotes")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(known))
    if unknown:
        parser.error(f"there is no benchmark {unknown[0]!r}; there are {', '.join(known)}")
    machine = {"cores": os.cpu_count(), "python": platform.python_version(), "system": platform.platform()}
    print(json.dumps({"machine": machine, "scale": options.scale}), flush=True)
    failed = 0
    for name in options.names or known:
        print(f"{name} …", file=sys.stderr, flush=True)
        code = CALL.format(here=str(HERE), module=f"bench_{name}", scale=options.scale)
        done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=False)
        lines = done.stdout.strip().splitlines()
        if done.returncode or not lines:
            failed += 1
            print(json.dumps({"benchmark": name, "failed": done.returncode}), flush=True)
        else:
            print(json.dumps({"benchmark": name, **json.loads(lines[-1])}), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
