"""What `apply` would change: the definitions that are registered against those in the lab's folder."""

import difflib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ruamel.yaml import YAML

from aliquot.definitions.found import Definitions, Found, content_digest


@dataclass(frozen=True, slots=True)
class Registered:
    """A definition as the catalogue holds it: its document, and the digests of its bundled files by path."""

    document: Mapping[str, Any]
    bundle: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def digest(self) -> str:
        """Give the definition's version."""
        return content_digest(dict(self.document), self.bundle)


@dataclass(frozen=True, slots=True)
class Change:
    """What would become of one definition; `diff` is a unified diff for a person, empty when nothing changes."""

    change: Literal["new", "changed", "unchanged", "gone"]
    kind: str
    name: str
    diff: str = ""

    def document(self) -> dict[str, str]:
        """Give the change as a JSON object."""
        return {"change": self.change, "kind": self.kind, "name": self.name, "diff": self.diff}


def difference(registered: Mapping[tuple[str, str], Registered], found: Definitions) -> list[Change]:
    """Compare registered definitions, by kind and name, with what a lab's folder holds.

    Definitions that are in the folder come first, in its order; those that are gone from it follow by name.
    """
    changes = [_change(registered.get((each.kind, each.name)), each) for each in found]
    there = {(each.kind, each.name) for each in found}
    for kind, name in sorted(set(registered) - there):
        old = registered[kind, name]
        changes.append(
            Change("gone", kind, name, _diff(f"{kind} {name}", definition_text(old.document, old.bundle), ""))
        )
    return changes


def _change(old: Registered | None, new: Found[Any]) -> Change:
    title = f"{new.kind} {new.name}"
    after = definition_text(new.document, new.bundle_digests)
    if old is None:
        return Change("new", new.kind, new.name, _diff(title, "", after))
    if old.digest == new.digest:
        return Change("unchanged", new.kind, new.name)
    return Change("changed", new.kind, new.name, _diff(title, definition_text(old.document, old.bundle), after))


def definition_text(document: Mapping[str, Any], bundle: Mapping[str, str]) -> str:
    """Write a definition as YAML, and after it what its bundled files are."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 110
    yaml.representer.sort_base_mapping_type_on_output = False
    out = io.StringIO()
    yaml.dump(dict(document), out)  # pyright: ignore[reportUnknownMemberType]  # ruamel leaves its stream untyped
    return out.getvalue() + "".join(f"# bundled: {path} {digest}\n" for path, digest in sorted(bundle.items()))


def _diff(title: str, before: str, after: str) -> str:
    return text_diff(before, after, f"registered {title}", f"folder {title}")


def text_diff(before: str, after: str, title_before: str, title_after: str) -> str:
    """Write the unified diff of two texts; empty when they are equal."""
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), title_before, title_after
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
