"""The files of the lab that travel with a pipeline's version."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from aliquot.definitions.found import Bundled, bundled
from aliquot.definitions.problem import Problem, instead, nearest
from aliquot.definitions.yaml_text import Document
from aliquot.model.pipeline import Pipeline, Step

LARGEST_BUNDLE = 16 << 20
"""Code is small; data belongs into a dataset, where it is versioned and its lineage known."""

_SKIPPED = frozenset({"__pycache__", ".git", ".DS_Store"})
_IN_COMMAND = re.compile(r"\$(?:BUNDLE|\{BUNDLE\})/([A-Za-z0-9_./-]*[A-Za-z0-9_/-])", re.ASCII)


def gather(document: Document, pipeline: Pipeline, folder: Path) -> tuple[dict[str, Bundled], list[Problem]]:
    """Read the bundled files of all steps, by path; and say which cannot be had."""
    files: dict[str, Bundled] = {}
    problems: list[Problem] = []
    for name, step in pipeline.steps.items():
        own: list[str] = []
        for at, text in enumerate(step.bundled):
            place = ("bundle", at) if at < len(step.bundle) else ("python",)
            try:
                for path, source in _files(folder, text):
                    own.append(path)
                    if path not in files:
                        files[path] = bundled(_read(source, text))
            except ValueError as error:
                problems.append(document.problem(("steps", name, *place), str(error)))
        if not any(problem.field.startswith(f"steps.{name}.bundle") for problem in problems):
            problems += _named_by_command(document, name, step, own)
    size = sum(len(each.data) for each in files.values())
    if size > LARGEST_BUNDLE:
        words = f"the bundled files hold {size >> 20} MiB, more than 16 MiB; put data into a dataset instead"
        problems.append(document.problem(("steps",), words, key=True))
    return files, problems


def _files(folder: Path, text: str) -> Iterator[tuple[str, Path]]:
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or "\\" in text or not path.parts:
        raise ValueError(
            f"{text!r} is not a path below the lab's folder; write it without '/' in front and without '..'"
        )
    home = folder.resolve()
    whole = home / path
    if not whole.exists():
        siblings = [str(path.parent / each.name) for each in whole.parent.iterdir()] if whole.parent.is_dir() else []
        guess = nearest(str(path), siblings)
        advice = f"; did you mean {guess!r}?" if guess else ""
        raise ValueError(f"there is no file {text!r} in the lab's folder{advice}")
    if not whole.resolve().is_relative_to(home):
        raise ValueError(f"{text!r} is a link that leads out of the lab's folder; copy the file instead")
    if not whole.is_dir():
        yield str(path), whole
        return
    for inner in sorted(whole.rglob("*")):
        below = inner.relative_to(home)
        if _SKIPPED & set(below.parts) or inner.is_dir():
            continue
        if not inner.resolve().is_relative_to(home):
            raise ValueError(
                f"{below.as_posix()!r} is a link that leads out of the lab's folder; copy the file instead"
            )
        yield below.as_posix(), inner


def _read(source: Path, text: str) -> bytes:
    if not source.is_file():
        raise ValueError(f"{text!r} is neither a file nor a folder")
    if source.stat().st_size > LARGEST_BUNDLE:
        raise ValueError(f"{text!r} is larger than 16 MiB; put data into a dataset instead")
    try:
        return source.read_bytes()
    except OSError as error:
        raise ValueError(f"{text!r} cannot be read ({error.strerror})") from None


def _named_by_command(document: Document, name: str, step: Step, own: list[str]) -> Iterator[Problem]:
    """Find paths below $BUNDLE in a command that the step does not bundle: they would be missing when it runs."""
    texts = [step.command] if isinstance(step.command, str) else step.command
    for at, text in enumerate(texts):
        place = ("steps", name, "command") + (() if isinstance(step.command, str) else (at,))
        for found in _IN_COMMAND.finditer(text):
            wanted = found[1].removeprefix("./").rstrip("/")
            if wanted and not any(path == wanted or path.startswith(wanted + "/") for path in own):
                advice = instead(wanted, own) if own else "; this step bundles nothing"
                yield document.problem(place, f"{wanted!r} is not in this step's 'bundle'{advice}")
