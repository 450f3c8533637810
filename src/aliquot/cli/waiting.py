"""What waits in the sources: told once for each file, and again when it waits for something else."""

from collections.abc import Mapping

from aliquot.cli.text import count, plain
from aliquot.daemon.summary import SourceCount, Waits

_MOST = 5


class Waiting:
    """Remembers of which waiting files has been told; a file that has been taken begins anew."""

    def __init__(self) -> None:
        self._seen: dict[str, Mapping[str, Waits]] = {}
        self._told: dict[str, dict[str, str]] = {}

    def news(self, sources: Mapping[str, SourceCount]) -> list[str]:
        """Give a line for each file that began to wait since the last call; one for many that wait for the same."""
        lines: list[str] = []
        for name, each in list(sources.items()):
            # Asked after every round of the daemon: between two looks at a source there is nothing new.
            if self._seen.get(name) is not each.waiting:
                self._seen[name] = each.waiting
                lines += self._of_source(name, each.waiting)
        return lines

    def _of_source(self, name: str, waiting: Mapping[str, Waits]) -> list[str]:
        told = self._told.get(name, {})
        fresh: dict[str, list[str]] = {}
        for path, waits in waiting.items():
            # That what has become complete has to rest as well is no news.
            if path not in told or (waits.kind != told[path] and waits.kind != "quiet"):
                fresh.setdefault(waits.kind, []).append(path)
        self._told[name] = {path: waits.kind for path, waits in waiting.items()}
        lines: list[str] = []
        for kind, paths in fresh.items():
            if len(paths) <= _MOST:
                lines += [f"{plain(name)}: {plain(path)} {plain(waiting[path].why)}" for path in paths]
            else:
                lines.append(f"{plain(name)}: {count(len(paths), 'file')} {_TOGETHER.get(kind, 'wait')}")
        return lines


_TOGETHER = {
    "quiet": "wait until they have not changed for a while",
    "marker": "wait for markers, which say that they are complete",
    "set": "wait for files that belong to them",
    "count": "wait for more files in their folders",
}
