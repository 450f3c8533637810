"""Who posts events: programs elsewhere, with tokens that may wake sources."""

from typing import Final

from starlette.requests import Request

from aliquot.access import throttle
from aliquot.access.by import nobody
from aliquot.access.refused import note_refused
from aliquot.access.tokens import by_token
from aliquot.model.errors import Denied, NotSignedIn
from aliquot.server.site import site_of
from aliquot.server.visit import Visit

WAKE: Final = "source.wake"
FIELD = "access_token"
"""The field of the address in which webhooks carry a token, where their sender can put it nowhere else."""


def visit_for_hook(request: Request) -> Visit:
    """Find out whose token a program sends, in a header or in the address; without one, it is refused.

    In an address, where others may read it, only a token is taken that may do nothing but wake sources.
    """
    site, number = site_of(request), request.scope["aliquot.request"]
    place = request.client.host if request.client else ""
    kind, _, word = request.headers.get("authorization", "").partition(" ")
    in_address = not kind
    word = request.query_params.get(FIELD, "") if in_address else word.strip()
    try:
        if not word or (kind and kind.lower() != "bearer"):
            words = f"Send a token, as `Authorization: Bearer TOKEN` or as `{FIELD}` in the address."
            raise NotSignedIn("sign-in-needed", words)
        by = by_token(site.lab.catalogue, word, place, number)
    except NotSignedIn as error:
        if error.code == "sign-in-needed":
            # A token that is not known, or that has ended, is noted by whoever looks it up.
            note_refused(site.lab.catalogue, nobody(place, number), WAKE, f"{request.method} {request.url.path}")
        # Who tries again and again has to wait.
        tried = {"place": f"events from {place}"}
        site.lab.catalogue.repeat(lambda connection: throttle.count_try(connection, tried))
        raise
    visit = request.state.visit = Visit(request, by, "")
    if in_address and by.rights.scope != frozenset({WAKE}):
        words = f"A token in an address may do nothing but {WAKE}; make another one with that scope alone."
        raise Denied("token-in-address", words, action=WAKE)
    if by.token is not None:
        site.rate.count(by.token)
    return visit
