"""A lab's folder that is right: what is read, what would change, and the lab that `init` writes."""

# ruff: noqa: E501  # messages are compared word for word, each on one line

import csv
import json
import subprocess
import sys

import jsonschema_rs
import pytest
from ruamel.yaml import YAML

from aliquot.definitions import Registered, difference, json_schema, read_lab, read_pipeline_file, write_template
from aliquot.definitions.schema import _MODELS
from aliquot.model.errors import Conflict, Invalid, Missing
from aliquot.model.finding import Severity

PIPELINE = """\
pipeline: p
parameters: {limit: {type: integer, default: 3}}
inputs: {d: {dataset: d}}
steps:
  a:
    inputs: {r: {from: d, glob: "/{sample}_(*).csv", group_by: $sample-$1}}
    bundle: [scripts]
    command: [python3, $BUNDLE/scripts/deep/run.py, $R, $OUT, $LIMIT, $SAMPLE, $HOME, "$1"]
    exports: {total: a.b}
  b:
    inputs: {x: {from: a}}
    command: "echo ${TOTAL} ${R:-none} $(ls)"
outputs: {o: {from: b, publish: results}}
tables: {t: {from: b, type: charges, key: id, mode: upsert}}
trigger: {new_version: [d], schedule: "*/5 2 * * MON-FRI"}
""".replace("key: id", "key: [id]")

LAB = {
    "aliquot.yaml": """\
lab: l
store: ${env:STORE}
hub: postgresql://lab:${secret:local/hub}@host/hub
executor: {kind: "${env:KIND}", workers: "${env:WORKERS}"}
vaults: {local: {folder: ./secrets}}
sources:
  inside: {watch: ./inbox, accept: [{type: charges, into: d}]}
  outside: {watch: /data/elsewhere, accept: [{type: charges, into: e}], settled: {marker: "{path}.done"}}
  bucket: {watch: "file:///b/prefix", accept: [{type: charges, into: f}], ignore: ["*.tmp"]}
""",
    "types/charges.yaml": (
        'type: charges\nrecognise: {name: "*.csv"}\nformat: table\ntable: {primaryKey: id, fields: [{name: id}]}\n'
    ),
    "pipelines/p.yml": PIPELINE,
    "records/study.yaml": "record: study\nschema: {properties: {title: {type: string}}}\n",
    "records/sample.yaml": "record: sample\nparent: study\nschema: {}\n",
    "scripts/deep/run.py": "print()\n",
    "scripts/__pycache__/run.pyc": "x",
    "notes.yaml": "not: [read",
}
OUTSIDE = {"KIND": "container", "WORKERS": "4"}


def _write(folder, files):
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
    return folder


@pytest.fixture
def lab(tmp_path):
    return _write(tmp_path / "lab", LAB)


def test_everything_is_read_with_its_place(lab):
    found = read_lab(lab, OUTSIDE)
    assert [(each.kind, each.name, each.source) for each in found] == [
        ("type", "charges", "types/charges.yaml"),
        ("pipeline", "p", "pipelines/p.yml"),
        ("record", "sample", "records/sample.yaml"),
        ("record", "study", "records/study.yaml"),
    ]
    pipeline = found.pipelines["p"]
    assert pipeline.model.order() == ["a", "b"]
    assert pipeline.model.steps["a"].inputs["r"].group_by == "$sample-$1"
    assert pipeline.text.place(("steps", "a", "inputs", "r", "glob")) == (6, 33)
    assert found.types["charges"].model.table.primary_key == ["id"]
    assert (found.lab.executor.kind, found.lab.executor.workers) == ("container", 4)


def test_documents_hold_what_was_written_and_references_stay_references(lab):
    found = read_lab(lab, OUTSIDE)
    assert found.types["charges"].document == YAML(typ="safe", pure=True).load(LAB["types/charges.yaml"])
    assert found.config.document["executor"] == {"kind": "${env:KIND}", "workers": "${env:WORKERS}"}
    assert found.lab.hub == "postgresql://lab:${secret:local/hub}@host/hub"
    assert found.lab.store == "${env:STORE}"
    json.dumps([each.document for each in found])


def test_the_digest_covers_the_document_and_the_bundled_files_but_no_comments(lab):
    before = read_lab(lab, OUTSIDE).pipelines["p"]
    assert {path: each.data for path, each in before.bundle.items()} == {"scripts/deep/run.py": b"print()\n"}
    _write(lab, {"pipelines/p.yml": "# a comment\n" + PIPELINE, "scripts/__pycache__/run.pyc": "y"})
    assert read_lab(lab, OUTSIDE).pipelines["p"].digest == before.digest
    _write(lab, {"scripts/deep/run.py": "print(1)\n"})
    changed = read_lab(lab, OUTSIDE).pipelines["p"].digest
    assert changed != before.digest
    _write(lab, {"pipelines/p.yml": PIPELINE.replace("default: 3", "default: 4")})
    assert read_lab(lab, OUTSIDE).pipelines["p"].digest not in (before.digest, changed)


def test_a_folder_without_a_lab_is_missing(tmp_path):
    with pytest.raises(Missing, match="aliquot init DIR") as caught:
        read_lab(tmp_path)
    assert caught.value.code == "lab-missing"


def test_one_pipeline_is_read_from_anywhere(lab, tmp_path):
    draft = tmp_path / "draft.yaml"
    draft.write_text(PIPELINE)
    found = read_pipeline_file(draft, lab)
    assert (found.name, list(found.bundle)) == ("p", ["scripts/deep/run.py"])
    draft.write_text(PIPELINE.replace("from: a}", "from: c}"))
    with pytest.raises(Invalid, match=r"draft.yaml:11:24: steps.b.inputs.x.from: there is no input or step 'c'"):
        read_pipeline_file(draft, lab)
    with pytest.raises(Missing, match="There is no file"):
        read_pipeline_file(tmp_path / "nowhere.yaml", lab)


def _pipeline(name, takes, publishes):
    return (
        f"pipeline: {name}\ninputs: {{i: {{dataset: {takes}}}}}\nsteps: {{s: {{inputs: {{r: {{from: i}}}}, command: ls}}}}\n"
        f"outputs: {{o: {{from: s, publish: {publishes}}}}}\ntrigger: {{new_version: [{takes}]}}\n"
    )


def test_pipelines_that_would_start_each_other_without_end_are_refused(tmp_path):
    files = {"aliquot.yaml": "lab: l\n", "pipelines/a.yaml": _pipeline("a", "x", "y")}
    _write(tmp_path, files | {"pipelines/b.yaml": _pipeline("b", "y", "z")})
    assert list(read_lab(tmp_path).pipelines) == ["a", "b"]
    _write(tmp_path, {"pipelines/b.yaml": _pipeline("b", "y", "x")})
    with pytest.raises(Invalid) as caught:
        read_lab(tmp_path)
    assert caught.value.message.splitlines()[1:] == [
        "pipelines/a.yaml:5:25: trigger.new_version[0]: a new version of 'x' would start runs without end: the pipelines start each other: a -> b -> a"
    ]


def test_two_writers_of_one_dataset_are_refused(lab):
    _write(lab, {"pipelines/q.yaml": _pipeline("q", "g", "results"), "pipelines/r.yaml": _pipeline("r", "g", "e")})
    with pytest.raises(Invalid) as caught:
        read_lab(lab, OUTSIDE)
    assert caught.value.message.splitlines()[1:] == [
        "pipelines/q.yaml:4:33: outputs.o.publish: the pipeline 'p' writes the dataset 'results' already; publish to another one",
        "pipelines/r.yaml:4:33: outputs.o.publish: the source 'outside' writes the dataset 'e' already; publish to another one",
    ]


def test_a_broken_definition_is_not_reported_as_missing_elsewhere(lab):
    _write(lab, {"types/charges.yaml": "type: charges\nrecognise: 5\n", "records/study.yaml": "record: ["})
    with pytest.raises(Invalid) as caught:
        read_lab(lab, OUTSIDE)
    assert [line.split(":")[0] for line in caught.value.message.splitlines()[1:]] == [
        "records/study.yaml", "types/charges.yaml",
    ]  # fmt: skip


def test_what_apply_would_change_is_told_as_a_diff(lab):
    before = read_lab(lab, OUTSIDE)
    registered = {(each.kind, each.name): Registered(each.document, each.bundle_digests) for each in before}
    assert [each.digest for each in registered.values()] == [each.digest for each in before]
    assert {change.change for change in difference(registered, before)} == {"unchanged"}
    del registered["record", "study"]
    registered["type", "old"] = Registered({"type": "old", "recognise": {"name": "*"}})
    _write(
        lab,
        {"scripts/deep/run.py": "print(1)\n", "types/charges.yaml": LAB["types/charges.yaml"].replace("csv", "tsv")},
    )
    changes = {(each.kind, each.name): each for each in difference(registered, read_lab(lab, OUTSIDE))}
    assert {name: each.change for (_, name), each in changes.items()} == {
        "charges": "changed", "p": "changed", "sample": "unchanged", "study": "new", "old": "gone",
    }  # fmt: skip
    assert changes["type", "charges"].diff.splitlines()[:2] == [
        "--- registered type charges",
        "+++ folder type charges",
    ]
    assert "-  name: '*.csv'\n+  name: '*.tsv'\n" in changes["type", "charges"].diff
    assert "-# bundled: scripts/deep/run.py blake3:" in changes["pipeline", "p"].diff
    assert "+record: study\n" in changes["record", "study"].diff
    assert "-type: old\n" in changes["type", "old"].diff
    assert changes["record", "sample"].document() == {
        "change": "unchanged", "kind": "record", "name": "sample", "diff": "",
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["lab", "source", "type", "pipeline", "record"])
def test_json_schemas_are_valid_and_speak(kind):
    schema = json_schema(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(schema)
    assert schema["title"]
    assert all(name in schema["properties"] for name in schema["required"])
    assert not any(name.endswith("_") for name in schema["properties"])
    assert _MODELS[kind][0].__doc__.splitlines()[0] in schema["description"]


def test_json_schemas_accept_what_is_read_and_refuse_what_is_not(lab):
    found = read_lab(lab, OUTSIDE)
    for each in found:
        assert jsonschema_rs.Draft202012Validator(json_schema(each.kind)).is_valid(each.document)
    pipeline = jsonschema_rs.Draft202012Validator(json_schema("pipeline"))
    document = found.pipelines["p"].document
    assert pipeline.is_valid(document | {"trigger": "manual"})
    assert not pipeline.is_valid(document | {"trigger": "automatic"})
    assert not pipeline.is_valid(document | {"titel": "x"})
    assert not pipeline.is_valid(document | {"parameters": {"n": {"type": "intger"}}})
    labs = jsonschema_rs.Draft202012Validator(json_schema("lab"))
    assert labs.is_valid({"lab": "x", "executor": "process"})
    assert not labs.is_valid({"lab": "x", "executor": "proces"})
    assert json_schema("pipeline")["properties"]["steps"]["description"] == "Its commands."


def test_an_unknown_kind_of_definition_is_missing():
    with pytest.raises(Missing, match="did you mean 'pipeline'"):
        json_schema("pipelin")


def test_the_new_lab_is_right(tmp_path):
    written = write_template(tmp_path / "deep" / "lab", "my-lab")
    found = read_lab(tmp_path / "deep" / "lab")
    assert found.lab.lab == "my-lab"
    assert [(each.kind, each.name) for each in found] == [
        ("type", "plate"), ("pipeline", "summary"), ("record", "plate_run"),
    ]  # fmt: skip
    assert (tmp_path / "deep/lab/inbox").is_dir()
    assert tmp_path / "deep/lab/.gitignore" in written
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["lab"]
    assert not any("LAB_NAME" in path.read_text() for path in written)


def test_the_new_lab_s_step_does_what_its_table_expects(tmp_path):
    write_template(tmp_path / "lab", "my-lab")
    found = read_lab(tmp_path / "lab").pipelines["summary"]
    script = tmp_path / "lab" / "scripts" / "summarise.py"
    out = tmp_path / "out"
    out.mkdir()
    plate = tmp_path / "lab" / "example" / "plate-1.csv"
    subprocess.run([sys.executable, script, plate, out, "blank"], check=True)
    rows = list(csv.reader((out / "plate-1.csv").open()))
    assert rows[0] == [column.name for column in found.model.tables["sample_means"].schema_.fields]
    assert rows[1:] == [
        ["plate-1", "blank", "2", "0.0"], ["plate-1", "control", "2", "0.51"], ["plate-1", "treated", "3", "1.15"],
    ]  # fmt: skip


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "cp1252"), ("\t", "utf-8-sig"), ("|", "utf-8")])
def test_the_new_lab_s_step_reads_what_its_type_takes(tmp_path, delimiter, encoding):
    write_template(tmp_path / "lab", "my-lab")
    lines = ["well,sample,absorbance", "A1,blank,0.1", "A2,größer,0.4"]
    plate, out = tmp_path / "p.csv", tmp_path / "out"
    plate.write_bytes("\r\n".join(lines).replace(",", delimiter).encode(encoding))
    table = read_lab(tmp_path / "lab").types["plate"].model.table
    assert table
    pytest.importorskip("polars", reason="needs the PyPI package polars")
    from aliquot.formats.table import check_table

    assert {each.severity for each in check_table(plate, table).findings} <= {Severity.WARNING}
    out.mkdir()
    script = tmp_path / "lab" / "scripts" / "summarise.py"
    subprocess.run([sys.executable, script, plate, out, "blank"], check=True)
    rows = list(csv.reader((out / "p.csv").open(encoding="utf-8")))
    assert rows[1:] == [["p", "blank", "1", "0.0"], ["p", "größer", "1", "0.3"]]


def test_the_new_lab_goes_into_an_empty_folder_but_over_nothing(tmp_path):
    (tmp_path / "empty").mkdir()
    write_template(tmp_path / "empty", "a")
    assert (tmp_path / "empty" / "aliquot.yaml").is_file()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(Conflict, match="holds something already") as caught:
        write_template(tmp_path / "empty", "a")
    assert caught.value.code == "folder-not-empty"
    (tmp_path / "file").write_text("x")
    with pytest.raises(Conflict):
        write_template(tmp_path / "file", "a")
    with pytest.raises(Invalid, match="cannot name a lab"):
        write_template(tmp_path / "other", "Not A Name")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "file"])
