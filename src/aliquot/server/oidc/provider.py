"""The provider: where to send people, and who it says has come back (authorization code with PKCE)."""

import threading
import time
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import urlencode

import httpx2
import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from aliquot.access.known_elsewhere import Identity
from aliquot.access.started import Started
from aliquot.model.errors import NotSignedIn
from aliquot.model.login import OidcSettings
from aliquot.secrets.secret import Secret
from aliquot.server.oidc.keys import Keys
from aliquot.server.oidc.network import PATIENCE, ask, away, require_safe

log: Any = structlog.get_logger()

_KEPT = 3600.0
_LEEWAY = 60
"""Seconds by which the provider's clock may differ from ours."""
_LONGEST = 200


class Provider:
    """One provider as `aliquot.yaml` names it; may be used from several threads at once.

    `secret` gives the client's secret each time that it is needed, so that a changed one counts at once.
    """

    def __init__(self, settings: OidcSettings, secret: Callable[[], Secret | None]) -> None:
        self.settings = settings
        self._secret = secret
        self._keys = Keys(lambda: require_safe(self._about().get("jwks_uri"), "jwks_uri"))
        self._lock = threading.Lock()
        self._known: dict[str, Any] = {}
        self._asked = 0.0

    def address(self, started: Started, back: str) -> str:
        """Give the provider's address that people are sent to; `back` is ours that they come back to."""
        there = require_safe(self._about().get("authorization_endpoint"), "authorization_endpoint")
        with self._client(back) as client:
            address, _ = client.create_authorization_url(
                there, state=started.state, code_verifier=started.verifier, nonce=started.nonce
            )
        return str(address)

    def identify(self, code: str, started: Started, back: str) -> Identity:
        """Give whom the provider has proved to be the one who brings this code.

        A code that is not good, and a token that is forged, too old, or for somebody else, are `NotSignedIn`.
        """
        token = self._exchange(code, started, back)
        claims = self._claims(str(token.get("id_token", "")), started, str(token.get("access_token", "")))
        if self.settings.groups_claim not in claims and (asked := self._about().get("userinfo_endpoint")):
            more = self._userinfo(require_safe(asked, "userinfo_endpoint"), str(token.get("access_token", "")))
            if more.get("sub") != claims["sub"]:
                raise _refused("userinfo is of somebody else")
            claims = {**more, **claims}
        return self._identity(claims)

    def ends_at(self, back: str) -> str | None:
        """Give the provider's address at which its own session ends; None where it has none."""
        there = self._about().get("end_session_endpoint")
        if not there:
            return None
        query = urlencode({"client_id": self.settings.client_id, "post_logout_redirect_uri": back})
        return f"{require_safe(there, 'end_session_endpoint')}?{query}"

    def _about(self) -> dict[str, Any]:
        with self._lock:
            if not self._known or time.monotonic() - self._asked > _KEPT:
                issuer = self.settings.issuer
                found = ask(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
                if found.get("issuer") != issuer:
                    raise away(f"it calls itself {found.get('issuer')!r}, and aliquot.yaml {issuer!r}")
                self._known, self._asked = found, time.monotonic()
            return self._known

    def _client(self, back: str) -> Any:
        secret = self._secret()
        return OAuth2Client(
            self.settings.client_id, secret.reveal() if secret else None, redirect_uri=back,
            scope=" ".join(self.settings.scopes), code_challenge_method="S256",
            token_endpoint_auth_method=self._way() if secret else "none", timeout=PATIENCE,
        )  # fmt: skip

    def _way(self) -> str:
        ways = self._about().get("token_endpoint_auth_methods_supported")
        alone = isinstance(ways, list) and "client_secret_basic" not in ways and "client_secret_post" in ways
        return "client_secret_post" if alone else "client_secret_basic"

    def _exchange(self, code: str, started: Started, back: str) -> dict[str, Any]:
        there = require_safe(self._about().get("token_endpoint"), "token_endpoint")
        try:
            with self._client(back) as client:
                token = client.fetch_token(
                    there, grant_type="authorization_code", code=code, code_verifier=started.verifier
                )
        except httpx2.HTTPError as error:
            raise away(f"{there}: {type(error).__name__}") from error
        except AuthlibBaseError as error:
            if error.error not in {"invalid_grant", "access_denied"}:
                # Such as a wrong client secret: nothing that whoever signs in could mend.
                raise away(f"it refuses us: {error.error}") from error
            raise _refused(f"the provider refuses the code: {error.error}") from error
        except ValueError as error:
            raise away(f"{there} answers with no token") from error
        return cast("dict[str, Any]", token)

    def _claims(self, text: str, started: Started, access: str) -> dict[str, Any]:
        client_id = self.settings.client_id
        try:
            token = self._keys.read(text)
            wanted = {"iss": self.settings.issuer, "aud": client_id}
            claims = CodeIDToken(
                token.claims, token.header, {name: {"essential": True, "value": each} for name, each in wanted.items()},
                {"nonce": started.nonce, "client_id": client_id, "access_token": access},
            )  # fmt: skip
            claims.validate(leeway=_LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _refused(f"its token cannot be trusted: {type(error).__name__}") from error
        return dict(claims)

    def _userinfo(self, there: str, access: str) -> dict[str, Any]:
        return ask(there, {"authorization": f"Bearer {access}"})

    def _identity(self, claims: dict[str, Any]) -> Identity:
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= 255:
            raise _refused("it gives no usable id of the person")
        groups = claims.get(self.settings.groups_claim)
        named = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
        wanted = (claims.get(self.settings.name_claim), claims.get("email"))
        names = tuple(each[:100] for each in wanted if isinstance(each, str) and each) or (subject,)
        title = claims.get("name")
        return Identity(
            self.settings.issuer, subject, names, title[:_LONGEST] if isinstance(title, str) else "",
            tuple(each for each in cast("list[Any]", named) if isinstance(each, str)),
        )  # fmt: skip


def _refused(reason: str) -> NotSignedIn:
    log.warning("a sign-in by the provider was refused", reason=reason)
    words = "What the provider says of you cannot be trusted, so you are not signed in; begin again."
    return NotSignedIn("identity-refused", words, reason=reason)
