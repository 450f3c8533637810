"""What becomes of a landing: recognised by the first type that fits, checked as it says, accepted or refused."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from aliquot.formats.check import check
from aliquot.formats.recognise import name_matches, recognise
from aliquot.formats.specific import most_specific
from aliquot.intake.checksums import differing
from aliquot.intake.companions import Companions, LaidOut
from aliquot.intake.referred import Referred
from aliquot.intake.scan import File
from aliquot.intake.settle import Landing
from aliquot.intake.sidecar import ENDINGS, read_sidecar
from aliquot.model.errors import Invalid
from aliquot.model.file_type import FileType
from aliquot.model.finding import Finding, Report
from aliquot.model.glob import compile_glob
from aliquot.model.lab_config import Manifest

_PLAIN = Landing((), 0, 0)[3:]
"""What a landing has of companions when it has none."""

INCOMPLETE = "set-incomplete"
"""The code of what waited for other files in vain."""

SHOWN = 100
"""Findings that are kept of one landing; all of them are counted."""


@dataclass(frozen=True)
class Rule:
    """Files of a type go into a dataset; without a type, whatever comes does, unread."""

    into: str
    type: FileType | None = None

    @cached_property
    def by_name_alone(self) -> bool:
        """Say whether a look at the name decides, with nothing to find in the content."""
        if self.type is None:
            return True
        asks = self.type.recognise
        return (
            self.type.format == "any" and self.type.describe is None and not (asks.columns or asks.magic or asks.root)
        )

    @cached_property
    def accepts_all(self) -> "Judgement":
        """Give the judgement on a file of which the name was all that mattered."""
        return Judgement(self.into, self.type, accepted=True)

    def fits_name(self, file: File) -> bool:
        """Say whether the type's globs match a file."""
        asks = self.type.recognise if self.type else None
        if asks is None:
            return True
        if asks.name is not None and not name_matches(asks.name, file.name):
            return False
        if asks.extension is not None and not file.name.lower().endswith("." + asks.extension.lower().lstrip(".")):
            return False
        return asks.path is None or compile_glob(asks.path).match(file.path) is not None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was decided on a landing. `into` and `type` are None where no rule took it.

    What is accepted into no dataset only says something of other files. `described` holds the values that were said of
    the file, each with its origin.
    """

    into: str | None
    type: FileType | None
    accepted: bool
    findings: tuple[Finding, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])
    report: Report | None = None
    described: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    @property
    def type_name(self) -> str | None:
        """Give the type's name."""
        return self.type.type if self.type else None

    @property
    def plain(self) -> bool:
        """Say whether a receipt has nothing to note of it."""
        return not (self.facts or self.findings or self.described)

    @property
    def divisible(self) -> bool:
        """Say whether the good rows of a refused table may go on alone."""
        return self.report is not None and not self.accepted and self.type is not None and (
            self.type.on_invalid == "split"
        )  # fmt: skip

    def with_facts(self, more: Mapping[str, Any]) -> "Judgement":
        """Give the same judgement with more facts."""
        return replace(self, facts={**self.facts, **more})

    def notes(self) -> dict[str, Any]:
        """Give what a receipt keeps of it: facts about the content, findings, and how many there are of each code."""
        kept: dict[str, Any] = {}
        if self.facts:
            kept["facts"] = dict(self.facts)
        if self.described:
            kept["described"] = dict(self.described)
        if self.findings:
            kept |= {"findings": [each.document() for each in self.findings], "counts": dict(self.counts)}
        return kept


def companions_of(
    rules: Sequence[Rule], manifest: Manifest | None = None, laid_out: LaidOut | None = None
) -> Companions:
    """Give what finds the files that say something of those which these rules accept."""
    describing = [rule for rule in rules if rule.type and rule.type.describe is not None]
    names = [rule.type.recognise.name for rule in rules if rule.type and rule.type.recognise.name]
    # A name of all files, such as `*`, asks for none of these in particular.
    claiming = [name for name in names if name.lower().endswith(ENDINGS)]
    return Companions(
        manifest,
        (lambda file: any(rule.fits_name(file) for rule in describing)) if describing else None,
        lambda file: any(name_matches(name, file.name) for name in claiming),
        laid_out,
    )


def at_a_glance(landing: Landing, rules: Sequence[Rule]) -> Judgement | None:
    """Decide on a landing by its name, where the first rule that fits asks for no more; None: it has to be read."""
    first = landing.files[0]
    if len(landing.files) > 1 or first.size == 0 or first.fault or landing[3:] != _PLAIN:
        return None
    fitting: dict[str, Rule] = {}
    for rule in rules:
        if rule.fits_name(first):
            if not rule.by_name_alone:
                return None
            fitting.setdefault(rule.type.type if rule.type else "", rule)
    if len(fitting) > 1:
        chosen = most_specific([rule.type for rule in fitting.values() if rule.type])
        return fitting[chosen.type].accepts_all if chosen else None
    return next(iter(fitting.values())).accepts_all if fitting else None


def judge(landing: Landing, rules: Sequence[Rule], referred: Referred | None = None) -> Judgement | None:
    """Decide on a landing by the first rule whose type recognises its first file.

    Foreign keys are followed into the datasets of `referred`. Without it, what has such keys is put off (None).
    The files are read where they lie; a caller has to see that they did not change meanwhile.
    """
    first = landing.files[0]
    faults = [Finding("name-refused", each.fault, file=each.path) for each in landing.files if each.fault]
    if faults:
        into = rules[0].into if rules and rules[0].type is None else None
        return _refused(faults, into)
    if landing.role and (judgement := _companion(landing, rules)):
        return judgement
    types = [rule.type for rule in rules if rule.type]
    if not types and rules:
        return rules[0].accepts_all
    found = recognise(first.name, first.path, Path(first.absolute), types)
    if found.type is None:
        reasons = [
            Finding("not-recognised", f"This is no {name}: {reason}.", file=first.path, rule=name)
            for name, reason in found.reasons.items()
        ]
        if found.several:
            reasons = [_ambiguous(first, found.candidates)]
        return _refused([*_given_up(landing), *reasons])
    into = next(rule.into for rule in rules if rule.type is found.type)
    if landing.gave_up:
        return replace(_refused(_given_up(landing), into), type=found.type)
    references = None
    if found.type.refers_to:
        if referred is None:
            return None
        references = referred.tables(found.type)
    report = check(found.type, {each.name: Path(each.absolute) for each in landing.files}, references)
    facts = report.facts | (
        {"also": [each for each in found.candidates if each != found.type.type]} if found.several else {}
    )
    if references:
        facts["looked_up_in"] = [table.label for table in references.values()]
    judgement = Judgement(
        into, found.type, report.valid, report.findings[:SHOWN], report.counts, facts, None if report.valid else report
    )
    for each in differing(landing):
        judgement = refusal(judgement, each)
    return judgement


def _ambiguous(file: File, candidates: Sequence[str]) -> Finding:
    names = " and ".join(candidates) if len(candidates) == 2 else ", ".join(candidates)
    text = (
        f"This may be any of {names}: it has what each of them asks for. Let one of them ask for more under "
        "'recognise', then give the file again; or release it into the right dataset."
    )
    return Finding("type-ambiguous", text, file=file.path, rule=candidates[0])


def _given_up(landing: Landing) -> list[Finding]:
    if not landing.gave_up:
        return []
    text = f"The file has waited in vain: it {landing.gave_up}. When that comes, it is taken in by itself."
    return [Finding(INCOMPLETE, text, file=landing.files[0].path)]


def _companion(landing: Landing, rules: Sequence[Rule]) -> Judgement | None:
    """Decide on a sidecar file or manifest; None for a manifest that a type recognises: it is data as well."""
    first = landing.files[0]
    if landing.gave_up:
        return _refused(_given_up(landing))
    if landing.fault:
        return _refused([Finding("manifest-unreadable", landing.fault, file=first.path)])
    if landing.role == "sidecar":
        try:
            read_sidecar(first.absolute)
        except Invalid as error:
            return _refused([Finding(error.code, error.message, file=first.path)])
        return Judgement(None, None, accepted=True)
    types = [rule.type for rule in rules if rule.type]
    recognised = recognise(first.name, first.path, Path(first.absolute), types).type
    return None if recognised else Judgement(None, None, accepted=True)


def refusal(judgement: Judgement, finding: Finding) -> Judgement:
    """Turn a judgement into a refusal, for a reason that showed later."""
    counts = Counter(judgement.counts) + Counter([finding.code])
    findings = (finding, *judgement.findings)[:SHOWN]
    return replace(judgement, accepted=False, findings=findings, counts=dict(counts), report=None)


def _refused(findings: Sequence[Finding], into: str | None = None) -> Judgement:
    counts = Counter(each.code for each in findings)
    return Judgement(into, None, accepted=False, findings=tuple(findings[:SHOWN]), counts=dict(counts))
