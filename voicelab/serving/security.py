"""Who may ask: programs of this machine, and not the pages of strangers that are open in its browser.

A page on the web can send requests to 127.0.0.1 as its reader, and under a name of its own that it lets point there
(DNS rebinding). Three checks keep it out, each on every request: the name that was asked (`Host`) is this machine's; a
browser's page says where it is from (`Origin`), and only the debugger's own, a file, may ask; and a body must say that it
is JSON, which no page can send without being allowed to.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

OWN_PAGE = "file://"
"""The Origin of VoiceRun's debugger: a page that its program opens from a file."""
LOOPBACK = "127.0.0.1"
_LOCAL = frozenset({"localhost", LOOPBACK, "::1"})


def is_loopback(host: str) -> bool:
    """Return whether an address to listen on is reached from this machine alone."""
    return host in _LOCAL or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def why_refused(host: str | None, origin: str | None, own_host: str) -> str:
    """Return why a request is refused, or an empty text.

    Args:
        host: Its header `Host`.
        origin: Its header `Origin`.
        own_host: What the server listens on.
    """
    if not _is_own(host, own_host):
        return "This server is asked by the address of this machine alone, e.g. 127.0.0.1."
    if origin is not None and origin != OWN_PAGE:
        return "Pages of the web may not ask this server."
    return ""


def _is_own(host: str | None, own_host: str) -> bool:
    try:
        asked = urlsplit(f"//{host or ''}")
        name = asked.hostname or ""
        _ = asked.port  # raises for a number that no port has
    except ValueError:
        return False
    if is_loopback(own_host):
        return name in {*_LOCAL, own_host}
    # Reached from elsewhere: an address in figures is nobody's name, and so none that was made to point here.
    return name in {*_LOCAL, own_host.lower(), socket.gethostname().lower()} or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
