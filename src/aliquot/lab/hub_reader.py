"""Whether people's queries of the hub have a role of their own."""

from aliquot.lab.lab import Lab
from aliquot.model.errors import AliquotError

_ADVICE = (
    "Queries of people have the role that loads the hub's tables: make one that may only read, and name it as "
    "'hub_reader' in aliquot.yaml."
)


def advice(lab: Lab) -> list[str]:
    """Give what an administrator should do about it; nothing where all is well."""
    return [_ADVICE] if lacks_reader(lab) else []


def lacks_reader(lab: Lab) -> bool:
    """Say whether queries run with the role that loads tables, on PostgreSQL, for want of one that may only read."""
    try:
        hub = lab.hub
    except AliquotError:
        # A hub that cannot be opened is told to whoever asks it; everything else goes on.
        return False
    return hub.dialect == "postgresql" and not hub.reader
