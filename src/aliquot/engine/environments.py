"""What runs a step's commands, asked for without holding up everything else: an image may have to be fetched first."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aliquot.engine.keys import environment_of
from aliquot.model.errors import Unavailable
from aliquot.model.pipeline import Step
from aliquot.model.seams import Executor

COMING = "image-coming"
"""Code of the error that says to ask again: the image is on its way."""
_PATIENCE = 0.5
_FRESH = 60.0
"""Seconds after which an answer that nobody came for is asked for anew: a tag may mean something else by then."""


@dataclass(slots=True)
class _Question:
    """A question to an executor, and what came of it; `at` is when, in seconds that never go back."""

    answered: threading.Event = field(default_factory=threading.Event)
    identity: str = ""
    error: Exception | None = None
    at: float = 0.0


class Environments:
    """Names what runs the steps of pipelines, for task keys. One thread of a process asks at a time."""

    def __init__(self, executor_for: Callable[[str | None], Executor], patience: float = _PATIENCE) -> None:
        self._executor_for = executor_for
        self._patience = patience
        self._questions: dict[str, _Question] = {}

    def of(self, step: Step) -> str:
        """Give the identity of what runs a step; `Unavailable` with the code `COMING` while its image is fetched."""
        if step.image is None:
            return environment_of(step, self._executor_for)
        question = self._questions.get(step.image)
        if question is None or (question.answered.is_set() and time.monotonic() - question.at > _FRESH):
            question = self._questions[step.image] = _Question()
            # A thread that a dead process need not wait for: fetching an image may take an hour.
            threading.Thread(target=self._ask, args=(step, question), name="image", daemon=True).start()
        if not question.answered.wait(self._patience):
            raise Unavailable(
                COMING, f"The image {step.image} is being fetched; the run goes on when it is here.", image=step.image
            )
        del self._questions[step.image]
        if question.error is not None:
            raise question.error
        return question.identity

    def _ask(self, step: Step, question: _Question) -> None:
        try:
            question.identity = environment_of(step, self._executor_for)
        except Exception as error:  # noqa: BLE001  # it is raised where the answer is asked for
            question.error = error
        question.at = time.monotonic()
        question.answered.set()
