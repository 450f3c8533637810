"""Archives that attack, archives that are damaged, and archives that are simply good."""

import gzip
import io
import os
import stat
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aliquot.formats.archive import Archive, ArchiveLimits, check_archive, clean_name, unpack
from aliquot.model.errors import Conflict, Invalid, Unavailable
from aliquot.model.finding import Report

Entry = tuple[str, bytes]
SMALL = ArchiveLimits(members=10, total=1000, ratio=5, free=100)


def tar_entry(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def tar_of(entries: Iterable[tuple[tarfile.TarInfo, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for info, content in entries:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tar(*entries: Entry) -> bytes:
    return tar_of(tar_entry(name, content) for name, content in entries)


def tar_gz(*entries: Entry) -> bytes:
    return gzip.compress(tar(*entries))


def zipped(*entries: Entry, mode: int = 0o100644) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return out.getvalue()


Writer = Callable[..., bytes]
WRITERS: dict[str, Writer] = {"tar": tar, "tar.gz": tar_gz, "zip": zipped}
every_kind = pytest.mark.parametrize("kind", WRITERS)


def checked(folder: Path, content: bytes, limits: ArchiveLimits = ArchiveLimits()) -> Report:  # noqa: B008
    (folder / "archive").write_bytes(content)
    return check_archive(folder / "archive", limits, "upload.tar")


def codes(report: Report) -> list[str]:
    return [finding.code for finding in report.findings]


def refused(folder: Path, content: bytes, limits: ArchiveLimits = ArchiveLimits()) -> str:  # noqa: B008
    """Say with which code an archive is refused, the same by a check as by unpacking, which leaves nothing behind."""
    report = checked(folder, content, limits)
    assert not report.valid
    (folder / "below").mkdir(exist_ok=True)
    with pytest.raises(Invalid) as raised:
        unpack(folder / "archive", folder / "below" / "target", limits)
    assert list((folder / "below").iterdir()) == []
    assert raised.value.code in codes(report)
    assert raised.value.message in [finding.text for finding in report.findings]
    return raised.value.code


@every_kind
def test_a_good_archive_is_unpacked_as_it_was_packed(tmp_path: Path, kind: str) -> None:
    entries = [
        ("./samplesheet.csv", b"a,b\n"),
        ("reads/MV01 R1.fastq.gz", b"x" * 5000),
        ("reads//Gießen/κ.txt", b""),
        ("..odd..name", b"fine"),
    ]
    report = checked(tmp_path, WRITERS[kind](*entries))
    assert report.findings == ()
    assert report.facts == {"kind": kind, "files": 4, "folders": 2, "bytes": 5008}
    names = unpack(tmp_path / "archive", tmp_path / "to" / "target")
    assert names == ["samplesheet.csv", "reads/MV01 R1.fastq.gz", "reads/Gießen/κ.txt", "..odd..name"]
    assert [(tmp_path / "to" / "target" / name).read_bytes() for name in names] == [each for _, each in entries]
    assert [each.name for each in (tmp_path / "to").iterdir()] == ["target"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read(tmp_path: Path, form: int) -> None:
    long = "/".join(["folder" * 10] * 3) + "/name.txt"
    content = tar_of([tar_entry("folder", type=tarfile.DIRTYPE), tar_entry(long, b"text")], form)
    assert checked(tmp_path, content).findings == ()
    assert unpack(tmp_path / "archive", tmp_path / "target") == [long]
    assert (tmp_path / "target" / "folder").is_dir()


@every_kind
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("/etc/passwd", "member-absolute"),
        ("//etc/passwd", "member-absolute"),
        ("C:\\Windows\\x", "member-absolute"),
        ("C:/x", "member-absolute"),
        ("\\\\server\\x", "member-absolute"),
        ("../x", "member-outside"),
        ("a/../../x", "member-outside"),
        ("a/..", "member-outside"),
        ("..\\x", "member-outside"),
        ("a\nb", "member-name-control"),
        ("a\x7fb", "member-name-control"),
        ("n" * 256, "member-name-long"),
        ("ß" * 128, "member-name-long"),
        ("abcdefg/" * 130 + "x", "member-name-long"),
    ],
)
def test_a_name_that_is_dangerous_is_refused(tmp_path: Path, kind: str, name: str, code: str) -> None:
    assert refused(tmp_path, WRITERS[kind](("good", b"1"), (name, b"2"))) == code


def test_names_of_the_greatest_length_are_kept(tmp_path: Path) -> None:
    names = ["n" * 255, "ß" * 127, "abcdefg/" * 127 + "x"]
    checked(tmp_path, tar(*((name, b"") for name in names)))
    assert unpack(tmp_path / "archive", tmp_path / "target") == names


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    info, _ = tar_entry("caf\udce9.txt")
    content = tar_of([(info, b"")], tarfile.GNU_FORMAT)
    assert refused(tmp_path, content) == "member-name-encoding"
    document = checked(tmp_path, content).findings[0].document()
    assert str(document).encode()


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        (tarfile.SYMTYPE, "member-link"),
        (tarfile.LNKTYPE, "member-link"),
        (tarfile.FIFOTYPE, "member-special"),
        (tarfile.CHRTYPE, "member-special"),
        (tarfile.BLKTYPE, "member-special"),
        (b"Z", "member-special"),
    ],
)
def test_what_is_neither_file_nor_folder_is_refused(tmp_path: Path, type_: bytes, code: str) -> None:
    for linkname in ("good", "/etc/passwd"):
        content = tar_of([tar_entry("good", b"1"), tar_entry("bad", type=type_, linkname=linkname), tar_entry("z")])
        assert refused(tmp_path, content) == code
        assert checked(tmp_path, content).facts["files"] == 2


@pytest.mark.parametrize(
    ("mode", "code"),
    [(stat.S_IFLNK, "member-link"), (stat.S_IFIFO, "member-special"), (stat.S_IFCHR, "member-special")],
)
def test_a_zip_has_links_and_devices_too(tmp_path: Path, mode: int, code: str) -> None:
    assert refused(tmp_path, zipped(("bad", b"/etc/passwd"), mode=mode | 0o777)) == code


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("secret", b"text")))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    assert refused(tmp_path, bytes(content)) == "member-encrypted"


@pytest.mark.filterwarnings("ignore:Duplicate name")
@every_kind
@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("a", "a"), "member-twice"),
        (("a/b", "./a//b"), "member-twice"),
        (("a", "a/b"), "member-conflict"),
        (("a/b", "a"), "member-twice"),
        ((".", "x"), "member-twice"),
    ],
)
def test_members_that_overwrite_each_other_are_refused(
    tmp_path: Path, kind: str, names: tuple[str, str], code: str
) -> None:
    assert refused(tmp_path, WRITERS[kind](*((name, b"text") for name in names))) == code


def test_folders_may_be_named_twice_and_after_their_files(tmp_path: Path) -> None:
    folders = [tar_entry(name, type=tarfile.DIRTYPE) for name in (".", "a", "a", "./a/")]
    checked(tmp_path, tar_of([tar_entry("a/b", b"1"), *folders]))
    assert unpack(tmp_path / "archive", tmp_path / "target") == ["a/b"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_modes_are_not_taken_over(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        content = zipped(("run", b""), mode=0o106777)
    else:
        content = tar_of(
            [tar_entry("run", mode=0o6777, uid=0), tar_entry("locked", mode=0), tar_entry("d", mode=0, type=b"5")]
        )
    checked(tmp_path, content)
    before = os.umask(0)
    try:
        unpack(tmp_path / "archive", tmp_path / "target")
    finally:
        os.umask(before)
    modes = {each.name: stat.S_IMODE(each.lstat().st_mode) for each in (tmp_path / "target").iterdir()}
    assert modes.items() >= {"run": 0o755}.items()
    assert modes.items() <= {"run": 0o755, "locked": 0o644, "d": 0o777}.items()


@every_kind
def test_too_many_members_are_refused(tmp_path: Path, kind: str) -> None:
    ten = [(str(number), b"") for number in range(10)]
    assert checked(tmp_path, WRITERS[kind](*ten), SMALL).valid
    assert refused(tmp_path, WRITERS[kind](*ten, ("x", b"")), SMALL) == "archive-too-many-members"


@every_kind
def test_too_many_bytes_are_refused(tmp_path: Path, kind: str) -> None:
    limits = ArchiveLimits(total=1000)
    assert checked(tmp_path, WRITERS[kind](("a", bytes(500)), ("b", bytes(500))), limits).valid
    assert refused(tmp_path, WRITERS[kind](("a", bytes(500)), ("b", bytes(501))), limits) == "archive-too-large"


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_a_bomb_is_refused(tmp_path: Path, kind: str) -> None:
    bomb = WRITERS[kind](("zeros", bytes(2**20)))
    assert refused(tmp_path, bomb, ArchiveLimits(ratio=50, free=2**10)) == "archive-bomb"
    assert checked(tmp_path, bomb, ArchiveLimits(ratio=50, free=2**20)).valid


def test_a_bomb_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(("zeros", bytes(2**20))))
    for signature, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.index(signature) + at, 10)
    assert refused(tmp_path, bytes(content)) == "archive-damaged"


def test_a_header_that_fills_the_memory_is_refused(tmp_path: Path) -> None:
    info, _ = tar_entry("././@LongLink", type=tarfile.GNUTYPE_LONGNAME)
    info.size = 200 * 2**20
    content = gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(info.size))
    tracemalloc.start()
    try:
        assert refused(tmp_path, content) == "archive-header-too-long"
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_headers_before_headers_without_end_are_refused(tmp_path: Path) -> None:
    info, _ = tar_entry("././@LongLink", type=tarfile.GNUTYPE_LONGNAME)
    info.size = 1
    content = (info.tobuf(tarfile.GNU_FORMAT) + b"x".ljust(512, b"\0")) * 3000
    assert refused(tmp_path, content) in ("archive-header-too-long", "archive-damaged")


def test_a_sparse_member_counts_as_large_as_it_unpacks(tmp_path: Path) -> None:
    info = tarfile.TarInfo("sparse")
    info.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**15), "GNU.sparse.name": "sparse"}
    info.size = 1
    content = tar_of([(info, b"x")])
    assert refused(tmp_path, content) == "archive-too-large"


def test_a_directory_out_of_proportion_is_not_loaded(tmp_path: Path) -> None:
    content = zipped(*((f"{number:09}" * 20, b"") for number in range(5000)))
    tracemalloc.start()
    try:
        assert codes(checked(tmp_path, content, ArchiveLimits(members=10))) == ["archive-too-many-members"]
        assert tracemalloc.get_traced_memory()[1] < 2**19
    finally:
        tracemalloc.stop()
    assert refused(tmp_path, content, ArchiveLimits(members=10)) == "archive-too-many-members"


@pytest.mark.parametrize("kind", ["tar", "tar.gz"])
@pytest.mark.parametrize("left", [1, 600, 1024, 1025, 1536, 2100, 2560])
def test_a_cut_off_tar_is_found_wherever_it_was_cut(tmp_path: Path, kind: str, left: int) -> None:
    whole = tar(("a", b"1" * 512), ("b", b"2" * 600), ("c", b"3" * 512))
    ends = len(whole.rstrip(b"\0")) + 1024
    content = whole[: ends - left]
    if left < 1024:
        # A part of the end mark is there still, which is enough for every reader.
        assert checked(tmp_path, content).valid is (left <= 512)
        return
    code = refused(tmp_path, gzip.compress(content) if kind == "tar.gz" else content)
    assert code == "archive-truncated"
    assert "cut off" in checked(tmp_path, content).findings[0].text


def test_a_cut_off_gzip_is_found(tmp_path: Path) -> None:
    content = gzip.compress(tar(("a", os.urandom(5000))))
    for left in (1, 8, 100, 3000):
        assert refused(tmp_path, content[:-left]) == "gzip-truncated"


def test_bytes_after_the_gzip_are_found(tmp_path: Path) -> None:
    assert refused(tmp_path, tar_gz(("a", b"1")) + b"rubbish") == "gzip-trailing-bytes"


def test_a_damaged_header_does_not_end_the_archive_silently(tmp_path: Path) -> None:
    content = bytearray(tar(("a", b"1"), ("b", b"2"), ("c", b"3")))
    content[1024 + 3] ^= 0xFF
    assert refused(tmp_path, bytes(content)) == "archive-damaged"


def test_what_follows_after_the_end_mark_is_found(tmp_path: Path) -> None:
    assert refused(tmp_path, tar(("a", b"1")) + tar(("b", b"2"))) == "archive-damaged"


def test_a_cut_off_zip_is_found(tmp_path: Path) -> None:
    content = zipped(("a", os.urandom(2000)), ("b", b"2"))
    for left in (1, 22, 100, 500):
        assert refused(tmp_path, content[:-left]) == "archive-damaged"


def test_a_changed_byte_of_a_zip_is_found(tmp_path: Path) -> None:
    content = bytearray(zipped(("a", os.urandom(2000))))
    content[1000] ^= 1
    assert refused(tmp_path, bytes(content)) == "archive-damaged"


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "file-empty"), (b"hello", "archive-unknown"), (b"x" * 2000, "archive-unknown"),
     (gzip.compress(b"a,b\n", mtime=0), "archive-unknown")],
)  # fmt: skip
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes, code: str) -> None:
    assert refused(tmp_path, content) == code


@every_kind
def test_an_archive_without_files_is_a_warning(tmp_path: Path, kind: str) -> None:
    report = checked(tmp_path, WRITERS[kind]())
    assert report.valid
    assert codes(report) == ["archive-empty"]
    assert unpack(tmp_path / "archive", tmp_path / "target") == []


def test_every_bad_member_is_named(tmp_path: Path) -> None:
    report = checked(tmp_path, tar(("/a", b"1"), ("good", b"2"), ("../b", bytes(3 * 2**20)), ("c", b"3")))
    assert codes(report) == ["member-absolute", "member-outside"]
    assert report.facts["files"] == 2


def test_a_target_that_is_there_is_kept(tmp_path: Path) -> None:
    checked(tmp_path, tar(("a", b"1")))
    (tmp_path / "target").mkdir()
    assert unpack(tmp_path / "archive", tmp_path / "target") == ["a"]
    with pytest.raises(Conflict):
        unpack(tmp_path / "archive", tmp_path / "target")
    (tmp_path / "link").symlink_to(tmp_path / "gone")
    with pytest.raises(Conflict):
        unpack(tmp_path / "archive", tmp_path / "link")
    with pytest.raises(Unavailable):
        unpack(tmp_path / "no archive", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    report = Archive().check({"a.tar": tmp_path / "gone"}, {})
    assert [(each.code, each.file) for each in report.findings] == [("file-unreadable", "a.tar")]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_clean_name_stays_below_its_folder(name: str) -> None:
    try:
        clean = clean_name(name)
    except Invalid:
        return
    root = Path("/root/of/all")
    assert Path(os.path.normpath(root / clean)) == root / clean
    assert clean_name(clean) == clean


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(sorted(WRITERS)),
    changes=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), max_size=6),
)
def test_changed_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, kind: str, changes: list[tuple[int, int]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    content = bytearray(WRITERS[kind](("a", b"text" * 50), ("b/c", b"more"), ("n" * 150, b"")))
    for at, byte in changes:
        content[at % len(content)] = byte
    report = checked(folder, bytes(content), ArchiveLimits(total=10**7))
    target = folder / "changed"
    try:
        names = unpack(folder / "archive", target, ArchiveLimits(total=10**7))
    except Invalid:
        assert not report.valid
        assert not target.exists()
    else:
        assert report.valid
        for name in names:
            (target / name).unlink()
        for each in sorted(target.rglob("*"), reverse=True):
            each.rmdir()
        target.rmdir()


def test_real_uploads_pass(shared_data: Path, tmp_path: Path) -> None:
    for name, files in (("ok_small.tar", 4), ("input_v1.tar", 8)):
        archive = shared_data / "metagenome" / name
        report = check_archive(archive)
        assert report.findings == ()
        assert report.facts["files"] == files
        names = unpack(archive, tmp_path / name)
        with tarfile.open(archive) as plain:
            assert names == [each.name for each in plain if each.isreg()]
            assert all((tmp_path / name / each).stat().st_size == plain.getmember(each).size for each in names)
