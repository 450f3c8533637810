"""`aliquot daemon`: keeping a lab alive without pages."""

from aliquot.cli.keeping import keep
from aliquot.cli.options import OPTIONS, Options, noun

app = noun(
    "daemon",
    epilogue="Several may work on one lab, beside any number of `aliquot serve` and `aliquot worker`, here or on other "
    "machines. ALIQUOT_LOG=json writes the log as JSON lines.",
)


@app.default
def daemon(*, options: Options = OPTIONS) -> int:
    """Take files in, run pipelines and load tables, until Ctrl-C; `aliquot serve` shows it."""
    return keep(options, "aliquot daemon", until_idle=False)
