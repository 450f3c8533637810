"""settings.md: the environment variables that Aliquot reads and those that it sets for commands."""

import re

from generators.text import SOURCE, cell, code, page, table

READ = {
    "ALIQUOT_LAB": "The lab's folder, where none is named with `--lab`. Without it, the folder around the current one.",
    "ALIQUOT_SERVER": "The address of a lab's server, to work with the lab there, where none is named with `--server`.",
    "ALIQUOT_TOKEN": "The token for that server; it goes before the one that `aliquot login` has kept.",
    "ALIQUOT_USER": "The name of the person for receipts, runs, tags and decisions. Without it, the login name.",
    "ALIQUOT_LEASE": (
        "Seconds for which a supervisor holds its tasks unless it says that it is still there; 60 without it."
    ),
    "ALIQUOT_LISTEN": "Where `up` and `serve` listen, like `--listen`. By default `127.0.0.1:8642`, or a free port.",
    "ALIQUOT_URL": "The address that people type, as `--url` says it, where a proxy stands before the server.",
    "ALIQUOT_TRUST_PROXY": "Addresses and networks of proxies that are believed, as `--trust-proxy` names them.",
    "ALIQUOT_LOG": "`json` writes the log as JSON lines. Without it, lines for people.",
    "ALIQUOT_LOG_LEVEL": (
        "From which level on the log speaks: `DEBUG`, `INFO`, `WARNING`, `ERROR`. Without it, `up` says what it does, "
        "other commands warn."
    ),
    "ALIQUOT_DEBUG": "`1` prints the trace of a fault of Aliquot on stderr, too.",
}
SET = {
    "ALIQUOT_TASK": "Task and fence of the attempt, like `17-1`.",
    "ALIQUOT_OWNER": "The executor that started the command.",
}
_OTHER = """\
`${env:NAME}` in `aliquot.yaml` reads any other variable. Stores in buckets take their credentials from the variables of
their provider (`AWS_ACCESS_KEY_ID`, `AZURE_STORAGE_ACCOUNT_NAME`, `GOOGLE_SERVICE_ACCOUNT` and so on).

Aliquot reads no configuration file but `aliquot.yaml`, and sends nothing anywhere."""


def named_in_code() -> set[str]:
    """Find every variable of ours that the code names as a text."""
    texts = (path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))
    return {found for text in texts for found in re.findall(r'"(ALIQUOT_[A-Z_]*[A-Z])"', text)}


def settings_page() -> str:
    """Make the page."""
    unknown = named_in_code() - READ.keys() - SET.keys()
    if unknown:
        raise SystemExit(f"docs/generators/settings.py does not describe {', '.join(sorted(unknown))}")
    return page(
        "Environment variables",
        "Variables that Aliquot reads, and two that it sets.",
        "## Read",
        table(("variable", "what it does"), [(code(name), cell(text)) for name, text in READ.items()]),
        _OTHER,
        "## Set for every command of a task",
        table(("variable", "what it holds"), [(code(name), cell(text)) for name, text in SET.items()]),
        "What else a command sees is told in [write a pipeline step](../how-to/write-a-pipeline-step.md).",
    )
