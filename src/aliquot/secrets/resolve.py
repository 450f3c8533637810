"""Late resolution: a reference becomes its value where the value is used, and nowhere earlier."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

from aliquot.model.errors import AliquotError, Missing
from aliquot.model.lab_config import VaultSettings
from aliquot.model.seams import Vault
from aliquot.secrets.reference import SecretReference, references_in
from aliquot.secrets.secret import Secret
from aliquot.secrets.vault import EnvironmentVault, FolderVault


def open_vaults(settings: Mapping[str, VaultSettings], folder: Path) -> dict[str, Vault]:
    """Build the vaults of a lab by name; `folder` is the lab's, from which relative folders count."""
    return {name: _vault(each, folder) for name, each in settings.items()}


def _vault(settings: VaultSettings, folder: Path) -> Vault:
    if settings.folder is not None:
        return FolderVault(folder / Path(settings.folder).expanduser())
    return EnvironmentVault(settings.environment or "")


def resolve(
    value: Any, vaults: Mapping[str, Vault], environment: Mapping[str, str] | None = None, where: str = ""
) -> Any:
    """Give a JSON value with every reference resolved; texts that held a secret become a `Secret`.

    `environment` is where `${env:NAME}` is looked up, by default the process's own. `where` names the value's place
    for a person (`aliquot.yaml:3:8`). What is not there is `Missing`, with `where` and the field in its facts.
    """
    outside = EnvironmentVault(environment=environment)
    return _resolve(value, vaults, outside, where, ())


def _resolve(value: Any, vaults: Mapping[str, Vault], outside: Vault, where: str, path: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        return {key: _resolve(each, vaults, outside, where, (*path, key)) for key, each in mapping.items()}
    if isinstance(value, list):
        several = cast("list[Any]", value)
        return [_resolve(each, vaults, outside, where, (*path, str(at))) for at, each in enumerate(several)]
    if not isinstance(value, str):
        return value
    return _text(value, vaults, outside, where, path)


def _text(text: str, vaults: Mapping[str, Vault], outside: Vault, where: str, path: tuple[str, ...]) -> str | Secret:
    references = references_in(text)
    if not references:
        return text
    parts: list[str] = []
    at = 0
    for reference in references:
        try:
            found = _value(reference, vaults, outside)
        except AliquotError as error:
            place = ": ".join(part for part in (where, ".".join(path)) if part)
            sentence = f"{place}: {error.message}" if place else error.message
            facts = error.facts | {"reference": str(reference), "where": where, "field": ".".join(path)}
            raise type(error)(error.code, sentence, **facts) from error
        # In a URL a secret is one part of it, such as a password, and may hold signs that would divide it.
        if reference.vault is not None and "://" in text[: reference.start]:
            found = quote(found, safe="")
        parts += [text[at : reference.start], found]
        at = reference.end
    whole = "".join(parts) + text[at:]
    return Secret(whole) if any(reference.vault is not None for reference in references) else whole


def _value(reference: SecretReference, vaults: Mapping[str, Vault], outside: Vault) -> str:
    if reference.vault is None:
        return outside.get(reference.name)
    vault = vaults.get(reference.vault)
    if vault is None:
        known = ", ".join(sorted(vaults)) or "none"
        raise Missing(
            "vault-missing",
            f"There is no vault {reference.vault!r} (there is: {known}); add it to 'vaults' in aliquot.yaml.",
            vault=reference.vault,
        )
    return vault.get(reference.name)
