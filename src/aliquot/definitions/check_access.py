"""Projects that definitions name, and how people sign in."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from aliquot.definitions.found import Found
from aliquot.definitions.problem import Path, Problem, instead
from aliquot.definitions.yaml_text import Document
from aliquot.model.lab_config import LabConfig
from aliquot.model.reference import DEFAULT_PROJECT

_HERE = ("localhost", "127.0.0.1", "::1")


def check_projects(config: Found[LabConfig], several: Mapping[str, Found[Any]]) -> Iterator[Problem]:
    """Give the projects that definitions name and that the lab does not have."""
    for found in several.values():
        yield from _project(found.text, ("project",), found.model.project, config.model)


def check_access(document: Document, lab: LabConfig) -> Iterator[Problem]:
    """Give mistakes of `aliquot.yaml` about projects and sign-ins."""
    for at, name in enumerate(lab.projects):
        if name in lab.projects[:at]:
            yield document.problem(("projects", at), f"{name!r} is listed twice")
    makers: dict[str, tuple[str, str]] = {}
    for name, source in lab.sources.items():
        path = ("sources", name)
        yield from _project(document, (*path, "project"), source.project, lab)
        for at, rule in enumerate(source.accept):
            other, project = makers.setdefault(rule.into, (name, source.project))
            if project != source.project:
                words = (
                    f"the dataset {rule.into!r} belongs to the project {project!r} of the source {other!r}, and this "
                    f"source to {source.project!r}; a dataset belongs to one project"
                )
                yield document.problem((*path, "accept", at, "into"), words)
    yield from _login(document, lab)


def _project(document: Document, path: Path, name: str, lab: LabConfig) -> Iterator[Problem]:
    known = sorted({DEFAULT_PROJECT, *lab.projects})
    if name not in known:
        yield document.problem(path, f"aliquot.yaml has no project {name!r}{instead(name, known)}")


def _login(document: Document, lab: LabConfig) -> Iterator[Problem]:
    oidc, path = lab.login.oidc, ("login", "oidc")
    if oidc is None:
        if not lab.login.passwords:
            yield document.problem(("login", "passwords"), "nobody could sign in: give 'oidc', or let passwords be")
        return
    issuer = urlsplit(oidc.issuer)
    if "${" not in oidc.issuer and not (issuer.scheme == "https" or (issuer.scheme == "http" and _is_here(issuer))):
        yield document.problem((*path, "issuer"), f"{oidc.issuer!r} is no https:// address of a provider")
    if oidc.client_secret is not None and not oidc.client_secret.startswith(("${secret:", "${env:")):
        words = "a secret does not stand in a file; keep it in a vault, and write ${secret:vault/name}"
        yield document.problem((*path, "client_secret"), words)
    if "openid" not in oidc.scopes:
        yield document.problem((*path, "scopes"), "'openid' is missing, and without it no provider says who signs in")
    if not oidc.groups:
        yield document.problem(path, "'groups' is missing, so that nobody who signs in may do anything")
    for group, given in oidc.groups.items():
        for project in given if isinstance(given, dict) else ():
            yield from _project(document, (*path, "groups", group, project), project, lab)


def _is_here(issuer: Any) -> bool:
    return issuer.hostname in _HERE
