"""Where a version came from, in words."""

from typing import Any


def provenance_words(provenance: Any) -> str:
    """Say in a few words where a version came from."""
    if "run" in provenance:
        return f"run {provenance['run']} ({provenance.get('pipeline', '')})"
    words = [str(provenance["cause"])] if provenance.get("cause") else []
    if provenance.get("intake"):
        words.append(_source(str(provenance["intake"])))
    if provenance.get("quarantine"):
        words.append(f"quarantine {provenance['quarantine']}, released")
    who = provenance.get("who") or provenance.get("released_by")
    because = provenance.get("because")
    return ", ".join(words) + (f" by {who}" if who else "") + (f": {because}" if because else "")


def _source(name: str) -> str:
    return "given by hand" if name.startswith("hand:") else f"source {name}"
