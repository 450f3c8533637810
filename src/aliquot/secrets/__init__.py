"""References to secrets, and the vaults behind them."""

from aliquot.secrets.reference import SecretReference, references_in
from aliquot.secrets.resolve import open_vaults, resolve
from aliquot.secrets.secret import Secret, redact, reveal, secrets_in
from aliquot.secrets.vault import EnvironmentVault, FolderVault

__all__ = [
    "EnvironmentVault",
    "FolderVault",
    "Secret",
    "SecretReference",
    "open_vaults",
    "redact",
    "references_in",
    "resolve",
    "reveal",
    "secrets_in",
]
