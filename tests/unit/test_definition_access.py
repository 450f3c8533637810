"""Projects, approvals and sign-ins in the files that people write."""

from pathlib import Path

import pytest

from aliquot.definitions import read_lab
from aliquot.model.errors import Invalid

LAB = """\
lab: l
projects: [blue, red]
approvals: {quarantine.release: true}
sources:
  bench: {watch: ./inbox, project: blue, accept: [{type: t, into: d}]}
login:
  oidc:
    issuer: https://id.example.org/realm
    client_id: aliquot
    client_secret: ${secret:local/oidc}
    groups: {admins: administrator, blue-team: {blue: technician}}
vaults: {local: {folder: ./secrets}}
"""
TYPE = 'type: t\nproject: blue\nrecognise: {name: "*.csv"}\n'
PIPELINE = "pipeline: p\nproject: red\nsteps: {a: {command: ['true']}}\n"


def _read(folder: Path, lab: str = LAB, pipeline: str = PIPELINE, type_: str = TYPE):
    for path, text in {"aliquot.yaml": lab, "types/t.yaml": type_, "pipelines/p.yaml": pipeline}.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    return read_lab(folder, {})


def test_what_is_right_is_read(tmp_path: Path) -> None:
    found = _read(tmp_path)
    assert found.lab.projects == ["blue", "red"]
    assert found.lab.approvals.quarantine_release
    assert not found.lab.approvals.pipeline_publish
    assert found.lab.sources["bench"].project == "blue"
    assert found.pipelines["p"].model.project == "red"
    assert found.lab.login.oidc is not None
    assert found.lab.login.oidc.groups == {"admins": "administrator", "blue-team": {"blue": "technician"}}


def test_without_a_word_everything_is_in_the_one_project(tmp_path: Path) -> None:
    found = _read(tmp_path, "lab: l\n", PIPELINE.replace("project: red\n", ""), TYPE.replace("project: blue\n", ""))
    assert {each.model.project for each in found if each.kind != "lab"} == {"lab"}


@pytest.mark.parametrize(
    ("change", "where", "words"),
    [
        ((PIPELINE, "project: red", "project: rad"), "pipelines/p.yaml:2:10: project:", "did you mean 'red'?"),
        ((TYPE, "project: blue", "project: green"), "types/t.yaml:2:10: project:", "there is 'blue', 'lab', 'red'"),
        ((LAB, "project: blue", "project: bleu"), "aliquot.yaml:5:36: sources.bench.project:", "did you mean 'blue'?"),
        ((LAB, "[blue, red]", "[blue, red, blue]"), "aliquot.yaml:2:23: projects[2]:", "listed twice"),
        ((LAB, "https://id", "ftp://id"), "aliquot.yaml:8:13: login.oidc.issuer:", "no https:// address"),
        ((LAB, "https://id", "http://id"), "aliquot.yaml:8:13: login.oidc.issuer:", "no https:// address"),
        ((LAB, "${secret:local/oidc}", "hunter2"), "aliquot.yaml:10:20:", "a secret does not stand in a file"),
        ((LAB, "${secret:local/oidc}", "${secret:lokal/oidc}"), "aliquot.yaml:10:20:", "did you mean 'local'?"),
        ((LAB, "{blue: technician}", "{bluu: technician}"), "aliquot.yaml:11:55:", "did you mean 'blue'?"),
        ((LAB, "{blue: technician}", "{blue: administrator}"), "aliquot.yaml:11:", "'technician'"),
        ((LAB, "quarantine.release", "quarantine.releas"), "aliquot.yaml:3:13:", "did you mean 'quarantine.release'?"),
        ((LAB, "client_id: aliquot", "scopes: [email]\n    client_id: aliquot"), "aliquot.yaml:9:13:", "'openid'"),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_their_place(tmp_path: Path, change: tuple[str, str, str], where: str, words: str) -> None:
    text, old, new = change
    assert old in text
    files = [text.replace(old, new, 1) if each is text else each for each in (LAB, PIPELINE, TYPE)]
    with pytest.raises(Invalid) as caught:
        _read(tmp_path, *files)
    assert where in caught.value.message
    assert words in caught.value.message


def test_a_dataset_has_one_project(tmp_path: Path) -> None:
    other = LAB.replace(
        "login:", "  other: {watch: ./outbox, project: red, accept: [{type: t, into: d}]}\nlogin:"
    )  # fmt: skip
    with pytest.raises(Invalid, match="a dataset belongs to one project"):
        _read(tmp_path, other)


def test_somebody_must_be_able_to_sign_in(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="nobody could sign in"):
        _read(tmp_path, LAB[: LAB.index("login:")] + "login: {passwords: false}\n")
