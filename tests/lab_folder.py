"""A lab in a folder, worked with through the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ALIQUOT = str(Path(sys.executable).parent / "aliquot")


class LabFolder:
    """Runs `aliquot` in a lab's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "ALIQUOT_USER": "tester", "COLUMNS": "100"}
        # Labs of several tests are up at once.
        self.environment |= {"ALIQUOT_LISTEN": "127.0.0.1:0"}
        self.environment.pop("ALIQUOT_LAB", None)

    def write(self, path: str, content: str | bytes) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        return target

    def run(self, *words: str, expect: int | None = 0, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [ALIQUOT, *words], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=seconds
        )
        if expect is not None:
            assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words: str, expect: int | None = 0) -> Any:
        return json.loads(self.run(*words, "--json", expect=expect).stdout)

    def up(self, expect: int | None = 0) -> Any:
        return self.json("up", "--until-idle", expect=expect)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        """Start `aliquot` in the background, in a session of its own."""
        with (self.folder / "background.log").open("ab") as log:
            return subprocess.Popen(
                [ALIQUOT, *words], cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
