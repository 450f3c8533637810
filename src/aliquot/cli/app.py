"""All commands, in the order of a day's work; each module is imported when its command is typed."""

from cyclopts import App, Group, Parameter

from aliquot import __version__
from aliquot.cli.failure import ends
from aliquot.cli.help import HelpText
from aliquot.model.errors import Invalid

_DAY: dict[str, dict[str, str]] = {
    "Begin": {
        "init": "Make a new lab: a small one that works.",
        "schema": "Print the JSON Schema of a kind of definition, for editors.",
        "apply": "Register what the lab's folder defines.",
    },
    "Keep going": {
        "status": "See what arrives, runs, is stuck, and waits for a person.",
        "up": "Keep the lab alive: take files in, run pipelines, load tables; show it in a browser.",
        "daemon": "The same without pages.",
        "serve": "Pages and API alone, beside `aliquot daemon`, here or on another machine.",
        "worker": "Work on the lab's runs beside `aliquot up`, here or on another machine.",
        "ingest": "Take files into a dataset by hand.",
        "source": "See how sources stand and what waits there; have one looked at now.",
        "quarantine": "See and decide about files that were refused.",
        "receipts": "Find out what arrived, when, and what became of it.",
    },
    "Results": {
        "dataset": "List, compare, export, tag and verify datasets.",
        "hub": "Query the tables that were loaded.",
        "lineage": "Follow a result back to its origin, or a file to what came of it.",
        "reproduce": "Make a file again, apart, and see whether it is identical.",
    },
    "Runs": {
        "pipeline": "See pipelines, and what a run would do.",
        "run": "Start, watch, explain, repeat and cancel runs.",
    },
    "People": {
        "user": "Accounts and roles; who is signed in; who may do what.",
        "token": "Make, list and end what programs sign in with.",
        "approval": "Sign what another person asked for.",
        "project": "See projects and their members; move datasets between them.",
    },
    "From afar": {
        "login": "Keep the token with which commands work with a lab on a server.",
        "logout": "Forget that token.",
    },
    "Upkeep": {
        "du": "See what takes how many bytes.",
        "sweep": "Free space: remove what nothing needs any more.",
        "admin": "Verify everything; read the audit; rebuild a lost catalogue.",
    },
}


def make_app() -> App:
    """Build the root command."""
    app = App(
        name="aliquot",
        help="The data platform of a laboratory: from a dropped file to a result one can trust.",
        version=f"aliquot {__version__}",
        default_parameter=Parameter(negative="", show_default=False),
        help_format="plaintext",
        help_formatter=HelpText(),
        help_epilogue="Every command takes --json and --help. Exit codes: 0 done, 1 the data or a run failed, "
        "2 not usable as given, 3 not there, 4 changed by someone else, 5 out of reach, 6 damaged, "
        "70 a fault of ours, 130 stopped.",
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for position, (title, commands) in enumerate(_DAY.items()):
        group = Group(title, sort_key=position)
        for name, text in commands.items():
            app.command(
                f"aliquot.cli.{name}:app", name=name, help=text, group=group, sort_key=list(commands).index(name)
            )
    app["--help"].group = app["--version"].group = Group("Help", sort_key=len(_DAY))
    return app


def run_command(words: list[str]) -> int:
    """Run one command line; every error ends as a sentence on stderr and an exit code.

    `--server URL` may stand before the command, too.
    """
    with ends(words) as end:
        end.code = make_app()(_with_server(words)) or 0
    return end.code


_HERE = {
    "init": "A new lab is made on the machine where it shall be: run `aliquot init DIR` there, without --server.",
    "schema": "The schemas come with what is installed here, and are asked of no lab: leave --server away.",
    "login": "This takes the address itself: `aliquot login URL`, without --server.",
    "logout": "This takes the address itself: `aliquot logout URL`, without --server.",
}
"""Commands that work with no lab, and what to do where one is named."""


def _refuse_server(words: list[str]) -> None:
    if words and (sentence := _HERE.get(words[0])):
        raise Invalid("server-not-here", sentence)


def _with_server(words: list[str]) -> list[str]:
    """Put a `--server` that stands before the command among the options of that command."""
    named = next((each for each in words if each.split("=")[0] == "--server"), None)
    if named is None:
        return words
    if words[0] != named:
        _refuse_server(words)
        return words
    _, sign, url = named.partition("=")
    rest = words[1:] if sign else words[2:]
    _refuse_server(rest)
    given = [f"--server={url if sign else ''.join(words[1:2])}"]
    # Behind the words of the command, and before what might no longer be read as options.
    first = next((at for at, word in enumerate(rest) if word.startswith("-")), len(rest))
    return [*rest[:first], *given, *rest[first:]]
