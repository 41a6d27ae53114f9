"""A stand-in for the platform on this machine: it records each request byte by byte and answers what it is told to."""

import contextlib
import json
import socket
import ssl
import threading


def reply(status=200, body=b"", headers=()):
    """Return a whole HTTP answer as bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(content)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode() + content


TAKEN = reply(body={"success": True, "telephonyCallId": "CA123"})
SILENCE, DRIP = object(), object()
"""Takes the request and never answers; or answers a byte now and then, without an end."""


class Stub:
    """Answers one connection after the other with what stands in `answers`, the last one again and again."""

    def __init__(self, *answers, context=None):
        self.answers = list(answers) or [TAKEN]
        self.requests = []
        self.came = threading.Event()
        self._context = context
        self._open = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._open:
            connection.close()
        self._thread.join(10)

    def _serve(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with contextlib.suppress(OSError, ssl.SSLError):
                if self._context:
                    connection = self._context.wrap_socket(connection, server_side=True)
                self._answer(connection)

    def _answer(self, connection):
        self._open.append(connection)
        self.requests.append(_whole_request(connection))
        self.came.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is DRIP:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while True:  # until the connection breaks
                connection.sendall(b"x")
                threading.Event().wait(0.02)
        if answer is not SILENCE:
            connection.sendall(answer)
            connection.close()


def _whole_request(connection):
    """Return a request as it came: its head, and as much body as the head says."""
    data = b""
    while b"\r\n\r\n" not in data and (more := connection.recv(65536)):
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    announced = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    length = int(announced[0].split(b":")[1]) if announced else 0
    while len(body) < length and (more := connection.recv(65536)):
        body += more
    return head + b"\r\n\r\n" + body
