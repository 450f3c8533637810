"""`aliquot serve`: pages and API without the loop."""

from aliquot.cli.keeping import as_lines, warn_of_changes
from aliquot.cli.options import OPTIONS, Options, noun
from aliquot.cli.serving import LISTEN, Listen, Proxies, Url, is_installed, serving
from aliquot.cli.stopping import stops
from aliquot.lab.tracing import tracing
from aliquot.model.errors import Unavailable

app = noun(
    "serve",
    epilogue="It takes in no files and does no run's work: some `aliquot daemon` does. Several may serve one lab. "
    "ALIQUOT_LOG=json writes the log as JSON lines, a line for each request.",
)


@app.default
def serve(
    *,
    listen: Listen = LISTEN,
    url: Url = "",
    trust_proxy: Proxies = "",
    no_pages: bool = False,
    options: Options = OPTIONS,
) -> None:
    """Show the lab in a browser and answer programs, until Ctrl-C.

    Parameters
    ----------
    listen
        Where, as HOST:PORT; by default 127.0.0.1:8642, or a free port where that is taken; only this
        machine can reach it. Port 0 takes a free one.
    url
        The address that people type, where something stands before the server, like https://lab.example.org.
    trust_proxy
        Addresses or networks, with commas between, of what stands before the server: it says who asks. By default
        this machine, where there is a --url.
    no_pages
        The API alone.
    """
    if not is_installed():
        raise Unavailable("extra-missing", "The server is not installed; get it with: pip install 'aliquot[server]'")
    why = "This starts a server of a lab, which stands on the lab's own catalogue and store."
    with options.work(quiet=not as_lines(), why=why) as lab, tracing("aliquot-serve"):
        warn_of_changes(lab)
        with serving(lab, listen, url, pages=not no_pages, proxies=trust_proxy) as server, stops(server.stop):
            server.wait()
