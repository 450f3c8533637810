"""Writes a small made-up imaging measurement as an imzML pair: a leaf on a slide, with five ions.

    python generate.py ./inbox                       leaf.imzML and leaf.ibd, continuous mode
    python generate.py ./inbox --mode processed --name leaf2 --seed 7

The same arguments give the same bytes. A few pixels at the corners have no spectrum, as where a laser was not fired.
"""

import argparse
import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np

WIDTH, HEIGHT, POINTS, PIXEL_SIZE = 24, 16, 1000, 50
MZ_FROM, MZ_TO, PEAK_WIDTH = 200.0, 400.0, 0.45
NAMESPACE = uuid.UUID("6f1d3c5e-52a4-5c39-9e0b-6b0ad9d3c1f7")


@dataclass(frozen=True)
class Made:
    """A measurement before it is written: its m/z axis, its positions counted from 1, a row of intensities for each."""

    mz: np.ndarray
    x: np.ndarray
    y: np.ndarray
    intensity: np.ndarray


def main() -> None:
    """Read the arguments and write the pair."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="leaf")
    parser.add_argument("--mode", choices=["continuous", "processed"], default="continuous")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    for path in write(arguments.folder, arguments.name, arguments.mode, make(arguments.seed)):
        print(path)


def make(seed: int) -> Made:
    """Make the spectra of a leaf; the seed decides the noise."""
    random = np.random.Generator(np.random.PCG64(seed))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    corner = np.minimum(columns, WIDTH - 1 - columns) + np.minimum(rows, HEIGHT - 1 - rows)
    there = corner > 1
    mz = np.linspace(MZ_FROM, MZ_TO, POINTS)
    signal = np.zeros((HEIGHT, WIDTH, POINTS))
    for place, image in _ions(rows, columns).items():
        peak = np.exp(-0.5 * ((mz - place) / (PEAK_WIDTH / 2.355)) ** 2)
        signal += image[:, :, None] * peak
    matrix = 6.0 * np.exp(-(mz - MZ_FROM) / 60.0) + 0.4
    noise = random.normal(0.0, 0.5, signal.shape)
    shots = random.normal(1.0, 0.06, (HEIGHT, WIDTH, 1))
    intensity = np.maximum(signal * shots + matrix + noise, 0.0).astype("<f4")
    return Made(mz.astype("<f4"), columns[there] + 1, rows[there] + 1, intensity[there])


def _ions(rows: np.ndarray, columns: np.ndarray) -> dict[float, np.ndarray]:
    """Give the m/z of each ion and its picture: blade, veins, margin, two spots, and the slide around the leaf."""
    along = (columns - (WIDTH - 1) / 2) / (WIDTH / 2)
    across = (rows - (HEIGHT - 1) / 2) / (HEIGHT / 2)
    half_width = 0.78 * np.clip(1.0 - np.abs(along / 0.95) ** 2.2, 0.0, None)
    inside = np.clip((half_width - np.abs(across)) / 0.12, 0.0, 1.0)
    rib = np.exp(-((across / 0.09) ** 2))
    side = np.exp(-(((np.abs(across) - np.mod(along * 2.2 + 0.1, 0.62)) / 0.10) ** 2))
    margin = np.exp(-(((half_width - np.abs(across)) / 0.13) ** 2)) * (half_width > 0)
    spots = sum(np.exp(-(((along - x) ** 2 + (across - y) ** 2) / 0.03)) for x, y in ((-0.35, 0.25), (0.4, -0.2)))
    return {
        226.18: 70.0 * (1.0 - inside),
        255.23: 90.0 * inside * (0.75 + 0.25 * np.cos(2.5 * along)),
        303.05: 120.0 * inside * np.maximum(rib, 0.7 * side),
        341.11: 110.0 * margin,
        377.09: 160.0 * inside * spots,
    }


def write(folder: Path, name: str, mode: str, made: Made) -> tuple[Path, Path]:
    """Write a measurement as `<name>.imzML` and `<name>.ibd` and give their paths."""
    identity = uuid.uuid5(NAMESPACE, hashlib.sha1(made.intensity.tobytes() + f"{name} {mode}".encode()).hexdigest())
    binary = bytearray(identity.bytes)
    shared = len(binary)
    if mode == "continuous":
        binary += made.mz.tobytes()
    spectra: list[str] = []
    for number, (x, y, intensity) in enumerate(zip(made.x, made.y, made.intensity, strict=True), start=1):
        mz_at = shared
        if mode == "processed":
            mz_at = len(binary)
            binary += made.mz.tobytes()
        intensity_at = len(binary)
        binary += intensity.tobytes()
        spectra.append(_spectrum(number, (int(x), int(y)), mz_at, intensity_at, intensity))
    folder.mkdir(parents=True, exist_ok=True)
    xml, ibd = folder / f"{name}.imzML", folder / f"{name}.ibd"
    ibd.write_bytes(binary)
    xml.write_text(_document(identity, hashlib.sha1(binary).hexdigest(), mode, spectra), encoding="utf-8")
    return xml, ibd


def _param(accession: str, name: str, value: object = "", unit: str = "") -> str:
    return f'<cvParam cvRef="{accession.split(":")[0]}" accession="{accession}" name="{name}" value="{value}"{unit}/>'


def _array(group: str, offset: int, length: int) -> str:
    return f"""          <binaryDataArray encodedLength="0">
            <referenceableParamGroupRef ref="{group}"/>
            {_param("IMS:1000102", "external offset", offset)}
            {_param("IMS:1000103", "external array length", length)}
            {_param("IMS:1000104", "external encoded length", 4 * length)}
            <binary/>
          </binaryDataArray>"""


def _spectrum(number: int, at: tuple[int, int], mz_at: int, intensity_at: int, intensity: np.ndarray) -> str:
    total = float(intensity.sum(dtype=np.float64))
    return f"""      <spectrum id="Scan={number}" index="{number - 1}" defaultArrayLength="0">
        <referenceableParamGroupRef ref="spectrum"/>
        {_param("MS:1000285", "total ion current", repr(total))}
        <scanList count="1">
          {_param("MS:1000795", "no combination")}
          <scan>
            {_param("IMS:1000050", "position x", at[0])}
            {_param("IMS:1000051", "position y", at[1])}
          </scan>
        </scanList>
        <binaryDataArrayList count="2">
{_array("mzArray", mz_at, len(intensity))}
{_array("intensityArray", intensity_at, len(intensity))}
        </binaryDataArrayList>
      </spectrum>"""


def _group(name: str, *params: str) -> str:
    lines = "\n".join(f"      {param}" for param in params)
    return f'    <referenceableParamGroup id="{name}">\n{lines}\n    </referenceableParamGroup>'


def _document(identity: uuid.UUID, sha1: str, mode: str, spectra: list[str]) -> str:
    mode_param = _param("IMS:1000030", "continuous") if mode == "continuous" else _param("IMS:1000031", "processed")
    length = ' unitCvRef="UO" unitAccession="UO:0000017" unitName="micrometer"'
    external = [
        _param("MS:1000521", "32-bit float"),
        _param("MS:1000576", "no compression"),
        _param("IMS:1000101", "external data", "true"),
    ]
    mz_unit = ' unitCvRef="MS" unitAccession="MS:1000040" unitName="m/z"'
    counts = ' unitCvRef="MS" unitAccession="MS:1000131" unitName="number of detector counts"'
    groups = "\n".join([
        _group("mzArray", _param("MS:1000514", "m/z array", unit=mz_unit), *external),
        _group("intensityArray", _param("MS:1000515", "intensity array", unit=counts), *external),
        _group("spectrum", _param("MS:1000579", "MS1 spectrum"), _param("MS:1000511", "ms level", 1),
               _param("MS:1000128", "profile spectrum"), _param("MS:1000130", "positive scan")),
    ])  # fmt: skip
    body = "\n".join(spectra)
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<mzML xmlns="http://psi.hupo.org/ms/mzml" version="1.1">
  <cvList count="3">
    <cv id="MS" fullName="Proteomics Standards Initiative Mass Spectrometry Ontology" version="4.1.0" URI="https://raw.githubusercontent.com/hupo-psi/psi-ms-cv/master/psi-ms.obo"/>
    <cv id="UO" fullName="Units of Measurement Ontology" version="2017-09-25" URI="http://ontologies.berkeleybop.org/uo.obo"/>
    <cv id="IMS" fullName="Mass Spectrometry Imaging Ontology" version="1.1.0" URI="https://raw.githubusercontent.com/imzML/imzML/master/imagingMS.obo"/>
  </cvList>
  <fileDescription>
    <fileContent>
      {_param("MS:1000579", "MS1 spectrum")}
      {_param("MS:1000128", "profile spectrum")}
      {_param("IMS:1000080", "universally unique identifier", f"{{{identity}}}")}
      {_param("IMS:1000091", "ibd SHA-1", sha1)}
      {mode_param}
    </fileContent>
  </fileDescription>
  <referenceableParamGroupList count="3">
{groups}
  </referenceableParamGroupList>
  <softwareList count="1">
    <software id="generate" version="1">
      {_param("MS:1000799", "custom unreleased software tool", "generate.py")}
    </software>
  </softwareList>
  <scanSettingsList count="1">
    <scanSettings id="scansettings">
      {_param("IMS:1000401", "top down")}
      {_param("IMS:1000413", "flyback")}
      {_param("IMS:1000480", "horizontal line scan")}
      {_param("IMS:1000491", "linescan left right")}
      {_param("IMS:1000042", "max count of pixels x", WIDTH)}
      {_param("IMS:1000043", "max count of pixels y", HEIGHT)}
      {_param("IMS:1000044", "max dimension x", WIDTH * PIXEL_SIZE, length)}
      {_param("IMS:1000045", "max dimension y", HEIGHT * PIXEL_SIZE, length)}
      {_param("IMS:1000046", "pixel size (x)", PIXEL_SIZE, length)}
      {_param("IMS:1000047", "pixel size y", PIXEL_SIZE, length)}
    </scanSettings>
  </scanSettingsList>
  <instrumentConfigurationList count="1">
    <instrumentConfiguration id="made-up">
      {_param("MS:1000031", "instrument model")}
    </instrumentConfiguration>
  </instrumentConfigurationList>
  <dataProcessingList count="1">
    <dataProcessing id="made">
      <processingMethod order="1" softwareRef="generate">
        {_param("MS:1000544", "Conversion to mzML")}
      </processingMethod>
    </dataProcessing>
  </dataProcessingList>
  <run id="run" defaultInstrumentConfigurationRef="made-up">
    <spectrumList count="{len(spectra)}" defaultDataProcessingRef="made">
{body}
    </spectrumList>
  </run>
</mzML>
"""


if __name__ == "__main__":
    main()
