"""What a server refuses or cannot do, as errors of the five families again."""

from typing import Any, ClassVar

from aliquot.model.errors import FAMILIES, NARROWER, AliquotError, Invalid, Unavailable

_LONGEST = 300


class ServerFault(AliquotError):
    """A fault of the server itself, which its log tells more of."""

    family: ClassVar[str] = "fault"
    exit_code: ClassVar[int] = 70
    http_status: ClassVar[int] = 500


_BY_FAMILY: dict[str, type[AliquotError]] = {each.family: each for each in (*FAMILIES, ServerFault)}
_BY_STATUS: dict[int, type[AliquotError]] = {
    each.http_status: each for each in NARROWER if each.http_status not in {family.http_status for family in FAMILIES}
}


def error_from(status: int, problem: Any, url: str) -> AliquotError:
    """Read a problem+json document back into the error that the server met; what is none is no lab's answer."""
    known = problem if isinstance(problem, dict) else {}
    code, detail, facts = known.get("code"), known.get("detail"), known.get("facts")
    kind = _BY_STATUS.get(status) or _BY_FAMILY.get(str(known.get("title")))
    if kind is None or not isinstance(code, str) or not isinstance(detail, str) or not isinstance(facts, dict):
        return unlike_a_lab(status, url)
    return kind(code, detail, **{str(name): value for name, value in facts.items()})


def unlike_a_lab(status: int, url: str) -> AliquotError:
    """Say that what answered is no lab, or stands before one that is away."""
    if status in {502, 503, 504}:
        sentence = f"Something at {url} answers that the lab behind it is away ({status}); try again in a while."
        return Unavailable("server-away", sentence, url=url, status=status)
    sentence = f"What answers at {url} is not an Aliquot lab ({status}); check the address."
    return Invalid("server-not-aliquot", sentence[:_LONGEST], url=url, status=status)
