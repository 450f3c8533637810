"""A warm executor with a store of its own, and functions given as text."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aliquot.blobs import Store
from aliquot.executors.owner import Owner
from aliquot.executors.warm import WarmExecutor
from aliquot.model.digest import digest_bytes
from aliquot.model.seams import Executor
from aliquot.model.task import Call, Outcome, Resources, TaskDocument, TaskFile
from executor_place import Place

HEAD = "import os, sys, time, aliquot\nfrom pathlib import Path\n"


def make_warm(workers: int = 2) -> Callable[[Store, Path], Executor]:
    return lambda store, work: WarmExecutor(store, Owner(work), workers, grace=0.5)


class WarmPlace(Place):
    """`code` is the module `work` of every call that follows; its functions are steps."""

    code = ""

    def write(self, code: str) -> None:
        self.code = HEAD + textwrap.dedent(code)

    def call(self, name: str, files: dict[str, bytes] | None = None, **more: Any) -> TaskDocument:
        self._tasks += 1
        given = {"bundle/work.py": self.code.encode()} | (files or {})
        inputs = {path.split("/")[1]: path for path in given if path.startswith("in/")}
        inputs |= more.pop("inputs", {})
        if isinstance(more.get("resources"), dict):
            more["resources"] = Resources(**more["resources"])
        call = Call(f"work:{name}", more.pop("values", {}), inputs)
        located = tuple(TaskFile(path, self.keep(data)) for path, data in given.items())
        more = {"task": self._tasks, "fence": 1} | more
        return TaskDocument(
            key=digest_bytes(str(self._tasks).encode()), name="step", command="", store=self.store.url,
            files=located, python=call, **more,
        )  # fmt: skip

    def all(self, documents: list[TaskDocument]) -> list[Outcome]:
        return [self.outcome(handle) for handle in self.executor.submit(documents)]

    def do(self, name: str, files: dict[str, bytes] | None = None, **more: Any) -> Outcome:
        return self.all([self.call(name, files, **more)])[0]
