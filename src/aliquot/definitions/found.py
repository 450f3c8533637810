"""What was found in a lab's folder: definitions that have been read and checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from aliquot.definitions.yaml_text import Document
from aliquot.model.definition import Definition
from aliquot.model.digest import Digest, digest_bytes, digest_document
from aliquot.model.file_type import FileType
from aliquot.model.lab_config import LabConfig
from aliquot.model.pipeline import Pipeline
from aliquot.model.record_type import RecordType

M = TypeVar("M", bound=Definition)


@dataclass(frozen=True, slots=True)
class Bundled:
    """A file that travels with a pipeline's version."""

    data: bytes = field(repr=False)
    digest: Digest


@dataclass(frozen=True, slots=True)
class Found(Generic[M]):
    """A definition as it stands in a file.

    `kind` is lab, type, pipeline or record; `source` is the file below the lab's folder; `bundle` holds files by the
    path under which a step finds them below `$BUNDLE`; `text` knows the places of keys and values.
    """

    kind: str
    name: str
    model: M
    source: str
    text: Document = field(repr=False, compare=False)
    bundle: Mapping[str, Bundled] = field(default_factory=dict[str, Bundled], repr=False)

    @property
    def document(self) -> dict[str, Any]:
        """Give what the person wrote, as a JSON value: defaults not added, references not resolved."""
        return self.text.value

    @property
    def bundle_digests(self) -> dict[str, Digest]:
        """Give the digests of the bundled files by path."""
        return {path: each.digest for path, each in sorted(self.bundle.items())}

    @property
    def digest(self) -> Digest:
        """Give the definition's version: equal digest, equal definition."""
        return content_digest(self.document, self.bundle_digests)


@dataclass(frozen=True, slots=True)
class Definitions:
    """All that a lab's folder defines, by name."""

    folder: Path
    config: Found[LabConfig]
    types: Mapping[str, Found[FileType]]
    pipelines: Mapping[str, Found[Pipeline]]
    records: Mapping[str, Found[RecordType]]

    @property
    def lab(self) -> LabConfig:
        """Give the lab's settings."""
        return self.config.model

    def __iter__(self) -> Iterator[Found[Any]]:
        """Go through what can be registered: types, pipelines and records, each by name."""
        for several in (self.types, self.pipelines, self.records):
            for name in sorted(several):
                yield several[name]


def content_digest(document: object, bundle: Mapping[str, str]) -> Digest:
    """Digest a definition: its document, and the digests of what it bundles."""
    return digest_document({"document": document, "bundle": dict(bundle)})


def bundled(data: bytes) -> Bundled:
    """Take bytes into a bundle."""
    return Bundled(data, digest_bytes(data))
