"""Links inside the documentation lead somewhere, and the map of the house names every room."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")])
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=[\"']([^\"']+)[\"']")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """Give the anchors of a page as GitHub makes them from its headings, and those that it has of its own."""
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    found: dict[str, int] = {}
    anchors = set(re.findall(r"<a id='([^']+)'", text))
    for heading in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        anchors.add(slug if slug not in found else f"{slug}-{found[slug]}")
        found[slug] = found.get(slug, 0) + 1
    return anchors


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    text = re.sub(r"`[^`\n]*`", "", text)
    for link in _LINK.finditer(text):
        target = link[1] or link[2]
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (page.parent / path).resolve() if path else page
        assert place.exists(), f"{target} in {page.name}"
        assert place.is_relative_to(ROOT), f"{target} in {page.name} leads out of the repository"
        if anchor and place.suffix == ".md":
            assert anchor in _anchors(place), f"{target} in {page.name}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        if name != "README.md" and not name.startswith("decisions/0"):
            assert f"({name})" in index, name


def test_every_room_is_on_the_map() -> None:
    said = (ROOT / "docs" / "explanation" / "the-way-of-the-data.md").read_text(encoding="utf-8")
    said += (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rooms = [path for path in (ROOT / "src" / "aliquot").iterdir() if (path / "__init__.py").exists()]
    assert len(rooms) > 10
    for room in rooms:
        assert f"`{room.name}/`" in said, room.name
