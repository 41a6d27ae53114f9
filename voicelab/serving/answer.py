"""What a request is answered."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What a request over HTTP is answered.

    Attributes:
        status: The status, such as 200 or 404.
        body: What JSON can hold, or bytes as they are sent.
        content_type: What the body is.
    """

    status: int
    body: Any | bytes
    content_type: str = "application/json"
