"""Recorded traffic over HTTP: a file of one exchange a line, written while real services answer, read to stand in.

{"voicelab_http": 1}
{"method": "GET", "address": "https://api.pizza.example/menu", "request": "", "latency_s": 0.213,
 "status": 200, "headers": [["content-type", "application/json"]], "body": "[...]"}
{"method": ..., "error": "timeout", "message": "..."}

Nothing is written that is a secret by its name or a value of a variable; a request is looked up masked in the same way.
"""

import base64
import binascii
import json
import re
import shutil
import threading
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import MASK, Masker, shown
from voicelab.base.plain_json import encode
from voicelab.base.secret_names import body_without_secrets, headers_without_secrets, without_secrets
from voicelab.runtime.http import HttpAnswer, HttpRequest
from voicelab.world.http_replies import is_plain, plain_address

VERSION = 1
_HEAD = "voicelab_http"
_ERRORS: Mapping[str, type[Exception]] = {"connection": ConnectionError, "timeout": TimeoutError}

Key = tuple[str, str, str]


class TrafficRecorder:
    """Lets requests go out, and records them with their answers; made by `vl.Http.record`.

    Args:
        path: The file.
        overwrite: Replace a recording that is there.

    Raises:
        InputError: there is a file already, or it can't be written.
    """

    def __init__(self, path: str | Path, *, overwrite: bool) -> None:
        if not isinstance(path, str | Path):
            raise InputError(f"Http.record: path is {shown(path)}, must be the path of a file, e.g. 'traffic.jsonl'.")
        self.path = Path(path).expanduser()
        self.n_exchanges = 0
        self._lock = threading.Lock()
        self._masker = Masker()
        head = f"{json.dumps({_HEAD: VERSION})}\n"
        if not overwrite and self.path.exists() and _text(self.path) not in {"", head}:
            raise InputError(
                f"Http.record: {self.path} is there already. Give another path, or overwrite=True to replace it."
            )
        try:
            self.path.write_text(head, encoding="utf-8")
        except OSError as error:
            raise InputError(f"Http.record: {self.path} can't be written: {error.strerror or error}.") from None

    def keep(self, request: HttpRequest, answer: HttpAnswer, masker: Masker) -> None:
        """Record a request and its answer, masked; and mask what was recorded before, where more is known to be secret."""
        row: dict[str, Any] = {
            "method": request.method,
            "address": plain_address(without_secrets(request.url)),
            "request": body_without_secrets(request.text),
            "latency_s": round(answer.latency_s, 3),
        }
        if answer.error is not None:
            row["error"] = "timeout" if isinstance(answer.error, TimeoutError) else "connection"
            row["message"] = str(answer.error)
        else:
            row |= {
                "status": answer.status,
                "headers": headers_without_secrets(answer.headers),
                **_body(answer, masker),
            }
        with self._lock:
            known = self._masker.also(masker.values)
            if known is not self._masker:
                self._masker = known
                self._mask_again()
            line = known.json(encode(row))
            with self.path.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")
            self.n_exchanges += 1

    def _mask_again(self) -> None:
        """Mask the lines that are there with what is known by now: a login's reply comes before its token is sent as one.

        The file is replaced as a whole, so that nothing is lost if the process ends meanwhile.
        """
        if not self.path.exists():  # somebody has taken it away
            return
        head, *lines = self.path.read_text(encoding="utf-8").split("\n")
        masked = [self._masker.json(line) if line else line for line in lines]
        if masked == lines:
            return
        place = self.path.resolve()
        beside = place.with_name(f"{place.name}.part")
        beside.write_text("\n".join((head, *masked)), encoding="utf-8")
        shutil.copymode(place, beside)
        beside.replace(place)

    def __repr__(self) -> str:
        return f"Http.record({str(self.path)!r}, {self.n_exchanges} exchanges)"


def _body(answer: HttpAnswer, masker: Masker) -> dict[str, str]:
    try:
        return {"body": body_without_secrets(answer.body.decode())}
    except UnicodeDecodeError:
        # As characters of one byte each, so that a value of a variable is found between bytes that are no text.
        text = body_without_secrets(answer.body.decode("latin-1"))
        masked = masker.text(text).replace(MASK, "*" * len(MASK)).encode("latin-1", "replace")
        return {"body_base64": base64.b64encode(masked).decode()}


class _Exchange(NamedTuple):
    key: Key
    answer: HttpAnswer


class Traffic:
    """A recording, as far as it answers requests.

    Args:
        name: The file's name.
        exchanges: What was recorded, in order.
        keeps_latency: Whether answers take as long as they took.
    """

    def __init__(self, name: str, exchanges: Sequence[_Exchange], *, keeps_latency: bool) -> None:
        self.name = name
        self.n_exchanges = len(exchanges)
        self._keeps_latency = keeps_latency
        self._by_body: dict[Key, list[HttpAnswer]] = {}
        self._by_address: dict[Key, list[HttpAnswer]] = {}
        for (method, address, body), answer in exchanges:
            self._by_body.setdefault((method, address, body), []).append(answer)
            self._by_address.setdefault((method, address, ""), []).append(answer)

    @classmethod
    def read(cls, path: str | Path, *, keeps_latency: bool) -> "Traffic":
        """Return the recording in a file.

        Raises:
            InputError: there is no such file, or it is torn, or of another version.
        """
        if not isinstance(path, str | Path):
            raise InputError(
                f"Http.replay: path is {shown(path)}, must be the path of a file that vl.Http.record wrote."
            )
        file = Path(path).expanduser()
        if file.is_dir():
            raise InputError(
                f"Http.replay: {str(file)!r} is a folder, must be the path of a file that vl.Http.record wrote."
            )
        if not file.is_file():
            folder = file.parent if file.parent.is_dir() else Path()
            near = did_you_mean(file.name, [found.name for found in folder.iterdir() if found.is_file()])
            raise InputError(f"Http.replay: there is no file {str(file)!r} (looked in {folder.resolve()}).{near}")
        first, *lines = _text(file).split("\n")
        _check_version(file, first)
        if lines and lines[-1]:
            raise InputError(f"{_torn(file, len(lines) + 1)} Its last line has no end.{_MEND}")
        exchanges = [_exchange(file, number, line) for number, line in enumerate(lines, 2) if line]
        return cls(file.name, exchanges, keeps_latency=keeps_latency)

    def answer(
        self, request: HttpRequest, masker: Masker, positions: MutableMapping[Any, int], latency_s: float
    ) -> HttpAnswer | None:
        """Return what was answered to a request, or None if it was never recorded.

        Args:
            request: The request.
            masker: Masks the values of the handler's variables, as they are in the recording.
            positions: How many answers of each request the session has had.
            latency_s: How long the answer takes, unless it takes what it took.
        """
        address = _plain(masker.text(plain_address(without_secrets(request.url))))
        body = _plain(masker.text(body_without_secrets(request.text)))
        key: Key = (request.method, address, body)
        answers = self._by_body.get(key)
        if answers is None:
            key = (request.method, address, "")
            answers = self._by_address.get(key)
        if answers is None:
            key = self._masked_key(request.method, address)
            answers = self._by_address.get(key)
        if answers is None:
            return None
        at = positions.get(key, 0)
        positions[key] = at + 1
        answer = answers[min(at, len(answers) - 1)]
        if answer.error is not None:
            answer = answer._replace(error=type(answer.error)(*answer.error.args))
        return answer if self._keeps_latency else answer._replace(latency_s=latency_s)

    def _masked_key(self, method: str, address: str) -> Key:
        """Return the key of the recorded address that is this one but for its masks.

        What is a secret elsewhere in the recording is masked in an address too, and a request needn't know of it.
        """
        for key in self._by_address:
            if key[0] == method and MASK in key[1]:
                pattern = "[^/?&]+?".join(map(re.escape, key[1].split(MASK)))
                if re.fullmatch(pattern, address):
                    return key
        return method, address, ""

    def __repr__(self) -> str:
        return f"{self.name}, {self.n_exchanges} recorded exchanges"


def _plain(text: str) -> str:
    # A mask that came in a recorded reply may come back in an address, in the form of addresses.
    return text.replace(quote(MASK), MASK)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{file} is no recording of vl.Http.record: it is no text.") from None
    except OSError as error:
        raise InputError(f"{file} can't be read: {error.strerror or error}.") from None


_MEND = " Delete that line, or record again."


def _torn(file: Path, number: int) -> str:
    return f"{file}: line {number} is torn."


def _check_version(file: Path, first: str) -> None:
    try:
        version = json.loads(first)[_HEAD]
    except (ValueError, TypeError, KeyError):
        raise InputError(
            f'{file} is no recording of vl.Http.record: its first line must be {{"{_HEAD}": {VERSION}}}.'
        ) from None
    if version != VERSION:
        raise InputError(
            f"{file} is a recording of version {shown(version)}, and this voicelab reads version {VERSION}: record again."
        )


def _exchange(file: Path, number: int, line: str) -> _Exchange:
    try:
        row = json.loads(line)
        key = (str(row["method"]), _plain(str(row["address"])), _plain(str(row["request"])))
        latency_s = float(row["latency_s"])
        if "error" in row:
            return _Exchange(key, HttpAnswer(0, latency_s=latency_s, error=_ERRORS[row["error"]](str(row["message"]))))
        if not 100 <= row["status"] <= 599:  # noqa: PLR2004 - as HTTP has it
            raise ValueError(row["status"])
        body = row["body"].encode() if "body" in row else base64.b64decode(row["body_base64"], validate=True)
        # A mask in the form that headers can hold; `_plain` knows it where a client follows an address with one.
        headers = tuple((str(name), str(value).replace(MASK, quote(MASK))) for name, value in row["headers"])
        return _Exchange(
            key, HttpAnswer(row["status"], headers, body, latency_s, None, is_plain(row["status"], headers))
        )
    except (ValueError, TypeError, KeyError, AttributeError, binascii.Error):
        raise InputError(_torn(file, number) + _MEND) from None
