"""Tokens of servers: from ALIQUOT_TOKEN, or from a file that only its owner can read. Never from an argument.

Beside a token stands a session, for who has signed in with a name and a password: it goes before while it lives.
"""

import json
import os
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from aliquot.access.secret_words import form_word
from aliquot.model.errors import Invalid, Unavailable

_OTHERS = 0o077


def origin_of(url: str) -> str:
    """Give scheme, host and port of a server's address, as its tokens are kept under; anything else is `Invalid`."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, (parts.hostname or "")
    except ValueError:
        parts, port, host = urlsplit(""), None, ""
    if parts.scheme not in {"http", "https"} or not host or parts.path.strip("/") or parts.query or parts.fragment:
        # What was typed is not told again: a password may stand in it.
        sentence = "The server's address is not like https://lab.example.org or http://127.0.0.1:8642; correct it."
        raise Invalid("server-address-refused", sentence)
    if parts.username is not None or parts.password is not None:
        sentence = "A server's address holds no name or password; sign in with `aliquot login URL`."
        raise Invalid("server-address-refused", sentence)
    host = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def token_for(origin: str) -> str | None:
    """Give the token for a server: that of ALIQUOT_TOKEN, or the one that `aliquot login` has kept."""
    return os.environ.get("ALIQUOT_TOKEN") or kept_for(origin)


def kept_for(origin: str) -> str | None:
    """Give what `aliquot login` has kept for a server: a session, while it can live, before a token."""
    known = _read()
    token, session = known.get(origin), known.get(SESSION + origin)
    return token if session is None or (token and time.time() >= _until(known, origin)) else session


def kept_token(origin: str) -> str | None:
    """Give the token that is kept for a server, also where a session goes before it."""
    return _read().get(origin)


def kept_session(origin: str) -> tuple[str, float] | None:
    """Give the session that is kept for a server, and when it ends at the latest, in seconds since 1970."""
    known = _read()
    session = known.get(SESSION + origin)
    return None if session is None else (session, _until(known, origin))


def _until(known: dict[str, str], origin: str) -> float:
    try:
        return float(known.get(_UNTIL + origin, "0"))
    except ValueError:
        return 0.0


def keep_token(origin: str, token: str) -> Path:
    """Keep a token for a server, in a file that nobody else can read; gives the file."""
    return _write({**_read(), origin: token})


def keep_session(origin: str, session: str, until: float) -> Path:
    """Keep a session beside the token of a server, and when it ends at the latest; gives the file."""
    return _write({**_read(), SESSION + origin: session, _UNTIL + origin: str(until)})


SESSION = "session:"
"""What the word of a session begins with, where it is kept in the place of a token."""
_UNTIL = "until:"


def is_session(token: str | None) -> bool:
    """Say whether what is kept is a session and no token."""
    return token is not None and token.startswith(SESSION)


def headers_for(token: str) -> dict[str, str]:
    """Give what requests carry with a token, or with a session that is kept in its place."""
    if not is_session(token):
        return {"authorization": f"Bearer {token}"}
    return _cookies("session", token.removeprefix(SESSION))


def headers_of_guest(word: str) -> dict[str, str]:
    """Give what the request carries that signs somebody in: a word that nobody else knows."""
    return _cookies("guest", word)


def _cookies(kind: str, word: str) -> dict[str, str]:
    # By both names: which one the server reads says whether it is reached over https.
    return {
        "cookie": f"aliquot_{kind}={word}; __Host-aliquot_{kind}={word}", "x-csrf-token": form_word(word),
    }  # fmt: skip


def forget_token(origin: str) -> bool:
    """Forget a server's token; says whether there was one."""
    return _forget(origin)


def forget_session(origin: str) -> bool:
    """Forget a server's session, and not its token; says whether there was one."""
    return _forget(SESSION + origin, _UNTIL + origin)


def _forget(name: str, *more: str) -> bool:
    known = _read()
    if name not in known:
        return False
    _write({each: value for each, value in known.items() if each not in {name, *more}})
    return True


def place() -> Path:
    """Give the file of tokens."""
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / "aliquot" / "servers.json"


def _read() -> dict[str, str]:
    path = place()
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & _OTHERS:
                sentence = f"Others can read {path}, which holds tokens: end them, and then chmod 600 {path}"
                raise Invalid("tokens-readable", sentence, path=str(path))
            known = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        sentence = f"{path} cannot be read; mend or remove it, then sign in again with `aliquot login URL`."
        raise Invalid("tokens-unreadable", sentence, path=str(path)) from error
    return {str(name): str(value) for name, value in known.items()} if isinstance(known, dict) else {}


def _write(tokens: dict[str, str]) -> Path:
    path = place()
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Made for its owner alone before anything is in it, and put in place as a whole.
        handle, draft = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(tokens, file, indent=2)
        Path(draft).replace(path)
    except OSError as error:
        sentence = f"{path} cannot be written ({error.strerror}); mend that, or set ALIQUOT_TOKEN."
        raise Unavailable("tokens-unwritable", sentence, path=str(path)) from error
    return path
