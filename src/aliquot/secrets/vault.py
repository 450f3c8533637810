"""Where secrets are kept: environment variables, or files of a folder."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from aliquot.model.errors import Damaged, Invalid, Missing, Unavailable

_LARGEST = 1 << 20
"""A secret is a password, a token or a key: a megabyte is a mistake."""


class EnvironmentVault:
    """Secrets in environment variables, `prefix` and name together: `ALIQUOT_` and `DB_PASSWORD`."""

    def __init__(self, prefix: str = "", environment: Mapping[str, str] | None = None) -> None:
        self._prefix = prefix
        self._environment = os.environ if environment is None else environment

    def get(self, name: str) -> str:
        """Give a variable's value, or raise `Missing`."""
        variable = self._prefix + name
        value = self._environment.get(variable)
        if value is None:
            raise Missing(
                "secret-missing",
                f"The environment variable {variable} is not set; set it where aliquot is started.",
                variable=variable,
            )
        return value


class FolderVault:
    """Secrets as files of a folder, one each, that nobody but their owner may read (mode 0600 or 0400).

    Fits the folders in which Kubernetes and Docker present secrets: links are followed within the folder. One line end
    at the end of a file is not part of the secret.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, name: str) -> str:
        """Give a file's text, or raise `Missing`; a file that others may read is `Invalid`."""
        home = self._folder.resolve()
        path = (home / name).resolve()
        if not path.is_relative_to(home) or not path.is_file():
            raise Missing(
                "secret-missing", f"There is no secret {name!r} in {self._folder}; put it there as a file.", secret=name
            )
        self._refuse_what_others_read(name, path)
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as error:
            raise Unavailable(
                "secret-unreadable", f"The secret {path} cannot be read ({error.strerror}).", secret=name
            ) from error
        if len(data) > _LARGEST:
            raise Invalid("secret-too-large", f"The secret {path} is larger than 1 MiB.", secret=name)
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise Damaged(
                "secret-not-text", f"The secret {path} is not UTF-8 text; write it anew.", secret=name
            ) from None
        return text.removesuffix("\n").removesuffix("\r")

    @staticmethod
    def _refuse_what_others_read(name: str, path: Path) -> None:
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Invalid(
                "secret-open-to-others",
                f"The secret {path} can be read by others; run: chmod 600 {path}",
                secret=name,
            )
