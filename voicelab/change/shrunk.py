"""What shrinking found, the shortest conversation that still fails: as inputs, as a record, as a pytest, as a person reads it."""

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.paths import path_of
from voicelab.change.shortest import Shortest
from voicelab.change.written_test import is_somebody_elses, run_call, written_test
from voicelab.record.html import card
from voicelab.record.lines import Line, lines_of, text_line

if TYPE_CHECKING:
    import pandas as pd

MARK = "▶ "
"""Stands before the line at which a conversation fails."""


@dataclass(frozen=True, repr=False)
class Shrunk(Shortest):
    """The shortest conversation that still fails as a session did, with what is made of it; made by `record.shrink`."""

    @property
    def sentence(self) -> str:
        """What was found, in a sentence."""
        n, before = len(self.inputs), len(self.before.to_script())
        inputs = "no input" if n == 0 else "1 input" if n == 1 else f"{n} inputs"
        early = (
            ""
            if self.finished
            else f" It ended early, after max_runs={self.n_runs:,} sessions: it may be shorter still."
        )
        also = ", ".join(self._also())
        return (
            f"{self.failed.cause}: fails with {inputs} of {before}{f', and {also}' if also else ''} ({self.n_runs:,} sessions "
            f"were run).{early}"
        )

    def to_call(self) -> str:
        """Return the call of `vl.run` that fails, as text."""
        return run_call(self, "handler")

    def to_test(self, path: str | Path | None = None, name: str | None = None) -> str:
        """Return a pytest that fails while the bug is there, as text.

        Args:
            path: Where it is to be written as well, such as `tests/test_refund.py`; a handler that lies in a file is then found
                from there.
            name: Name of the test; None for one that says what fails.

        Raises:
            InputError: it can't be written there, or a file is there that is no such test.
        """
        if name is not None:
            checks.name("name", name)
        if path is None:
            return written_test(self, None, name)
        file = path_of("path", path, "tests/test_refund.py")
        if is_somebody_elses(file):
            raise InputError(
                f"{str(file)!r} is there, and is no test of a shrunk session: give the name of a new file."
            )
        text = written_test(self, file.absolute().parent, name)
        try:
            file.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InputError(f"The test {str(file)!r} can't be written: {error.strerror or error}.") from None
        return text

    def to_frame(self) -> "pd.DataFrame":
        """Return the conversation as a DataFrame: seq, time_s, who, text, lost (what was not heard), label, fails."""
        import pandas as pd

        names = ("seq", "time_s", "who", "text", "lost", "label", "fails")
        rows = [
            (seq, line.time_s, line.who, line.text, line.lost, line.label, seq == self._marked)
            for seq, line in self._numbered()
        ]
        return pd.DataFrame(rows, columns=list(names))

    def to_json(self) -> dict[str, Any]:
        """Return what was found as values of JSON."""
        return {
            "session_id": self.before.session_id,
            "failure": str(self.failure),
            "cause": str(self.failed.cause),
            "message": self.failed.message,
            "seq": self.failed.seq,
            "script": self.to_script(),
            "call": self.to_call(),
            "n_inputs": len(self.inputs),
            "n_inputs_before": len(self.before.to_script()),
            "n_runs": self.n_runs,
            "finished": self.finished,
            "conversation": str(self).splitlines()[1:],
        }

    def _numbered(self) -> list[tuple[int, Line]]:
        return [(event.seq, line) for event in self.record.events for line in lines_of(event)]

    @property
    def _marked(self) -> int:
        """The row of the line that is marked: the failing one, or where it makes no line the last before it."""
        return max((seq for seq, _ in self._numbered() if seq <= self.failed.seq), default=-1)

    def _lines(self) -> Iterator[Line]:
        for seq, line in self._numbered():
            yield replace(line, text=f"{MARK}{line.text}") if seq == self._marked else line

    def _also(self) -> Iterator[str]:
        """Yield what it needs besides its inputs."""
        if self.over_a_line:
            yield "its caller really speaking"
        for name, value in self.arguments.items():
            if isinstance(value, Mapping):
                yield f"{name} {', '.join(map(str, value))}"
            elif name not in {"inputs", "seed"} or (name == "seed" and value):
                yield f"{name}={value!r}"

    def __repr__(self) -> str:
        n = len(self.inputs)
        return f"Shrunk({self.failed.cause}; {n} input{'' if n == 1 else 's'} of {len(self.before.to_script())})"

    def __str__(self) -> str:
        lines = [text_line(line) for line in self._lines()]
        return "\n".join([self.sentence, *(lines or ["nothing is said"]), f"          {MARK}{self.failed.message}"])

    def _repr_html_(self) -> str:
        script = f"<pre style='margin:8px 0 0;white-space:pre-wrap;font-family:monospace'>{html.escape(self.to_call())}</pre>"
        _, summary, drawing = self.record.card_parts()
        head = f"<b>Shortest failing conversation</b> {html.escape(self.sentence)}"
        message = f"<div>{MARK}{html.escape(self.failed.message)}</div>"
        return f"<div>{head}</div>{message}{card(self._lines(), summary, drawing)}{script}"
