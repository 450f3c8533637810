"""References in definitions: `${secret:vault/name}` and `${env:NAME}`."""

import re
from dataclasses import dataclass

from aliquot.model.errors import Invalid

_ANY = re.compile(r"\$\{(secret|env):([^{}]*)\}")
_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET = re.compile(r"([a-z0-9][a-z0-9_.-]{0,99})/([A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class SecretReference:
    """A reference inside a text: a secret of a vault, or with `vault` None an environment variable.

    `start` and `end` are where it stands in the text.
    """

    vault: str | None
    name: str
    start: int
    end: int

    def __str__(self) -> str:
        return f"${{env:{self.name}}}" if self.vault is None else f"${{secret:{self.vault}/{self.name}}}"


def references_in(text: str) -> list[SecretReference]:
    """Find the references in a text, in their order; one that is written wrongly is `Invalid`."""
    return [_reference(found) for found in _ANY.finditer(text)]


def _reference(found: re.Match[str]) -> SecretReference:
    kind, name = found[1], found[2]
    if kind == "env":
        if not _ENV.fullmatch(name):
            raise _malformed(found[0], "write ${env:NAME} with letters, digits and '_'")
        return SecretReference(None, name, found.start(), found.end())
    parts = _SECRET.fullmatch(name)
    if parts is None or {".", ".."} & set(parts[2].split("/")):
        raise _malformed(found[0], "write ${secret:vault/name}")
    return SecretReference(parts[1], parts[2], found.start(), found.end())


def _malformed(text: str, advice: str) -> Invalid:
    return Invalid("secret-reference-malformed", f"{text!r} is not a reference; {advice}.", reference=text)
