"""Mass spectrometry images: an .imzML file and the .ibd file that belongs to it."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from aliquot.formats.collected import Collected
from aliquot.formats.imzml_spectra import Spectra
from aliquot.formats.imzml_xml import Header, read_imzml
from aliquot.formats.xml_events import root_of
from aliquot.model.errors import Invalid
from aliquot.model.finding import Report

_READ = 2**20
_UUID_LENGTH = 16
_STRENGTH = ("sha256", "sha1", "md5")
_WORDS = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5"}


def check_imzml(files: Mapping[str, Path]) -> Report:
    """Check a pair of files, given under their original names, against each other.

    Facts: `mode`, `spectra`, `pixels`, `width`, `height` (pixels), `mz_min`, `mz_max` (of arrays that are not
    compressed), `uuid`, `checksum` (the kind that was compared, None without one).
    """
    found = Collected()
    pair = _pair(files, found)
    if pair is None:
        return found.report()
    (xml_name, xml), (ibd_name, ibd) = pair
    header = Header()
    facts: dict[str, object] = {"checksum": None}
    try:
        with ibd.open("rb") as file:
            spectra = Spectra(header, file.fileno(), found, xml_name)
            read_imzml(xml, header, spectra.take)
            _check_header(header, found, xml_name)
            spectra.finish()
            facts |= spectra.facts()
            if _belong_together(header, os.pread(file.fileno(), _UUID_LENGTH, 0), found, ibd_name):
                facts["checksum"] = _check_bytes(header, spectra, ibd, found, ibd_name)
    except Invalid as error:
        found.raised(error, file=xml_name)
    except OSError as error:
        found.error("file-unreadable", f"The files cannot be read: {error.strerror or error}.")
    return found.report({"uuid": header.uuid, "mode": next(iter(header.modes), None), **facts})


def _pair(files: Mapping[str, Path], found: Collected) -> tuple[tuple[str, Path], tuple[str, Path]] | None:
    """Find out which file is which: by the ends of their names, or else by what is in them."""
    xml = [each for each in files.items() if each[0].lower().endswith(".imzml")]
    ibd = [each for each in files.items() if each[0].lower().endswith(".ibd")]
    others = [each for each in files.items() if each not in xml and each not in ibd]
    if others and not xml:
        xml = [each for each in others if each[1].is_file() and root_of(each[1]) in ("mzML", "indexedmzML")]
        others = [each for each in others if each not in xml]
    if others and not ibd:
        ibd = others
    if not xml:
        text = "The .imzML file is missing. An image is two files, .imzML and .ibd: copy both."
        found.error("imzml-missing", text)
    if not ibd:
        found.error("ibd-missing", "The .ibd file is missing. An image is two files, .imzML and .ibd: copy both.")
    if len(xml) > 1 or len(ibd) > 1:
        text = f"There are {len(files)} files, but an image is one .imzML and one .ibd: {', '.join(sorted(files))}."
        found.error("pair-ambiguous", text)
    return (xml[0], ibd[0]) if not found else None


def _check_header(header: Header, found: Collected, file: str) -> None:
    if len(header.modes) != 1:
        what = "both" if header.modes else "neither"
        text = (
            f"The .imzML says {what} 'continuous' and 'processed', so nobody can tell how to read it. Export it again."
        )
        found.error("mode-unclear", text.replace("neither 'continuous' and", "neither 'continuous' nor"), file=file)
    if not header.spectra:
        found.error("spectra-missing", "The .imzML has no spectra in it. Export it again.", file=file)
    elif header.declared is None:
        found.warning("spectrum-count-missing", "The .imzML does not say how many spectra it has.", file=file)
    elif header.declared != header.spectra:
        text = (
            f"The .imzML says that it has {header.declared} spectra, but there are {header.spectra}. Export it again."
        )
        found.error("spectrum-count", text, file=file)
    for group in sorted(header.unknown_groups)[:1]:
        text = f"The .imzML refers to a group of parameters {group[:60]!r} that it does not have. Export it again."
        found.error("group-missing", text, file=file)


def _belong_together(header: Header, first: bytes, found: Collected, file: str) -> bool:
    """Compare the identifier in the XML with the first bytes of the .ibd; else nothing is comparable."""
    if len(first) < _UUID_LENGTH:
        what = "is empty" if not first else f"has only {len(first)} bytes"
        found.error("ibd-too-short", f"The .ibd file {what}: it was cut off while copying. Copy it again.", file=file)
        return False
    if header.uuid is None:
        found.error("uuid-missing", "The .imzML has no identifier (UUID) that ties it to its .ibd. Export it again.")
        return False
    try:
        said = UUID(header.uuid.strip())
    except ValueError:
        found.error(
            "uuid-malformed", f"The identifier in the .imzML, {header.uuid[:60]!r}, is no UUID. Export it again."
        )
        return False
    header.uuid = said.hex
    if said.bytes == first:
        return True
    if said.bytes_le == first:
        text = "The .ibd has the UUID of the .imzML in Windows byte order. Most programs read it all the same."
        found.warning("uuid-byte-order", text, file=file)
        return True
    text = (
        f"The .imzML and the .ibd do not belong together: the one names {said.hex}, the other is {first.hex()}. "
        "Copy both files of the same measurement."
    )
    found.error("uuid-mismatch", text, file=file)
    return False


def _check_bytes(header: Header, spectra: Spectra, ibd: Path, found: Collected, file: str) -> str | None:
    """Compare the .ibd with its checksums and with the end of the last array; say which checksum decided."""
    kinds = [kind for kind in _STRENGTH if kind in header.checksums]
    digests = _digests(ibd, kinds)
    wrong = [kind for kind in kinds if digests[kind] != header.checksums[kind]]
    intact = bool(kinds) and kinds[0] not in wrong
    if spectra.beyond and not intact:
        text = (
            f"The .ibd file is {spectra.end - spectra.size} bytes shorter than the .imzML says: it was probably "
            "cut off while copying. Copy it again."
        )
        found.error("ibd-too-short", text, file=file)
    elif spectra.beyond:
        spectra.point_out_beyond()
    elif kinds and not intact:
        text = (
            f"The .ibd file is not the one that was written with this .imzML: its {_WORDS[kinds[0]]} differs. "
            "It was changed or damaged since. Copy it again."
        )
        found.error("checksum-mismatch", text, file=file)
    elif not kinds:
        text = "The .imzML has no checksum of the .ibd, so damage to its bytes cannot be seen."
        found.warning("checksum-missing", text, file=file)
    if intact and wrong:
        text = (
            f"The {_WORDS[wrong[0]]} in the .imzML is wrong, but the {_WORDS[kinds[0]]} is right, so the .ibd is "
            "intact. A program changed the file and updated only one of them."
        )
        found.warning("checksum-stale", text, file=file)
    if not kinds and spectra.end < spectra.size:
        text = f"The last {spectra.size - spectra.end} bytes of the .ibd belong to no spectrum."
        found.warning("ibd-unused-bytes", text, file=file)
    return kinds[0] if kinds else None


def _digests(path: Path, kinds: list[str]) -> dict[str, str]:
    hashes = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    if hashes:
        with path.open("rb") as file:
            while block := file.read(_READ):
                for each in hashes.values():
                    each.update(block)
    return {kind: each.hexdigest() for kind, each in hashes.items()}


class Imzml:
    """The format `imzml`: two files that are one image."""

    name = "imzml"

    def check(self, files: Mapping[str, Path], options: Mapping[str, object]) -> Report:
        """Check a pair; there are no options."""
        del options
        return check_imzml(files)
