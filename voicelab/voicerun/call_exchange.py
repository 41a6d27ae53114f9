"""One request to the platform and its answer, within a deadline: what was sent, and whether it was, is always known.

    connect ── [given up: nothing was sent] ── send ── [given up: unknown] ── answer

The connection is made first and the request sent after, so that whatever fails before is known to have called nobody.
No redirect is followed, since the key would go where it points; certificates are verified.

The exchange runs in a thread of its own. The libraries' timeouts count from one packet to the next and don't cover the
look-up of a name; and their frames hold the key in local variables, so that no exception of theirs may get out of here:
what happened is told as a sentence, which the caller raises anew.
"""

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from voicelab.voicerun.api_key import ApiKey
from voicelab.voicerun.call_request import is_local

_MOST_BYTES = 1_000_000
"""More than any answer has; what comes on and on is cut here."""


@dataclass(frozen=True)
class Reply:
    """What was answered.

    Attributes:
        status: HTTP's status.
        headers: The headers, their names in small letters.
        body: The body, whole.
    """

    status: int
    # Not in `repr`, as a verbose traceback shows it: the platform may repeat the key in them.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class NoReply:
    """Why there is no answer.

    Attributes:
        sent: Whether the request may have reached the platform.
        reason: What happened, the beginning of a sentence.
    """

    sent: bool
    reason: str


@dataclass
class _Progress:
    """How far an exchange has come, between the thread that makes it and the one that waits."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    done: threading.Event = field(default_factory=threading.Event)
    connection: http.client.HTTPConnection | None = None
    given_up: bool = False
    sending: bool = False
    outcome: Reply | NoReply | None = None

    def may_send(self) -> bool:
        """Return whether to send; from here on the request counts as sent."""
        with self.lock:
            self.sending = not self.given_up
            return self.sending

    def give_up(self) -> bool:
        """Have the thread not send any more; return whether it had begun to."""
        with self.lock:
            self.given_up = True
            return self.sending


def exchange(
    method: str,
    base_url: str,
    path: str,
    headers: Mapping[str, str],
    key: ApiKey,
    body: bytes | None,
    deadline_s: float,
    most_bytes: int = _MOST_BYTES,
) -> Reply | NoReply:
    """Send a request and return the answer, or why there is none; nothing is raised but an interrupt from outside.

    Args:
        method: HTTP's method.
        base_url: Scheme and host.
        path: The endpoint.
        headers: The headers beside `Authorization`, in order.
        key: The API key, which is sent as `Authorization`.
        body: The body.
        deadline_s: How long all of it may take, in seconds.
        most_bytes: More than the answer has; what comes on and on is cut there.
    """
    progress = _Progress()
    host = urlsplit(base_url).netloc

    def work() -> None:
        try:
            progress.outcome = _exchanged(progress, method, base_url, path, headers, key, body, deadline_s, most_bytes)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must not leave this thread (see above)
            progress.outcome = NoReply(progress.sending, f"{host} could not be asked ({type(error).__name__})")
        finally:
            progress.done.set()

    threading.Thread(target=work, name="voicelab call", daemon=True).start()
    try:
        if in_time(progress.done, deadline_s) and progress.outcome is not None:
            return progress.outcome
    except BaseException:
        progress.give_up()
        raise
    sent = progress.give_up()
    _shut(progress.connection)
    return NoReply(sent, f"{host} did not answer within {deadline_s:g} s")


def in_time(done: threading.Event, deadline_s: float) -> bool:
    """Wait for the end of an exchange; return whether it came before the deadline."""
    return done.wait(deadline_s)


def _exchanged(
    progress: _Progress,
    method: str,
    base_url: str,
    path: str,
    headers: Mapping[str, str],
    key: ApiKey,
    body: bytes | None,
    deadline_s: float,
    most_bytes: int,
) -> Reply | NoReply:
    host = urlsplit(base_url).netloc
    try:
        connection = progress.connection = _connection(base_url, deadline_s)
        connection.response_class = _Answer
        connection.set_debuglevel(0)  # where somebody has switched it on for all, it would print the key
        connection.connect()
    except Exception as error:  # noqa: BLE001 - each kind has its sentence
        return NoReply(False, _not_connected(error, host))
    try:
        if not progress.may_send():
            return NoReply(False, f"{host} did not answer within {deadline_s:g} s")
        # Without the header Accept-Encoding that the library adds: the guide's request has two headers.
        connection.putrequest(method, urlsplit(base_url).path + path, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Authorization", f"Bearer {key.reveal()}")
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read(most_bytes)
        # With a limit the library doesn't say that there was less than announced.
        if response.length and len(content) < most_bytes:
            return NoReply(True, f"The answer of {host} was cut in the middle")
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    except http.client.IncompleteRead:
        return NoReply(True, f"The answer of {host} was cut in the middle")
    except TimeoutError:
        return NoReply(True, f"{host} did not answer within {deadline_s:g} s")
    except http.client.RemoteDisconnected:
        return NoReply(True, f"{host} closed the connection without an answer")
    except http.client.HTTPException:
        return NoReply(True, f"{host} answered something that is no HTTP")
    except OSError as error:
        return NoReply(True, f"The connection to {host} broke ({_short(error)})")
    finally:
        connection.close()


class _Answer(http.client.HTTPResponse):
    """The answer itself: the library skips `100 Continue`, and takes other news that come before it (1xx) for it."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
            if not 100 <= found[1] < 200:  # noqa: PLR2004 - HTTP's range
                return found
            http.client.parse_headers(self.fp)


def _connection(base_url: str, deadline_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if parts.scheme == "http":  # this machine alone, see `call_request`
        return http.client.HTTPConnection(host, parts.port, timeout=deadline_s)
    context = ssl.create_default_context()
    given = None if is_local(base_url) or proxy_bypass(host) else getproxies().get("https")
    if not given:
        return http.client.HTTPSConnection(host, parts.port, timeout=deadline_s, context=context)
    proxy = urlsplit(given if "://" in given else f"http://{given}")
    connection = http.client.HTTPSConnection(
        proxy.hostname or "", proxy.port or 8080, timeout=deadline_s, context=context
    )
    sign_in = {}
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        sign_in["Proxy-Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    # The proxy passes on what it can't read: the key is encrypted up to the platform.
    connection.set_tunnel(host, parts.port or 443, sign_in)
    return connection


def _not_connected(error: Exception, host: str) -> str:
    """Return why there is no connection, the beginning of a sentence."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"{host} can't prove that it is {host} ({error.verify_message.rstrip('.')}): behind a company's proxy name its "
            "certificate in SSL_CERT_FILE, on a Mac run Python's 'Install Certificates'"
        )
    if isinstance(error, ssl.SSLError):
        return f"There is no encrypted connection to {host} ({error.reason or 'no TLS'})"
    if isinstance(error, socket.gaierror):
        return f"{host} can't be found: there is no network, or the address is misspelt"
    if isinstance(error, ConnectionRefusedError):
        return f"{host} refuses the connection: nothing answers at this address"
    if isinstance(error, TimeoutError):
        return f"{host} can't be reached in time: there is no network, or a firewall in between"
    return f"{host} can't be reached ({_short(error)}): there is no network, or a firewall in between"


def _short(error: Exception) -> str:
    return (getattr(error, "strerror", None) or type(error).__name__).splitlines()[0][:80]


def _shut(connection: http.client.HTTPConnection | None) -> None:
    """End a connection that another thread waits for."""
    own = None if connection is None else connection.sock
    if own is not None:
        try:
            own.shutdown(socket.SHUT_RDWR)
        except (OSError, ValueError):
            return  # it has ended by itself
