"""Task keys: equal key, equal work.

A key covers the format of keys, what runs the command (an image's digest or the process environment's identity), the
command or the function in its place, whether it may use the network, the bundled code, the declared parameters,
exported values, the rules that its results must keep, and the datum's files as input name, path and digest with what
their globs captured. Resources, retries and titles are not in it: they do not decide the result.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring as _quoted
from typing import Any

from blake3 import blake3

from aliquot.engine.datums import Datum, File, Part, named
from aliquot.model.digest import PREFIX, Digest, digest_document
from aliquot.model.pipeline import Pipeline, Step
from aliquot.model.seams import Executor

FORMAT = 1


@dataclass(frozen=True, slots=True)
class StepParts:
    """What the keys of a step's tasks have in common."""

    environment: str
    image: str | None
    command: str | list[str]
    code: Mapping[str, str]
    parameters: Mapping[str, Any]
    network: bool = False
    python: str | None = None
    ensure: Sequence[Mapping[str, Any]] = ()

    def document(self) -> dict[str, Any]:
        """Give the parts as the JSON object that is kept with results."""
        return {
            "format": FORMAT,
            "environment": self.environment,
            "image": self.image,
            "command": self.command,
            "code": dict(self.code),
            "parameters": dict(self.parameters),
            **({"network": True} if self.network else {}),
            **({"python": self.python} if self.python else {}),
            **({"ensure": [dict(each) for each in self.ensure]} if self.ensure else {}),
        }


def parts_from(document: Mapping[str, Any]) -> StepParts:
    """Read back what `StepParts.document` gave."""
    return StepParts(
        environment=document["environment"],
        image=document["image"],
        command=document["command"],
        code=document["code"],
        parameters=document["parameters"],
        network=document.get("network", False),
        python=document.get("python"),
        ensure=document.get("ensure", ()),
    )


def environment_of(step: Step, executor_for: Callable[[str | None], Executor]) -> str:
    """Name what runs a step: an image's digest, or the identity of the executor's own environment."""
    executor = executor_for(step.image)
    return executor.identity(step.image, python=True) if step.python else executor.identity(step.image)


def step_parts(
    pipeline: Pipeline,
    step: Step,
    bundle: Mapping[str, str],
    parameters: Mapping[str, Any],
    environment: str,
    rules: Sequence[Mapping[str, Any]] = (),
) -> StepParts:
    """Gather what the keys of a step have in common.

    `bundle` maps the pipeline's bundled files to digests; `rules` are what `rules_of` gives.
    """
    declared = pipeline.parameters if step.parameters is None and not step.only_checks else step.parameters or ()
    return StepParts(
        environment=environment,
        image=step.image,
        command=step.command,
        code=bundled(step, bundle),
        parameters={name: parameters[name] for name in declared if name in parameters},
        network=step.network,
        python=step.python,
        ensure=rules,
    )


def bundled(step: Step, bundle: Mapping[str, str]) -> dict[str, str]:
    """Keep the bundled files that a step names, itself or by their folder."""
    wanted = [each.strip("/").removeprefix("./") for each in step.bundled]
    return {
        path: digest
        for path, digest in sorted(bundle.items())
        if any(path == each or path.startswith(each + "/") for each in wanted)
    }


class Keys:
    """Gives the keys of one step's tasks."""

    def __init__(self, parts: StepParts) -> None:
        document = parts.document()
        # The image's name may be a tag; its digest, in `environment`, is what decides.
        del document["image"]
        self._common = digest_document(document).encode()

    def key(self, datum: Datum, exports: Mapping[str, Any]) -> Digest:
        """Give the key of the task on a datum."""
        # A captured value reaches the command as a variable, and so does the place of a single file.
        files = ",".join([_part(part) for part in datum])
        captured = named(datum)
        text = f"[[{files}],{{{_captured(captured)}}},{_text(exports) if exports else '{}'}]\n"
        return Digest(PREFIX + blake3(self._common + text.encode()).hexdigest())


def _captured(captured: Mapping[str, str]) -> str:
    """Write captures as `_text` would within its braces; mostly there is one."""
    return ",".join([f"{_quoted(name)}:{_quoted(captured[name])}" for name in sorted(captured)])


def _part(part: Part) -> str:
    """Write a part as the JSON list `[input, matched, [[path, digest], …]]`: by hand, since there are so many."""
    files = ",".join([f"[{_quoted(file[0])},{_quoted(file[1])}]" for file in _sorted(part.files)])
    return f"[{_quoted(part.input)},{_quoted(part.matched)},[{files}]]"


def _sorted(files: tuple[File, ...]) -> Sequence[File]:
    return files if len(files) < 2 else sorted(files, key=lambda file: file.path)


_text = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
