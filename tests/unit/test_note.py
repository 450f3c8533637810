"""A note keeps its room on the disk, and is empty until it is written."""

from pathlib import Path

from aliquot.executors.note import Note, NoteFile

NOTE = Note(task=1, fence=2, key="k", name="", image="", shepherd=3, shepherd_since=4)


def test_a_note_has_its_room_before_it_is_written(tmp_path: Path) -> None:
    notes = NoteFile(tmp_path, create=True)
    assert notes.read() is None
    notes.reserve()
    (file,) = tmp_path.iterdir()
    assert file.stat().st_blocks > 0
    assert notes.read() is None
    size = file.stat().st_size
    notes.write(NOTE)
    assert file.stat().st_size == size
    assert notes.read() == NOTE
    notes.clear()
    assert notes.read() is None
    notes.close()
