"""What a handler's requests over HTTP meet in a session: a stand-in, a recording, or a refusal that says what to do.

- `exchange`: the traffic of one session: who answers, how long it takes, what the log is told.
- `libraries`: leads the libraries to it, those that are loaded and those that load later.
- `with_httpx`, `with_aiohttp`, `with_requests`, `with_urllib`: an adapter each.
- `quick_httpx`, `quick_aiohttp`: the short way of most requests.
"""

from voicelab.runtime.http.exchange import (
    EXCHANGE,
    Exchange,
    HttpAnswer,
    HttpRequest,
    StandIn,
    TrafficKeeper,
    line_to_add,
    stands_in,
)

__all__ = ["EXCHANGE", "Exchange", "HttpAnswer", "HttpRequest", "StandIn", "TrafficKeeper", "line_to_add", "stands_in"]
