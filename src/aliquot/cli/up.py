"""`aliquot up`: keeping a lab alive, with its pages."""

from contextlib import AbstractContextManager

from aliquot.cli.keeping import Beside, keep
from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.output import say
from aliquot.cli.serving import LISTEN, Listen, Proxies, Url, is_installed, serving
from aliquot.lab import Lab

app = noun(
    "up",
    epilogue="With --until-idle it exits 1 when a file went to quarantine, a source was out of reach, a run did not "
    "end COMPLETE, a datum is parked, or a load failed. ALIQUOT_LOG=json writes the log as JSON lines instead of "
    "showing progress; ALIQUOT_LOG_LEVEL says from which level on.",
)


@app.default
def up(
    *,
    until_idle: bool = False,
    listen: Listen = LISTEN,
    url: Url = "",
    trust_proxy: Proxies = "",
    no_pages: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Take files in, run pipelines, load tables, and show it all in a browser, until Ctrl-C.

    Parameters
    ----------
    until_idle
        End when nothing is left to do, with a summary; nothing is served meanwhile.
    listen
        Where pages and API are, as HOST:PORT; by default 127.0.0.1:8642, or a free port where that is taken; only this
        machine can reach it.
    url
        The address that people type, where something stands before the server, like https://lab.example.org.
    trust_proxy
        Addresses or networks, with commas between, of what stands before the server: it says who asks. By default
        this machine, where there is a --url.
    no_pages
        Serve neither pages nor API; `aliquot serve` can do it elsewhere.
    """
    return keep(
        options,
        "aliquot up",
        until_idle=until_idle,
        beside=_beside(listen, url, trust_proxy, none=until_idle or no_pages),
    )


def _beside(listen: str, url: str, proxies: str, *, none: bool) -> Beside | None:
    if none:
        return None
    if not is_installed():
        say("There are no pages: install them with pip install 'aliquot[server]', or say --no-pages.")
        return None

    def serve(lab: Lab) -> AbstractContextManager[object]:
        return serving(lab, listen, url, proxies=proxies)

    return serve
