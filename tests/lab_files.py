"""Small files of sequencing and mass spectrometry, made by the rules of their formats and by nothing of ours."""

import base64
import hashlib
import random
import struct
import zlib
from collections.abc import Sequence

BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def bgzf_block(content: bytes, extra: bytes = b"") -> bytes:
    """Pack up to 64 KiB into one block."""
    packing = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packing.compress(content) + packing.flush()
    fields = extra + b"BC\x02\x00\x00\x00"
    size = 12 + len(fields) + len(packed) + 8
    fields = fields[:-2] + struct.pack("<H", size - 1)
    head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", len(fields))
    return head + fields + packed + struct.pack("<II", zlib.crc32(content), len(content))


def bgzf(content: bytes, size: int = 60_000) -> bytes:
    """Pack bytes into blocks of so many, with the block that marks the end."""
    return b"".join(bgzf_block(content[at : at + size]) for at in range(0, len(content), size)) + BGZF_END


def bam_record(
    name: str = "r1", *, reference: int = 0, position: int = 10, bases: int = 5, flag: int = 0, mate: int = -1
) -> bytes:
    """Make one aligned read."""
    spelled = name.encode() + b"\0"
    body = struct.pack(
        "<iiBBHHHiiii", reference, position, len(spelled), 30, 4681, 1, flag, bases, mate, -1, 0
    ) + spelled + struct.pack("<I", bases << 4) + b"\x11" * ((bases + 1) // 2) + b"\x1e" * bases  # fmt: skip
    return struct.pack("<i", len(body)) + body


def bam_content(
    records: Sequence[bytes] = (),
    text: str = "@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:chr1\tLN:1000\n@SQ\tSN:chr2\tLN:500\n@RG\tID:g\tSM:S1\n",
    references: Sequence[tuple[str, int]] = (("chr1", 1000), ("chr2", 500)),
) -> bytes:
    """Make what is in the blocks of a BAM file."""
    content = b"BAM\x01" + struct.pack("<i", len(text)) + text.encode() + struct.pack("<i", len(references))
    for name, length in references:
        spelled = name.encode() + b"\0"
        content += struct.pack("<i", len(spelled)) + spelled + struct.pack("<i", length)
    return content + b"".join(records)


VCF_HEAD = (
    "##fileformat=VCFv4.3\n##contig=<ID=chr1,length=1000>\n##contig=<ID=chr2>\n"
    '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth, \\"total\\"">\n##FILTER=<ID=q10,Description="Low">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\n"
)


def vcf(*records: str, head: str = VCF_HEAD) -> bytes:
    """Make a VCF file of records that are written with spaces."""
    return (head + "".join(record.replace(" ", "\t") + "\n" for record in records)).encode()


def _array(values: Sequence[float], accession: str, *, packed: bool, narrow: bool) -> str:
    content = struct.pack(f"<{len(values)}{'f' if narrow else 'd'}", *values)
    text = base64.b64encode(zlib.compress(content) if packed else content).decode()
    width, packing = "MS:1000521" if narrow else "MS:1000523", "MS:1000574" if packed else "MS:1000576"
    return (
        f'<binaryDataArray encodedLength="{len(text)}"><cvParam accession="{width}"/>'
        f'<cvParam accession="{packing}"/><cvParam accession="{accession}"/>'
        f"<binary>{text}</binary></binaryDataArray>"
    )


def mzml(spectra: int = 3, points: int = 10, *, packed: bool = True, indexed: bool = True, seed: int = 1) -> bytes:
    """Make an mzML file, with its index and checksum if wanted."""
    rng = random.Random(seed)
    out = bytearray(b'<?xml version="1.0" encoding="utf-8"?>\n')
    if indexed:
        out += b'<indexedmzML xmlns="http://psi.hupo.org/ms/mzml">\n'
    out += f'<mzML xmlns="http://psi.hupo.org/ms/mzml"><run id="r"><spectrumList count="{spectra}">\n'.encode()
    places: list[int] = []
    for number in range(spectra):
        mz = sorted(rng.uniform(100, 1000) for _ in range(points))
        counts = [rng.uniform(0, 1e6) for _ in range(points)]
        out += b"  "
        places.append(len(out))
        out += (
            f'<spectrum index="{number}" id="scan={number + 1}" defaultArrayLength="{points}">'
            f'<cvParam accession="MS:1000511" value="{1 + number % 2}"/><binaryDataArrayList count="2">'
            f"{_array(mz, 'MS:1000514', packed=packed, narrow=False)}"
            f"{_array(counts, 'MS:1000515', packed=packed, narrow=True)}</binaryDataArrayList></spectrum>\n"
        ).encode()
    out += b"</spectrumList></run></mzML>"
    if indexed:
        out += b"\n"
        listed = len(out)
        offsets = "".join(f'<offset idRef="scan={at + 1}">{place}</offset>' for at, place in enumerate(places))
        out += (
            f'<indexList count="1"><index name="spectrum">{offsets}</index></indexList>'
            f"<indexListOffset>{listed}</indexListOffset><fileChecksum>"
        ).encode()
        out += hashlib.sha1(out, usedforsecurity=False).hexdigest().encode() + b"</fileChecksum></indexedmzML>"
    return bytes(out)
