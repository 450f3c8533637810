"""What keeps a lab sound and small, asked for by a person: reading everything again, and sweeping."""

from dataclasses import dataclass

from aliquot.access.anchors import anchor
from aliquot.access.audit_verify import AuditReport, Tell, verify_audit
from aliquot.access.by import By, require_may
from aliquot.datasets.damage import Progress, VerifyReport
from aliquot.datasets.sweep_report import SweepReport
from aliquot.datasets.verify import verify
from aliquot.lab.acts_data import sweep_store
from aliquot.lab.lab import Lab


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did or would do, after how many seconds marked bytes go, and whether the store is a bucket."""

    report: SweepReport
    grace: float
    bucket: bool


def sweep_lab(lab: Lab, by: By, *, dry_run: bool) -> Swept:
    """Sweep the store, as `sweep_store`."""
    report = sweep_store(lab, by, dry_run=dry_run)
    return Swept(report, lab.config.retention.grace, lab.store.objects.root is None)


def prove_audit(lab: Lab, by: By, tell: Tell = lambda _done, _of: None) -> AuditReport:
    """Read the whole audit again, as `verify_audit`; where all of it is right, the store vouches for it from now on."""
    require_may(by, "audit.read", subject="audit")
    report = verify_audit(lab.catalogue, lab.store, tell)
    if not report.faults:
        # What has just been proved can be vouched for; what has not must not.
        anchor(lab.catalogue, lab.store)
    return report


def verify_lab(lab: Lab, by: By, dataset: str | None, progress: Progress | None = None) -> VerifyReport:
    """Read the bytes of a dataset, or of all, again."""
    require_may(by, "lab.verify", subject=f"dataset {dataset}" if dataset else "store")
    return verify(lab.catalogue, lab.store, dataset, progress)
