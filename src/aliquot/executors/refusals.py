"""Why a registry does not give an image, told apart by what the container command says."""

import re

from aliquot.model.errors import AliquotError, Invalid, Missing, Unavailable

_QUOTA = re.compile(r"toomanyrequests|too many requests|\b429\b|rate limit|quota|limit exceeded", re.IGNORECASE)
_CREDENTIALS = re.compile(
    r"unauthori[sz]ed|authentication required|access.{0,40}denied|\bdenied\b|forbidden|\b40[13]\b|docker login"
    r"|invalid (username|password|credentials)|no basic auth",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"manifest unknown|name unknown|not found|no such image|\b404\b|does not exist|invalid reference"
    r"|unable to find|image not known",
    re.IGNORECASE,
)


def image_refused(image: str, said: str) -> AliquotError:
    """Give the error for an image that cannot be had, from the last line of what the command said.

    `Unavailable` where waiting may help: the registry is out of reach, or a quota is used up for the moment. `Missing`
    and `Invalid` where it cannot: there is no such image, or the login is refused.
    """
    facts = {"image": image, "said": said}
    if _QUOTA.search(said):
        return Unavailable(
            "image-quota",
            f"The image {image} cannot be pulled: a quota of its registry is used up ({said}). It is tried again; log "
            f"in to the registry for a larger one, or load the image by hand.",
            **facts,
        )
    if _CREDENTIALS.search(said):
        return Invalid(
            "image-denied",
            f"The image {image} cannot be pulled: its registry refuses the login ({said}). Log in with podman login or "
            f"docker login as the user that runs Aliquot, and check the image's name.",
            **facts,
        )
    if _MISSING.search(said):
        return Missing(
            "image-missing",
            f"The image {image} is not here and its registry has none of that name ({said}). Correct the step's "
            f"image, or load it by hand.",
            **facts,
        )
    return Unavailable(
        "image-unavailable",
        f"The image {image} is not here and cannot be pulled now: {said}. It is tried again; check the network and the "
        f"registry, or load the image by hand.",
        **facts,
    )
