"""The five families of errors, by who must act."""

from typing import ClassVar


class AliquotError(Exception):
    """An error with a stable code, a sentence that says what to do next, and its facts as fields.

    `code` is a short kebab-case name that scripts may rely on; `facts` are plain values for JSON.
    """

    family: ClassVar[str]
    exit_code: ClassVar[int]
    http_status: ClassVar[int]

    def __init__(self, code: str, message: str, **facts: object) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts

    def document(self) -> dict[str, object]:
        """Give the error as the values that `--json` and the API print."""
        return {"family": self.family, "code": self.code, "message": self.message, "facts": self.facts}


class Invalid(AliquotError):
    """What the caller gave cannot be used; the caller changes it."""

    family = "invalid"
    exit_code = 2
    http_status = 422


class Missing(AliquotError):
    """What the caller named is not there."""

    family = "missing"
    exit_code = 3
    http_status = 404


class Conflict(AliquotError):
    """Somebody else changed it meanwhile; the caller reads again and decides anew."""

    family = "conflict"
    exit_code = 4
    http_status = 409


class Unavailable(AliquotError):
    """A service or a resource is not there at the moment; wait and try again."""

    family = "unavailable"
    exit_code = 5
    http_status = 503


class Damaged(AliquotError):
    """What was stored is not what was written; an operator has to look."""

    family = "damaged"
    exit_code = 6
    http_status = 500


FAMILIES: tuple[type[AliquotError], ...] = (Invalid, Missing, Conflict, Unavailable, Damaged)


class NotSignedIn(Invalid):
    """It is not known who the caller is; the caller signs in, or sends another token."""

    http_status = 401


class Denied(Invalid):
    """The caller is known and may not do this; somebody who may does it, or gives them the role."""

    http_status = 403


class Unseen(Missing):
    """What the caller named is not there, or belongs to a project in which they have no role: both read the same.

    `refused` says for the audit what was asked of which project; it is None where nothing is there, and nobody is told.
    """

    def __init__(self, code: str, message: str, refused: tuple[str, str] | None = None) -> None:
        super().__init__(code, message)
        self.refused = refused


class TooOften(Unavailable):
    """The caller has tried too often; the caller waits as long as the fact `seconds` says."""

    http_status = 429


NARROWER: tuple[type[AliquotError], ...] = (NotSignedIn, Denied, Unseen, TooOften)
"""Errors of the families that are answered in their own way over HTTP."""
