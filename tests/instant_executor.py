"""An executor without processes, for tests of the engine: every attempt ends at once with what a function says."""

from collections.abc import Callable, Iterable, Sequence

from aliquot.model.errors import AliquotError
from aliquot.model.seams import Handle, Leftover, Sighting
from aliquot.model.state import State
from aliquot.model.task import Outcome, OutputFile, TaskDocument


def copied(document: TaskDocument) -> Outcome:
    """End as `cp` of every input would."""
    inputs = [file for file in document.files if file.path.startswith("in/")]
    outputs = tuple(OutputFile("/" + each.path.split("/", 2)[2], each.blob.digest, each.blob.size) for each in inputs)
    return Outcome(document.task, document.fence, State.COMPLETE, exit_code=0, outputs=outputs, ended_at=1.0)


class InstantExecutor:
    name = "instant"

    def __init__(self, outcome: Callable[[TaskDocument], Outcome | None] = copied) -> None:
        self.outcome = outcome
        self.started: list[str] = []
        self.canceled: list[Handle] = []
        self.documents: dict[Handle, TaskDocument] = {}
        self.fault: AliquotError | None = None

    @property
    def capacity(self) -> int:
        return 4

    def identity(self, image: str | None, *, python: bool = False) -> str:
        if self.fault:
            raise self.fault
        return f"instant {image}"

    def submit(self, documents: Sequence[TaskDocument]) -> list[Handle]:
        handles = [Handle(f"{document.task}-{document.fence}") for document in documents]
        for handle, document in zip(handles, documents, strict=True):
            if handle not in self.documents:
                self.documents[handle] = document
                self.started.append(document.name)
        return handles

    def take_over(self) -> list[Leftover]:
        return []

    def drop(self, tasks: Iterable[int]) -> None:
        pass

    def look(self, handles: Iterable[Handle]) -> list[Sighting]:
        found: list[Sighting] = []
        for handle in handles:
            document = self.documents.get(handle)
            if document and handle in self.canceled:
                outcome: Outcome | None = Outcome(document.task, document.fence, State.CANCELED, ended_at=1.0)
            else:
                outcome = self.outcome(document) if document else None
            found.append(Sighting(handle, running=outcome is None, lost=document is None, outcome=outcome))
        return found

    def fresh(self) -> list[Handle]:
        return list(self.documents)

    def cancel(self, handles: Iterable[Handle]) -> None:
        self.canceled += handles

    def withdraw(self, handles: Iterable[Handle]) -> list[Handle]:
        return []

    def forget(self, handles: Iterable[Handle]) -> None:
        for handle in handles:
            self.documents.pop(handle, None)

    def wait(self, seconds: float) -> None:
        pass

    def close(self) -> None:
        self.documents.clear()
