"""A little server of what `Reading` answers, for the platform's own command line and for our client; it notes each request."""

import contextlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from voicelab.serving.answer import Answer
from voicelab.serving.reading import Reading

AGENT = "3f2b8c1e-5d7a-4c69-9e10-8a1b2c3d4e5f"


@contextlib.contextmanager
def served(log, change=None):
    """Serve a log; yields its address and the paths that were asked for.

    Args:
        log: The log.
        change: Called with path, query and answer; returns another answer, or bytes as they are sent.
    """
    reading = Reading(log, AGENT, "clinic")
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            asked.append((parts.path, query, dict(self.headers)))
            agent = Answer(200, {"data": {"id": AGENT, "name": "clinic"}})
            answer = agent if parts.path == f"/v1/agents/{AGENT}" else reading.answer(parts.path, query)
            answer = answer or Answer(404, {"error": "no such path"})
            answer = change(parts.path, query, answer) if change else answer
            headers = {}
            if isinstance(answer, tuple):
                answer, headers = answer
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {
                "Content-Type": answer.content_type,
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
