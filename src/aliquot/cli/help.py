"""How help looks: two quiet columns."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

_WIDEST = 34
"""Columns that names may take before their text goes to a line of its own."""


class HelpText:
    """Writes each panel of help as names and what they are for."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:  # noqa: ARG002  # the protocol names it
        """Write one panel."""
        from rich.padding import Padding
        from rich.table import Table
        from rich.text import Text

        if not panel.entries:
            return
        console.print(Text(str(panel.title), style="bold"))
        labels = [_label(entry) for entry in panel.entries]
        width = min(max(len(label) for label in labels), _WIDEST)
        table = Table.grid(padding=(0, 2))
        table.add_column(width=width, no_wrap=False, overflow="fold")
        table.add_column()
        for label, entry in zip(labels, panel.entries, strict=True):
            table.add_row(Text(label, style="cyan"), _about(entry))
        console.print(Padding(table, (0, 0, 1, 2)))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:  # noqa: ARG002  # as above
        """Write the usage line."""
        from rich.text import Text

        text = _plain(usage).removeprefix("Usage: ")
        if text:
            console.print(Text.assemble(("Usage  ", "bold"), text), soft_wrap=True)
            console.print()

    def render_description(
        self,
        console: "Console",
        options: "ConsoleOptions",  # noqa: ARG002  # as above
        description: Any,
    ) -> None:
        """Write what the command is for."""
        text = _plain(description)
        if text:
            console.print(text, markup=False, highlight=False)
            console.print()


def _label(entry: "HelpEntry") -> str:
    names = [*entry.positive_shorts, *entry.positive_names]
    if entry.positional_label:
        return entry.positional_label
    return ", ".join(names) + (f" {entry.metavar}" if entry.metavar else "")


def _about(entry: "HelpEntry") -> str:
    text = _plain(entry.description)
    notes = [", ".join(entry.env_var)] if entry.env_var else []
    if entry.choices:
        notes.insert(0, " | ".join(str(each) for each in entry.choices))
    return text + "".join(f" [{note}]" for note in notes)


def _plain(value: Any) -> str:
    # Cyclopts wraps the text of a docstring once or twice.
    value = getattr(value, "primary_renderable", value)
    return "" if value is None else str(getattr(value, "plain", value)).strip()
