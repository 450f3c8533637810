"""The provider that signs people in, as `aliquot.yaml` names it, with what its settings refer to."""

from aliquot.definitions.read import LAB_FILE
from aliquot.lab.lab import Lab
from aliquot.model.login import OidcSettings
from aliquot.secrets.resolve import open_vaults, resolve
from aliquot.secrets.secret import Secret


def oidc_settings(lab: Lab) -> OidcSettings | None:
    """Give the settings, with references in the provider's address and our name there resolved; None: no provider."""
    oidc = lab.config.login.oidc
    if oidc is None:
        return None
    return oidc.model_copy(
        update={name: _secret(lab, name, getattr(oidc, name)).reveal() for name in ("issuer", "client_id")}
    )


def oidc_secret(lab: Lab) -> Secret | None:
    """Look the secret up that was agreed on with the provider; None for a public client."""
    oidc = lab.config.login.oidc
    if oidc is None or oidc.client_secret is None:
        return None
    return _secret(lab, "client_secret", oidc.client_secret)


def _secret(lab: Lab, name: str, value: str) -> Secret:
    vaults = open_vaults(lab.config.vaults, lab.folder)
    found = resolve(value, vaults, where=f"{LAB_FILE}: login.oidc.{name}")
    # What comes out of the environment is a plain text, and may be as much of a secret.
    return found if isinstance(found, Secret) else Secret(str(found))
