"""The lab that the soak works on: what its files hold, and what its pipeline does with each of them."""

import random
import sys
from pathlib import Path

from lab_folder import LabFolder

BATCH = 40
SETTINGS = """
lab: soak
catalogue: {catalogue}
executor: {{kind: process, workers: 2}}
"""
# What fails for a reason of its own fails in the undisturbed lab too; what is killed from outside has attempts left.
# What takes too long is alone at the end, and killed again and again before its time is over: it has attempts enough.
# Any program of a command may be killed alone: there are no pipes, whose ends would not notice.
# Pauses double, and a supervisor that waits for one to end has nothing that could be troubled: they begin short. After
# the kill of a command they are longer, or the last one to run would use its attempts up at once.
PIPELINE = """
pipeline: soak
inputs: {texts: {dataset: texts}}
steps:
  measure:
    inputs: {file: {from: texts, glob: "/{batch}/{name}.txt"}}
    command: |
      set -e
      read -r kind number < "$FILE"
      case "$kind" in
        bad) echo "row 1: $number is no measurement" >&2; exit 3 ;;
        flaky) if mkdir "MARKS/$number" 2> /dev/null; then exit 7; fi ;;
        leaky) setsid sleep 600 > /dev/null 2>&1 & ;;
        long) sleep 1.5 ;;
      esac
      mkdir "$OUT/$BATCH"
      printf 'name,n\\n%s-%s,%s\\n' "$BATCH" "$NAME" "$number" > "$OUT/$BATCH/$NAME.csv"
    resources: {time: 4s}
    retry: {backoff: 1ms, on: {user: {attempts: 10, backoff: 50ms}, oom: 10, lost: 50, ours: 20, timeout: 2}}
  doze:
    inputs: {file: {from: texts, glob: "/dozes/{name}.slow"}}
    command: set -e; read -r seconds < "$FILE"; sleep "$seconds"; echo "$seconds" > "$OUT/$NAME"
    resources: {time: 4s}
    retry: {backoff: 1ms, on: {user: 100, oom: 100, lost: 100, ours: 100, timeout: 2}}
  square:
    inputs: {file: {from: measure, glob: "/{batch}/{name}.csv"}}
    command: |
      set -e
      mkdir "$OUT/$BATCH"
      {
        read -r head; IFS=, read -r name number
        printf '%s\\n%s,%s\\n' "$head" "$name" $(( number * number ))
      } < "$FILE" > "$OUT/$BATCH/$NAME.csv"
    retry: {backoff: 1ms, on: {user: {attempts: 10, backoff: 50ms}, oom: 10, lost: 50, ours: 20}}
  sum:
    inputs: {files: {from: square, glob: "/{batch}/*.csv", group_by: $batch}}
    command: |
      awk -F, '$1 != "name" { s += $2 } END { printf "%d\\n", s }' "$FILES"/*/*.csv > "$OUT/$BATCH"
    retry: {backoff: 1ms, on: {user: {attempts: 10, backoff: 50ms}, oom: 10, lost: 50, ours: 20}}
  total:
    inputs: {sums: {from: sum, glob: "/"}}
    command: awk '{ s += $1 } END { printf "%d\\n", s }' "$SUMS"/* > "$OUT/total"
    retry: {backoff: 1ms, on: {user: {attempts: 10, backoff: 50ms}, oom: 10, lost: 50, ours: 20}}
outputs:
  squares: {from: square, publish: squares}
  sums: {from: sum, publish: sums}
  total: {from: total, publish: total}
tables:
  squares:
    from: square
    mode: upsert
    key: [name]
    schema: {fields: [{name: name, type: string}, {name: n, type: integer}]}
"""


class SoakLab(LabFolder):
    """A lab of about `tasks` tasks for each round; `lease` is the seconds of a lease."""

    def __init__(self, folder: Path, catalogue: str, tasks: int, seed: int, lease: float) -> None:
        folder.mkdir(parents=True)
        super().__init__(folder)
        self.catalogue = catalogue
        self.files = (tasks - 3) * BATCH // (2 * BATCH + 1)
        self.seed = seed
        self.environment |= {"ALIQUOT_LEASE": f"{lease:g}", "ALIQUOT_LOG": "json"}
        marks = folder / "marks"
        marks.mkdir()
        self.write("aliquot.yaml", SETTINGS.format(catalogue=catalogue))
        self.write("pipelines/soak.yaml", PIPELINE.replace("MARKS", str(marks)))
        self.run("apply")

    def add_round(self, number: int) -> None:
        """Give every file a new content, and take them in."""
        chance = random.Random(f"{self.seed} {number}")
        kinds = chance.choices(
            ["good", "bad", "flaky", "leaky", "long"], weights=[88, 3, 4, 2, 3], k=self.files
        )  # fmt: skip
        for place, kind in enumerate(kinds):
            content = f"{kind} {number * 100_000 + place}\n"
            self.write(f"files/b{place // BATCH:03d}/t{place % BATCH:02d}.txt", content)
        self.write("files/dozes/short.slow", f"0.{number}\n")
        self.write("files/dozes/long.slow", f"{600 + number}\n")
        self.run("ingest", "texts", "files")

    def start_run(self) -> int:
        """Start a run of the pipeline that publishes, and give its number."""
        return int(self.json("run", "start", "soak", "--publish")["run"])


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, file=sys.stderr, flush=True)
