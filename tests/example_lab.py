"""Run the steps of an example lab as plain programs, in the surroundings that tasks have."""

import csv
import itertools
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from aliquot.definitions import read_lab
from aliquot.model.file_type import FileType
from aliquot.model.glob import compile_glob, fill
from aliquot.model.lab_config import LabConfig
from aliquot.model.pipeline import Pipeline, StepInput

Files = dict[str, Path]
"""Files of a dataset or of a step's output, by their path there, which begins with `/`."""
Rows = list[dict[str, str]]

EXAMPLES = Path(__file__).parent.parent / "examples"


def rows_of(path: Path) -> Rows:
    """Read a CSV file with a header."""
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


@dataclass
class Datum:
    """Files of one task by input, the place of each input below `in/`, and captured names."""

    files: dict[str, Files] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    captures: dict[str, str] = field(default_factory=dict)


def datums(name: str, taken: StepInput, files: Files) -> list[Datum]:
    """Take files apart as the step's input asks for."""
    glob = compile_glob(taken.glob)
    groups: dict[str, list[tuple[str, str, dict[str, str]]]] = defaultdict(list)
    for path in sorted(files):
        found = glob.datum_of(path)
        if found is not None:
            entry, captures = found
            groups[fill(taken.group_by, captures) if taken.group_by else entry].append((path, entry, captures))
    made: list[Datum] = []
    for members in groups.values():
        entries = {entry for _, entry, _ in members}
        inside = {path: files[path] for path, _, _ in members}
        place = entries.pop().strip("/") if len(entries) == 1 else ""
        captures = {key: value for key, value in members[0][2].items() if not key.isdigit()}
        made.append(Datum({name: inside}, {name: place}, captures))
    return made


@dataclass
class ExampleLab:
    """An example's folder and one of its pipelines."""

    folder: Path
    pipeline: Pipeline
    config: LabConfig
    types: dict[str, FileType]
    tasks: list[str] = field(default_factory=list)
    """Step of each task that ran, in order."""
    failed: list[str] = field(default_factory=list)
    """What each failed task wrote to its error stream."""

    @classmethod
    def open(cls, example: str) -> "ExampleLab":
        """Read an example as `aliquot apply` does; it has one pipeline."""
        folder = EXAMPLES / example
        found = read_lab(folder, {})
        (pipeline,) = (each.model for each in found.pipelines.values())
        types = {name: each.model for name, each in found.types.items()}
        return cls(folder, pipeline, found.lab, types)

    def task(
        self, work: Path, step: str, datum: Datum, parameters: dict[str, str] | None = None, path: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a step on one datum, in the new folder `work`."""
        definition = self.pipeline.steps[step]
        for bundled in definition.bundle:
            (work / "bundle" / bundled).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.folder / bundled, work / "bundle" / bundled)
        (work / "out").mkdir(parents=True)
        declared = self.pipeline.parameters if definition.parameters is None else definition.parameters
        values = {name: str(self.pipeline.parameters[name]["default"]) for name in declared} | (parameters or {})
        environment = {
            "PATH": path
            if path is not None
            else f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "OUT": str(work / "out"),
            "BUNDLE": str(work / "bundle"),
            "CPUS": f"{definition.resources.cpus:g}",
            **{name.upper(): value for name, value in (values | datum.captures).items()},
        }
        for name, files in datum.files.items():
            for inside, file in files.items():
                target = work / "in" / name / inside.lstrip("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
            environment[name.upper()] = str(work / "in" / name / datum.places[name].lstrip("/"))
        assert isinstance(definition.command, list)
        command = [re.sub(r"\$([A-Z_]+)", lambda found: environment[found[1]], part) for part in definition.command]
        # A task's program is looked up on the task's own PATH.
        program = shutil.which(command[0], path=environment["PATH"]) or sys.executable
        self.tasks.append(step)
        return subprocess.run(
            [program, *command[1:]], cwd=work, env=environment, capture_output=True, text=True, check=False
        )

    def run(self, work: Path, inputs: dict[str, Files], **parameters: str) -> dict[str, Files]:
        """Run all steps over the inputs; give the files of each step. A failed task is parked in `failed`."""
        files = dict(inputs)
        given = {name.upper(): value for name, value in parameters.items()}
        for step in self.pipeline.order():
            taken = self.pipeline.steps[step].inputs
            parts = [datums(name, each, files[each.from_]) for name, each in taken.items()]
            files[step] = {}
            for number, combination in enumerate(itertools.product(*parts)):
                datum = Datum()
                for part in combination:
                    datum.files |= part.files
                    datum.places |= part.places
                    datum.captures |= part.captures
                folder = work / step / str(number)
                done = self.task(folder, step, datum, given)
                if done.returncode:
                    self.failed.append(done.stderr)
                    continue
                out = folder / "out"
                made = {f"/{path.relative_to(out).as_posix()}": path for path in out.rglob("*") if path.is_file()}
                assert not made.keys() & files[step].keys(), "two tasks wrote the same path"
                files[step] |= made
        return files

    def table(self, name: str, files: dict[str, Files]) -> Rows:
        """Give the rows that a table of the hub is loaded from, and see that they have its columns."""
        table = self.pipeline.tables[name]
        glob = compile_glob(table.glob)
        assert table.schema_ is not None
        columns = [each.name for each in table.schema_.fields]
        rows: Rows = []
        for inside, path in sorted(files[table.from_].items()):
            if glob.match(inside) is not None:
                with path.open(encoding="utf-8", newline="") as handle:
                    assert next(csv.reader(handle)) == columns
                rows += rows_of(path)
        keys = [tuple(row[column] for column in table.schema_.primary_key) for row in rows]
        assert len(set(keys)) == len(keys)
        return rows


def generate(example: str, out: Path, *options: str) -> Path:
    """Call an example's generator and give the folder that it wrote to."""
    command = [sys.executable, str(EXAMPLES / example / "generate.py"), str(out), *options]
    subprocess.run(command, check=True, capture_output=True)
    return out


def files_in(folder: Path) -> Files:
    """Give a folder's files as a dataset would hold them."""
    return {f"/{path.relative_to(folder).as_posix()}": path for path in folder.rglob("*") if path.is_file()}
