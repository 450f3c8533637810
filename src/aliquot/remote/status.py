"""A lab on a server at a glance."""

from aliquot.lab.home import Glance
from aliquot.remote.client import Client


def glance(client: Client, since: float) -> Glance:
    """Look at what one may see of the lab; "today" begins at `since`."""
    return client.get(Glance, "/status", since=since)
