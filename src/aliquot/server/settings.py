"""What the server is told when it starts."""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from aliquot.model.errors import Invalid

DEFAULT_LISTEN = "127.0.0.1:8642"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the server listens, the address that people type (empty: where it listens), and whether pages are on."""

    host: str
    port: int
    url: str = ""
    pages: bool = True
    any_port: bool = False
    """Whether another port does, where this one is taken."""
    proxies: tuple[str, ...] = ()
    """Addresses and networks whose word on who asks is believed: `X-Forwarded-For` and `X-Forwarded-Proto`."""

    @property
    def loopback(self) -> bool:
        """Say whether only this machine can reach the server."""
        return _is_loopback(self.host)

    @property
    def secure(self) -> bool:
        """Say whether people come over https, so that cookies may be kept to it."""
        return urlsplit(self.url).scheme == "https"

    @property
    def hosts(self) -> frozenset[str] | None:
        """Give the names under which the server answers; None: under any.

        A page elsewhere could make a browser on this machine ask a loopback server under a name of its own.
        """
        named = urlsplit(self.url).hostname
        if named:
            return frozenset({named, "localhost", "127.0.0.1", "::1"})
        return frozenset({self.host, "localhost", "127.0.0.1", "::1"}) if self.loopback else None


def read_settings(listen: str, url: str = "", *, pages: bool = True, proxies: str = "") -> Settings:
    """Read `HOST:PORT`, `:PORT` or `PORT`; port 0 takes any that is free, and so does nothing if 8642 is taken.

    `proxies` are addresses and networks with commas between; where there is a `url`, this machine is one if none is
    named.
    """
    any_port = not listen
    listen = listen or DEFAULT_LISTEN
    host, _, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65_535:
        raise Invalid("listen-refused", f"{listen!r} is not HOST:PORT; write it like {DEFAULT_LISTEN}.", listen=listen)
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}):
        raise Invalid("url-refused", f"{url!r} is not an address like https://lab.example.org; change --url.", url=url)
    return Settings(host, int(port), url.rstrip("/"), pages=pages, any_port=any_port, proxies=_proxies(proxies, url))


def _proxies(text: str, url: str) -> tuple[str, ...]:
    named = tuple(each.strip() for each in text.split(",") if each.strip())
    for each in named:
        try:
            ip_network(each)
        except ValueError as error:
            words = f"{each!r} is neither an address nor a network like 10.1.0.0/16; change --trust-proxy."
            raise Invalid("proxy-refused", words, proxy=each) from error
    return named or (("127.0.0.1", "::1") if url else ())


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
