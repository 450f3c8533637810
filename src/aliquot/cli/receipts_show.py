"""How one receipt looks."""

import json
from dataclasses import asdict
from typing import Any

from aliquot.cli.findings import show_findings, total
from aliquot.cli.output import facts, heading, print_json
from aliquot.cli.said import show_said
from aliquot.cli.text import moment, size
from aliquot.intake.receipts import Receipt
from aliquot.model.finding import finding_from

_ELSEWHERE = {"facts", "findings", "counts", "described", "resubmits", "split"}


def show_receipt(found: Receipt, *, as_json: bool) -> None:
    """Show a receipt: facts, what was seen in the file, what is said of it, and what was wrong with it."""
    if as_json:
        print_json(asdict(found))
        return
    kept = found.facts
    facts(
        {
            "file": found.path if found.files is None else "",
            "delivery": f"{found.files:,} files given together" if found.files is not None else "",
            "source": found.source,
            "decision": found.decision,
            "version": f"{found.dataset}@{found.version}" if found.dataset and found.version else "",
            "in it as": found.entry_path if found.entry_path != found.path else "",
            "quarantine": found.quarantine_id,
            "resubmits": kept.get("resubmits"),
            "type": found.type,
            "who": found.who,
            "size": size(found.size),
            "digest": found.digest,
            "object version": found.object_version,
            "seen": moment(found.seen_at),
            "settled": moment(found.settled_at),
            "taken in": moment(found.taken_at),
            "came before": f"{found.again} times as it is" if found.again else "",
        }
    )
    seen: dict[str, Any] = {**kept.get("facts", {}), **({"split": kept["split"]} if "split" in kept else {})}
    seen |= {name: value for name, value in kept.items() if name not in _ELSEWHERE}
    if seen:
        heading("Seen in it")
        facts({name: _value(value) for name, value in seen.items()})
    show_said(kept.get("described", {}))
    if kept.get("findings"):
        heading(total(kept.get("counts", {})))
        show_findings([finding_from(each) for each in kept["findings"]], kept.get("counts", {}))


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
