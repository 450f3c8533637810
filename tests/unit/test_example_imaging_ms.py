"""The imaging mass spectrometry example: its definitions, its steps from file to picture, its generator."""

import csv
import hashlib
import importlib.util
import io
import json
import math
import os
import re
import shutil
import string
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from aliquot.formats.imzml import check_imzml
from aliquot.model.file_type import FileType
from aliquot.model.glob import compile_glob, fill
from aliquot.model.lab_config import LabConfig
from aliquot.model.pipeline import Pipeline, parameter_schema

np = pytest.importorskip("numpy", reason="needs numpy: pip install 'aliquot[imaging]'")
Image = pytest.importorskip("PIL.Image", reason="needs Pillow: pip install 'aliquot[imaging]'")

EXAMPLE = Path(__file__).parents[2] / "examples" / "imaging-ms"
TIC = 1450.2994112298284


def _yaml(path: str) -> Any:
    return YAML(typ="safe", pure=True).load((EXAMPLE / path).read_text(encoding="utf-8"))


def _pipeline() -> Pipeline:
    return Pipeline.model_validate(_yaml("pipelines/ion-images.yaml"))


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"imaging_ms_{name}", EXAMPLE / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class Driver:
    """Runs the pipeline's steps one after the other, each command in the surroundings that the engine promises."""

    root: Path
    pipeline: Pipeline = field(default_factory=_pipeline)
    ran: set[tuple[str, str]] = field(default_factory=set)
    """Step and content of every datum that was worked on."""

    def run(self, files: list[Path], **parameters: Any) -> dict[str, Path]:
        """Give the folder of what each step has written."""
        given = {name: schema["default"] for name, schema in self.pipeline.parameters.items()} | parameters
        places = {"measurements": self.root / "measurements"}
        places["measurements"].mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(file, places["measurements"] / file.name)
        for step in self.pipeline.order():
            places[step] = self.root / "steps" / step
            for datum in self.datums(step, places):
                done = self.task(step, datum, places, given)
                assert done.returncode == 0, done.stderr
        return places

    def datums(self, step: str, places: dict[str, Path]) -> list[tuple[str, list[str]]]:
        """Give each datum: what its input's variable points to below the input, and the paths of its files."""
        (taken,) = self.pipeline.steps[step].inputs.values()
        glob = compile_glob(taken.glob)
        source = places[taken.from_]
        found: dict[tuple[str, str], list[str]] = defaultdict(list)
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            path = f"/{file.relative_to(source).as_posix()}"
            entry = glob.datum_of(path)
            if entry:
                group = fill(taken.group_by, entry[1]) if taken.group_by else ""
                found["" if group else entry[0], group].append(path)
        return [(matched, paths) for (matched, _), paths in found.items()]

    def task(
        self, name: str, datum: tuple[str, list[str]], places: dict[str, Path], parameters: dict[str, Any]
    ) -> subprocess.CompletedProcess[str]:
        step = self.pipeline.steps[name]
        ((input_name, taken),) = step.inputs.items()
        digest = hashlib.sha256()
        work = self.root / "work" / name / str(len(self.ran))
        for path in datum[1]:
            content = (places[taken.from_] / path[1:]).read_bytes()
            digest.update(path.encode() + content)
            target = work / "in" / input_name / path[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        self.ran.add((name, digest.hexdigest()))
        for file in step.bundle:
            (work / "bundle" / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(EXAMPLE / file, work / "bundle" / file)
        (work / "out").mkdir(parents=True)
        values = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.defpath]),
            "OUT": str(work / "out"),
            "BUNDLE": str(work / "bundle"),
            input_name.upper(): f"{work}/in/{input_name}{datum[0]}",
        }
        values |= {each.upper(): str(parameters[each]) for each in step.parameters or []}
        assert isinstance(step.command, list)
        command = [string.Template(each).substitute(values) for each in step.command]
        done = subprocess.run(command, cwd=work, env=values, capture_output=True, text=True, check=False)
        shutil.copytree(work / "out", self.root / "steps" / name, dirs_exist_ok=True)
        return done


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _generate(folder: Path, *arguments: str) -> list[Path]:
    command = [sys.executable, str(EXAMPLE / "generate.py"), str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [Path(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def leaf(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return _generate(tmp_path_factory.mktemp("leaf"))


@pytest.fixture(scope="module")
def leaf_run(leaf: list[Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Driver, dict[str, Path]]:
    driver = Driver(tmp_path_factory.mktemp("run"))
    return driver, driver.run(leaf, spectra_per_part=100)


def test_the_definitions_are_valid_and_fit_together() -> None:
    lab = LabConfig.model_validate(_yaml("aliquot.yaml"))
    file_type = FileType.model_validate(_yaml("types/imzml.yaml"))
    pipeline = _pipeline()
    (source,) = lab.sources.values()
    assert source.settled.set == file_type.set
    assert [(rule.type, rule.into) for rule in source.accept] == [(file_type.type, "measurements")]
    assert {each.dataset for each in pipeline.inputs.values()} == {"measurements"}
    assert set(pipeline.trigger.new_version) <= set(pipeline.inputs)
    defaults = {name: schema["default"] for name, schema in pipeline.parameters.items()}
    jsonschema_rs.validator_for(parameter_schema(pipeline)).validate(defaults)
    used = [name for step in pipeline.steps.values() for name in step.parameters or []]
    assert sorted(used) == sorted(pipeline.parameters)
    for step in pipeline.steps.values():
        assert all((EXAMPLE / file).is_file() for file in step.bundle)
        assert set(re.findall(r"\$(\w+)", " ".join(step.command))) == {
            "BUNDLE", "OUT", *(each.upper() for each in [*step.inputs, *(step.parameters or [])])
        }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "valid"), [("", True), ("255.23", True), ("255.23, 377 ;401.5 ", True), ("-1", False), ("255.", False)]
)
def test_a_list_of_ions_is_checked_before_anything_runs(text: str, valid: bool) -> None:
    assert jsonschema_rs.is_valid(parameter_schema(_pipeline()), {"ions": text}) is valid


@pytest.mark.parametrize("mode", ["Continuous", "Processed"])
def test_the_reference_pairs_keep_their_total_ion_current(mode: str, shared_data: Path, tmp_path: Path) -> None:
    pair = sorted((shared_data / "imaging-ms").glob(f"Example_{mode}.*"))
    places = Driver(tmp_path).run(pair, spectra_per_part=4)
    (row,) = _rows(places["quality"] / f"Example_{mode}.csv")
    assert float(row["tic"]) == TIC
    assert f"{float(row['tic']):.7f}" == "1450.2994112"
    assert (row["mode"], row["kind"], row["parts"]) == (mode.lower(), "profile", "3")
    assert (row["pixels"], row["missing_pixels"], row["points_min"], row["points_max"]) == ("9", "0", "8399", "8399")
    assert (row["mz_min"], row["mz_max"]) == ("100.0833", "799.9167")
    assert len(_rows(places["peaks"] / f"Example_{mode}.csv")) == int(row["ions"]) > 100


def test_both_modes_and_any_number_of_parts_give_the_same_peaks(shared_data: Path, tmp_path: Path) -> None:
    def peaks(mode: str, size: int) -> list[dict[str, str]]:
        pair = sorted((shared_data / "imaging-ms").glob(f"Example_{mode}.*"))
        places = Driver(tmp_path / f"{mode}{size}").run(pair, spectra_per_part=size)
        return [row | {"measurement": ""} for row in _rows(places["peaks"] / f"Example_{mode}.csv")]

    assert peaks("Continuous", 2) == peaks("Processed", 9)


def test_the_missing_pixels_of_a_sparse_centroided_measurement(shared_data: Path, tmp_path: Path) -> None:
    pair = sorted((shared_data / "imaging-ms" / "galaxyp").glob("Combat_40pixel.i*"))
    places = Driver(tmp_path).run(pair, spectra_per_part=16)
    (row,) = _rows(places["quality"] / "Combat_40pixel.csv")
    assert (row["mode"], row["kind"], row["pixels"], row["parts"]) == ("continuous", "centroid", "40", "3")
    assert (row["width"], row["height"], row["missing_pixels"]) == ("74", "56", str(74 * 56 - 40))
    assert float(row["tic"]) == 3246.7542053879906
    assert len(list((places["images"] / "Combat_40pixel").glob("*.png"))) == 7


def test_the_ions_of_the_leaf_are_found_where_they_were_put(leaf_run: tuple[Driver, dict[str, Path]]) -> None:
    _, places = leaf_run
    rows = _rows(places["peaks"] / "leaf.csv")
    assert [float(row["mz"]) for row in rows] == pytest.approx([226.18, 255.23, 303.05, 341.11, 377.09], abs=0.02)
    (spots,) = [row for row in rows if row["mz"].startswith("377")]
    assert (int(spots["max_x"]), int(spots["max_y"])) in {(17, 7), (17, 8), (8, 10), (9, 10)}
    (quality,) = _rows(places["quality"] / "leaf.csv")
    assert (quality["pixels"], quality["missing_pixels"], quality["width"]) == ("372", "12", "24")
    pictures = sorted((places["images"] / "leaf").glob("*.png"))
    assert len(pictures) == 6
    with Image.open(pictures[0]) as picture:
        assert picture.size[0] > 480
        assert "date" not in str(picture.info)


def test_tables_hold_what_their_schemas_say(leaf_run: tuple[Driver, dict[str, Path]]) -> None:
    driver, places = leaf_run
    for table in driver.pipeline.tables.values():
        assert table.schema_ is not None
        assert table.schema_.primary_key == table.key
        for row in _rows(places[table.from_] / "leaf.csv"):
            assert list(row) == [column.name for column in table.schema_.fields]
            for column in table.schema_.fields:
                {"integer": int, "number": float, "string": str}[column.type](row[column.name])
                assert row[column.name] or not column.constraints.required
    keys = [(row["measurement"], row["mz"]) for row in _rows(places["peaks"] / "leaf.csv")]
    assert len(set(keys)) == len(keys)


def test_the_same_work_gives_the_same_bytes(
    leaf: list[Path], leaf_run: tuple[Driver, dict[str, Path]], tmp_path: Path
) -> None:
    first = leaf_run[1]
    again = Driver(tmp_path).run(leaf, spectra_per_part=100)
    for step in again:
        assert _bytes(again[step]) == _bytes(first[step]), step


def test_another_measurement_adds_its_own_tasks_and_changes_none(leaf: list[Path], tmp_path: Path) -> None:
    alone, both = Driver(tmp_path / "alone"), Driver(tmp_path / "both")
    other = _generate(tmp_path / "other", "--mode", "processed", "--name", "leaf.two", "--seed", "2")
    alone.run(leaf, spectra_per_part=200, top_ions=1)
    both.run([*leaf, *other], spectra_per_part=200, top_ions=1)
    assert alone.ran < both.ran
    added = sorted(step for step, _ in both.ran - alone.ran)
    assert added == ["images", "merge", "peaks", "pick", "pick", "quality", "split"]


def test_wanted_ions_are_drawn_and_those_not_found_say_so(
    leaf_run: tuple[Driver, dict[str, Path]], tmp_path: Path
) -> None:
    driver, places = leaf_run
    again = Driver(tmp_path)
    (datum,) = driver.datums("images", places)
    done = again.task("images", datum, places, {"ions": "377.1, 390", "top_ions": 6, "brightest": 99})
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["tic.png", "mz-377.1000.png", "mz-390.0000.png"]
    with Image.open(tmp_path / "steps/images/leaf/mz-390.0000.png") as empty:
        middle = empty.convert("RGB").getpixel((empty.width // 2, empty.height // 2))
    assert max(middle) < 64


def test_a_merge_refuses_what_is_not_the_whole(leaf_run: tuple[Driver, dict[str, Path]], tmp_path: Path) -> None:
    _, places = leaf_run
    copy = {"pick": tmp_path / "pick"}
    shutil.copytree(places["pick"], copy["pick"])
    parameters = {"tolerance": 0.2, "tolerance_unit": "Da", "min_share": 1}

    def refused(root: str) -> str:
        again = Driver(tmp_path / root)
        (datum,) = again.datums("merge", copy)
        done = again.task("merge", datum, copy, parameters)
        assert done.returncode == 1
        assert _bytes(tmp_path / root / "steps") == {}
        return done.stderr

    document = copy["pick"] / "leaf" / "part-0002" / "picked.json"
    picked = json.loads(document.read_text(encoding="utf-8"))
    picked["tic"][0] = str(Fraction(picked["tic"][0]) + Fraction(1, 2**40))
    document.write_text(json.dumps(picked), encoding="utf-8")
    assert "is not that of the whole" in refused("changed")
    shutil.rmtree(document.parent)
    assert "spectra are missing" in refused("gap")
    for part in ("part-0003", "part-0004"):
        shutil.rmtree(copy["pick"] / "leaf" / part)
    assert "1 of 4 parts" in refused("end")


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda binary: binary[:-4], "ends too soon"),
        (lambda binary: bytes(16) + binary[16:], "not a pair"),
    ],
)
def test_a_damaged_pair_is_not_split(leaf: list[Path], tmp_path: Path, damage: Any, sentence: str) -> None:
    xml, ibd = leaf
    shutil.copyfile(xml, tmp_path / xml.name)
    (tmp_path / ibd.name).write_bytes(damage(ibd.read_bytes()))
    script = str(EXAMPLE / "scripts" / "split.py")
    command = [sys.executable, script, f"--files={tmp_path}", f"--out={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert sentence in done.stderr


def test_sums_are_exact_in_any_order() -> None:
    exact = _script("exact")
    random = np.random.Generator(np.random.PCG64(3))
    values = random.normal(size=3000) * 10.0 ** random.integers(-300, 300, 3000)
    values[:4] = [5e-324, -5e-324, 0.0, 1.7e308]
    floats = (random.normal(size=3000) * 10.0 ** random.integers(-44, 38, 3000)).astype("<f4")
    for numbers in (values, floats, np.array([2**31 - 1, -7], "<i4"), np.empty(0)):
        expected = sum((Fraction(float(each)) for each in numbers), Fraction(0))
        assert exact.exact_sum(numbers) == expected
        assert exact.exact_sum(numbers[::-1]) == expected
        assert exact.from_text(exact.to_text(expected)) == expected
    small = values[np.abs(values) < 1e200]
    assert float(exact.exact_sum(small)) == math.fsum(small.tolist())
    with pytest.raises(ValueError, match="infinite"):
        exact.exact_sum(np.array([1.0, np.nan]))


def test_smoothing_keeps_a_parabola_and_the_baseline_lies_under_a_peak() -> None:
    spectrum = _script("spectrum")
    assert spectrum.smoothing_weights(2, 2) == pytest.approx([each / 35 for each in (-3, 12, 17, 12, -3)], abs=1e-15)
    assert spectrum.smoothing_weights(0, 2) == (1.0,)
    places = np.arange(200.0)
    parabola = (places - 90) ** 2
    smoothed = spectrum.smooth(parabola, spectrum.smoothing_weights(3, 2))
    assert smoothed[5:-5] == pytest.approx(parabola[5:-5])
    hill = 10 + 0.05 * places
    peak = 50 * np.exp(-(((places - 100.3) / 3) ** 2))
    corrected = hill + peak - spectrum.baseline(hill + peak, 20)
    assert corrected[30:70] == pytest.approx(np.zeros(40), abs=0.3)
    mz, height = spectrum.find_peaks(places, corrected, 5.0)
    assert mz == pytest.approx([100.3], abs=0.05)
    assert height == pytest.approx([50], rel=0.03)


@pytest.mark.parametrize(
    ("tolerance", "unit", "expected"),
    [(0.2, "Da", [(0, 3), (3, 4), (4, 6)]), (10, "ppm", [(0, 1), (1, 2), (2, 3), (3, 4), (4, 6)])],
)
def test_peaks_are_one_ion_within_the_tolerance(tolerance: float, unit: str, expected: list[tuple[int, int]]) -> None:
    ion_ranges = _script("alignment").ion_ranges
    assert ion_ranges(np.array([100.0, 100.1, 100.2, 100.5, 300.0, 300.002]), tolerance, unit) == expected
    chain = np.arange(100.0, 102.0, 0.1)
    ranges = ion_ranges(chain, 0.2, "Da")
    assert [start for start, _ in ranges] == [0, *(stop for _, stop in ranges[:-1])]
    assert all(chain[stop - 1] - chain[start] <= 0.4 for start, stop in ranges)


@pytest.mark.parametrize("mode", ["continuous", "processed"])
def test_the_generator_writes_the_same_valid_pair_every_time(mode: str, tmp_path: Path) -> None:
    first = _generate(tmp_path / "a", "--mode", mode)
    again = _generate(tmp_path / "b", "--mode", mode)
    other = _generate(tmp_path / "c", "--mode", mode, "--seed", "9")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]
    assert first[1].read_bytes()[:16] != other[1].read_bytes()[:16]
    report = check_imzml({path.name: path for path in first})
    assert report.findings == ()
    assert (report.facts["mode"], report.facts["pixels"], report.facts["checksum"]) == (mode, 372, "sha1")
    text = first[0].read_text(encoding="utf-8")
    assert hashlib.sha1(first[1].read_bytes()).hexdigest() in text
    read = _script("imzml_file")
    measurement = read.read_measurement(first[0])
    assert (measurement.mode, measurement.width, measurement.height) == (mode, 24, 16)
    assert measurement.uuid == first[1].read_bytes()[:16].hex()
    last = measurement.spectra[-1].intensity
    assert last.offset + 4 * last.length == first[1].stat().st_size
