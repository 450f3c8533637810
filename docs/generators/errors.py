"""errors.md and findings.md: every code that is raised or found, with the texts that go with it."""

from collections import defaultdict

from aliquot.model.errors import FAMILIES, NARROWER
from generators.sentences import Said, pairs_of_words, said
from generators.text import cell, code, page, table

PLAIN_WORDS = {
    "usage": "The command line cannot be read; the sentence names the wrong word. Try the command with `--help`.",
    "unique-error": "Row {row}: {field} has a value that another row has, too; it may stand in the column only once.",
    "reference-missing": "The column {field} has to be looked up in a dataset that has nothing in it yet.",
    "manifest-unreadable": "This cannot be read as a manifest of files: {what}.",
    "sidecar-unreadable": "The sidecar file {what}.",
    "name-refused": "The name is not valid Unicode, so that no dataset could hold it. Rename the file.",
}
"""Sentences for codes whose text is made where it is raised, out of what another program says."""

_RAISERS = tuple(each.__name__ for each in (*FAMILIES, *NARROWER))
_FINDERS = ("Finding", "error", "warning", "_error", "_finding", "Flaw", "Refusal", "tell")

_ERRORS = """\
Every error belongs to one of five families, by who has to act. It has a code that stays the same in every release, a
sentence that says what to do next, and its facts as fields: `--json` prints them on stderr as
`{"family": …, "code": …, "message": …, "facts": {…}}`. In the sentences below, `{…}` stands for a fact.

What a check sees in *data* is no error but a [finding](findings.md)."""

_FINDINGS = """\
What checks see in data. A finding with the weight `error` refuses the file, which waits in quarantine with all its
findings; a `warning` stays attached to the receipt. In the texts below, `{…}` stands for a fact, and `…` for the row,
field or spectrum that the text is about. A file that cannot be read at all gives a finding with the code of the
[error](errors.md) that ended the check."""


def errors_page() -> str:
    """Make the page of errors."""
    families = {name: dict.fromkeys(texts) for name, texts in _texts_of_errors().items()}
    parts: list[str] = []
    for family in (*FAMILIES, *NARROWER):
        narrower = f" It is one of the family `{family.family}`." if family in NARROWER else ""
        codes = f"Exit code {family.exit_code}, HTTP status {family.http_status}."
        about = f"{(family.__doc__ or '').strip()}{narrower} {codes}"
        rows = [(f"<a id='{found[1]}'></a>{code(found[1])}", "<br>".join(cell(text) for text in texts))
                for found, texts in sorted(families.items()) if found[0] == family.__name__]  # fmt: skip
        parts += [f"## {family.__name__}", about, table(("code", "what it says"), rows)]
    return page("Errors", _ERRORS, *parts)


def _texts_of_errors() -> dict[tuple[str, str], list[str]]:
    texts: dict[tuple[str, str], list[str]] = defaultdict(list)
    for each in said(*_RAISERS):
        if each.code is None:
            continue
        found = texts[each.name, each.code]
        found += each.texts
        if not found and each.code in PLAIN_WORDS:
            found.append(PLAIN_WORDS[each.code])
    return texts


_CHECKING = ("formats/", "intake/", "executors/ensure.py")
"""Where data is checked."""


def findings_page() -> str:
    """Make the page of findings."""
    found: dict[str, list[Said]] = defaultdict(list)
    for each in said(*_FINDERS):
        if each.where.startswith(_CHECKING) and each.code and each.code[0].isalpha():
            found[each.code].append(each)
    for name, text in pairs_of_words("formats"):
        found[name].append(Said("", name, (text,), ""))
    found["unique-error"].append(Said("", "unique-error", (PLAIN_WORDS["unique-error"],), ""))
    rows = []
    for name, several in sorted(found.items()):
        texts = dict.fromkeys(text for each in several for text in each.texts)
        weights = sorted({"warning" if each.warning else "error" for each in several})
        shown = "<br>".join(cell(f"… {text}" if text[:1].islower() else text) for text in texts) or cell(
            PLAIN_WORDS.get(name, "")
        )
        rows.append((code(name), " or ".join(weights), shown))
    return page("Findings", _FINDINGS, table(("code", "weight", "what it says"), rows))
