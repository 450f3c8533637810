"""Deliveries: the many files that a person gives at once, with one receipt for all that are accepted unseen.

Its files are the entries of the version that it made, which name the receipt; the delta in the store lists them.
"""

from collections.abc import Sequence

from aliquot.datasets.commit import Draft
from aliquot.datasets.delta import NewEntry, Origin
from aliquot.intake.decided import Decided, Intake
from aliquot.intake.receipts import NewReceipt

MANY = 100
"""Files from which on one receipt stands for all: fewer are listed one by one, as people expect."""

PATH = "/"
"""What stands for the path of a delivery: all that was given."""


class Delivery:
    """The files of a group that one receipt shall stand for; none where they are too few."""

    def __init__(self, intake: Intake, group: Sequence[Decided]) -> None:
        self.alone = group
        self.files: Sequence[Decided] = ()
        if not intake.by_hand or len(group) < MANY:
            return
        plain = [each for each in group if _is_plain(each)]
        if len(plain) >= MANY:
            self.files = plain
            self.alone = [each for each in group if not _is_plain(each)] if len(plain) < len(group) else ()

    def entries(self, source: str) -> list[NewEntry]:
        """Give the entries, all of one origin."""
        if not self.files:
            return []
        origin = Origin(source, self.files[0].landing.seen_at, together=True)
        return [NewEntry(*each.parts[0], origin) for each in self.files]

    def receipts(
        self, draft: Draft, fresh: set[str], stamp: int
    ) -> tuple[list[NewReceipt], list[list[str]], list[Decided]]:
        """Give a receipt for the files of each type, the paths that it stands for, and those that add nothing."""
        same: list[Decided] = []
        of_type: dict[str | None, list[Decided]] = {}
        for each in self.files:
            assert each.judgement is not None
            if each.parts[0].path in fresh:
                of_type.setdefault(each.judgement.type_name, []).append(each)
            else:
                same.append(each)
        rows: list[NewReceipt] = []
        # Apart by a nanosecond, since nothing else need tell two of them apart.
        for at, (name, files) in enumerate(of_type.items(), stamp):
            assert draft.delta is not None
            size = sum(each.parts[0].size for each in files)
            landing = files[0].landing
            rows.append(
                NewReceipt(
                    PATH, size, at, draft.delta.digest, landing.seen_at, landing.settled_at, "accepted", name,
                    draft.change.dataset, files=len(files),
                )
            )  # fmt: skip
        return rows, [[each.parts[0].path for each in files] for files in of_type.values()], same


def _is_plain(each: Decided) -> bool:
    return (
        len(each.parts) == 1
        and each.waiting is None
        and each.good is None
        and each.judgement is not None
        and each.judgement.plain
    )
