"""Task keys: equal key, equal work.

A key covers the format of keys, what runs the command (an image's digest or the process environment's identity), the
command, whether it may use the network, the bundled code, the declared parameters, exported values, and the datum's
files as input name, path and digest with what their globs captured. Resources, retries and titles are not in it: they
do not decide the result.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from aliquot.engine.datums import Datum, File, named
from aliquot.model.digest import PREFIX, Digest, digest_document
from aliquot.model.pipeline import Pipeline, Step

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
        }


def step_parts(
    pipeline: Pipeline, step: Step, bundle: Mapping[str, str], parameters: Mapping[str, Any], environment: str
) -> StepParts:
    """Gather what the keys of a step have in common; `bundle` maps the pipeline's bundled files to digests."""
    declared = pipeline.parameters if step.parameters is None else step.parameters
    return StepParts(
        environment=environment,
        image=step.image,
        command=step.command,
        code=bundled(step, bundle),
        parameters={name: parameters[name] for name in declared if name in parameters},
        network=step.network,
    )


def bundled(step: Step, bundle: Mapping[str, str]) -> dict[str, str]:
    """Keep the bundled files that a step names, itself or by their folder."""
    wanted = [each.strip("/").removeprefix("./") for each in step.bundle]
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
        self._common = blake3(digest_document(document).encode())

    def key(self, datum: Datum, exports: Mapping[str, Any]) -> Digest:
        """Give the key of the task on a datum."""
        hasher = self._common.copy()
        # A captured value reaches the command as a variable, and so does the place of a single file.
        files = [[part.input, part.matched, [file[:2] for file in _sorted(part.files)]] for part in datum]
        hasher.update(_encode([files, named(datum), exports]))
        return Digest(PREFIX + hasher.hexdigest())


def _sorted(files: tuple[File, ...]) -> Sequence[File]:
    return files if len(files) < 2 else sorted(files, key=lambda file: file.path)


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _encode(value: Any) -> bytes:
    return _encoder.encode(value).encode() + b"\n"
