"""Imaging pairs for tests of previews, benchmarks and demonstrations: any spectra at any pixels."""

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import numpy as np

IDENTITY = UUID("554a27fa-79d2-4766-9a2c-862e6d78b1f3")
_MODES = {"continuous": "IMS:1000030", "processed": "IMS:1000031"}


def write_pair(
    folder: Path,
    mode: str,
    spectra: Iterable[tuple[np.ndarray, np.ndarray]],
    positions: Sequence[tuple[Any, Any]],
    *,
    packed: bool = False,
) -> tuple[Path, Path]:
    """Write m/z (64 bits) and intensities (32 bits) of each pixel as `mode.imzML` and `mode.ibd`."""
    xml, ibd = folder / f"{mode}.imzML", folder / f"{mode}.ibd"
    with ibd.open("wb") as file:
        file.write(IDENTITY.bytes)
        shared: tuple[int, int, int] | None = None
        texts: list[str] = []
        for number, ((mz, intensity), position) in enumerate(zip(spectra, positions, strict=True)):
            if shared is None or mode == "processed":
                shared = _array(file, mz.astype("<f8"), packed)
            texts.append(_spectrum(number, position, shared, _array(file, intensity.astype("<f4"), packed)))
    width = max([x for x, _ in positions if isinstance(x, int)], default=1)
    height = max([y for _, y in positions if isinstance(y, int)], default=1)
    xml.write_text(_head(mode, width, height, len(texts), packed) + "".join(texts) + "</spectrumList></run></mzML>")
    return xml, ibd


def _array(file: BinaryIO, values: np.ndarray, packed: bool) -> tuple[int, int, int]:
    data = values.tobytes()
    data = zlib.compress(data) if packed else data
    at = file.tell()
    file.write(data)
    return at, len(values), len(data)


def _term(accession: str, value: object = "") -> str:
    return f'<cvParam cvRef="X" accession="{accession}" name="x" value="{value}"/>'


def _head(mode: str, width: int, height: int, count: int, packed: bool) -> str:
    packing = _term("MS:1000574" if packed else "MS:1000576")
    groups = "".join(
        f'<referenceableParamGroup id="{name}">{_term(kind)}{packing}{_term(type_)}</referenceableParamGroup>'
        for name, kind, type_ in (("mz", "MS:1000514", "MS:1000523"), ("intensity", "MS:1000515", "MS:1000521"))
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?><mzML xmlns="http://psi.hupo.org/ms/mzml"><fileDescription>'
        f"<fileContent>{_term(_MODES[mode])}{_term('IMS:1000080', IDENTITY.hex)}</fileContent></fileDescription>"
        f"<referenceableParamGroupList>{groups}</referenceableParamGroupList><scanSettingsList><scanSettings>"
        f"{_term('IMS:1000042', width)}{_term('IMS:1000043', height)}</scanSettings></scanSettingsList>"
        f'<run><spectrumList count="{count}">'
    )


def _spectrum(number: int, position: tuple[Any, Any], mz: tuple[int, int, int], intensity: tuple[int, int, int]) -> str:
    binaries = "".join(
        f'<binaryDataArray encodedLength="0"><referenceableParamGroupRef ref="{group}"/>{_term("IMS:1000102", at)}'
        f"{_term('IMS:1000103', length)}{_term('IMS:1000104', size)}<binary/></binaryDataArray>"
        for group, (at, length, size) in (("mz", mz), ("intensity", intensity))
    )
    return (
        f'<spectrum id="Scan={number + 1}" index="{number}"><scanList><scan>{_term("IMS:1000050", position[0])}'
        f"{_term('IMS:1000051', position[1])}</scan></scanList><binaryDataArrayList>{binaries}</binaryDataArrayList>"
        "</spectrum>"
    )
