"""Manifests are read once for as long as they are there, as far as there is room for what they name."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from aliquot.intake.companions import Companions
from aliquot.intake.scan import File
from aliquot.model.lab_config import Manifest

MANY = 100_000


def test_manifests_beyond_what_is_remembered_do_not_drive_out_the_others(tmp_path: Path) -> None:
    (tmp_path / "many.md5").write_text("file\n" + "".join(f"{number}.fq\n" for number in range(MANY)))
    (tmp_path / "few.md5").write_text("file\na.fq\n")
    read: list[str] = []

    @contextmanager
    def laid_out(file: File) -> Generator[Path]:
        read.append(file.path)
        yield tmp_path / ("many.md5" if "many" in file.name else "few.md5")

    companions = Companions(Manifest(name="*.md5"), laid_out=laid_out)
    many, few, other = (File(f"/r/{name}.md5", "", 1, 1) for name in ("many", "few", "other"))
    for _ in range(2):
        found = companions.find([many, few, other])
        assert (len(found.lacking["/r/many.md5"]), found.lacking["/r/few.md5"]) == (MANY, ("/r/a.fq",))
    assert read == ["/r/many.md5", *["/r/few.md5", "/r/other.md5"] * 2]
    # What has gone makes room for what is there.
    read.clear()
    for _ in range(3):
        assert companions.find([few, other]).lacking.keys() == {"/r/few.md5", "/r/other.md5"}
    assert read == ["/r/few.md5", "/r/other.md5"] * 2
