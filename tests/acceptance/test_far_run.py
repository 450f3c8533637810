"""Starting a run from another machine and following it to its end, while the lab's server is started anew."""

import json
import subprocess

import pytest

from far_lab import PIPELINE, SETTINGS, TYPE
from lab_folder import ALIQUOT, LabFolder
from running_server import running_server
from waiting import until


def test_a_run_is_followed_through_a_restart_of_the_server(tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("far")
    lab, gate = LabFolder(place / "lab"), place / "gate"
    lab.write("aliquot.yaml", SETTINGS)
    lab.write("types/plate.yaml", TYPE)
    lab.write("pipelines/totals.yaml", PIPELINE.replace("sleep 60", f"while [ ! -e {gate} ]; do sleep 0.1; done"))
    lab.run("apply")
    lab.run("user", "add", "ada", "--role", "scientist")
    scopes = [word for each in ("run.start", "run.read", "pipeline.read", "dataset.ingest", "dataset.read")
              for word in ("--scope", each)]  # fmt: skip
    token = lab.json("token", "create", "laptop", "--user", "ada", *scopes)["word"]
    lab.write("slow.csv", "well,value\nslow,1\n")
    away = {**lab.environment, "ALIQUOT_TOKEN": token, "XDG_CONFIG_HOME": str(place / "config")}
    with running_server(lab, "up") as server:
        address = server.address
        there = [ALIQUOT, "--server", address]
        sent = subprocess.run([*there, "ingest", "plates", "lab/slow.csv"], cwd=place, env=away, check=False)
        assert sent.returncode == 0
        words = [*there, "run", "start", "totals", "--wait", "--json"]
        following = subprocess.Popen(
            words, cwd=place, env=away, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )  # fmt: skip
        until(lambda: any(each["state"] == "RUNNING" for each in lab.json("run", "list")), 90)
        server.stop()
    gate.touch()
    with running_server(lab, "up", "--listen", address.removeprefix("http://")):
        out, err = following.communicate(timeout=200)
    assert following.returncode == 0, err
    told = json.loads(out)
    assert (told["state"], [each["ran"] for each in told["steps"]]) == ("COMPLETE", [1])
    assert token not in out + err
