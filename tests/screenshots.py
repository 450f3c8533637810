"""`make screenshots`: every page, light and dark, on a desktop, a phone and a wide screen, as pictures in a folder."""

import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from aliquot.server.app import registered
from browse import DESKTOP, PHONE, WIDE, chromium, reachable, signed_in, watched
from running_server import running_server
from shown_lab import STARTS, make_shown_lab


def main(folder: Path, only: str = "") -> None:
    """Take the pictures; `only` keeps the routes that hold this text."""
    folder.mkdir(parents=True, exist_ok=True)
    routes = [route.path for route in registered() if route.kind == "page"]
    with tempfile.TemporaryDirectory(prefix="aliquot-shown-") as place:
        lab = make_shown_lab(Path(place) / "lab")
        with running_server(lab) as server, chromium() as browser:
            context = signed_in(browser, server)
            page, _ = watched(context, server.address)
            found = {route: at for route, at in reachable(page, routes, STARTS).items() if only in route}
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                for size, (width, height) in (("desktop", DESKTOP), ("phone", PHONE), ("wide", WIDE)):
                    page.set_viewport_size({"width": width, "height": height})
                    for route, address in found.items():
                        page.goto(address)
                        page.wait_for_load_state("load")
                        name = re.sub(r"\W+", "-", route).strip("-") or "home"
                        page.screenshot(path=folder / f"{name}.{size}.{scheme}.png", full_page=True)
            for route, address in sorted(found.items()):
                sys.stdout.write(f"{route}  {address}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
