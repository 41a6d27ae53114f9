"""Everything that voicelab raises or warns with.

VoicelabError
├── InputError          an argument is not allowed: what was given, what is, what to do
│   ├── ForcedVariantError  a variant is forced that the test doesn't have
│   └── AudioError          sound that can't be read or used
├── HandlerError        a handler that can't be loaded, or is none
├── ShippingError       a handler or caller that can't be sent to a worker process
├── VirtualTimeError    real input or output was attempted in virtual time
├── OwnProcessError     a session would have ended, stopped or split the process that it shares with others
├── NoReplyError        a request over HTTP that the session's stand-in has no reply to
├── SimulationError     a simulation that can't go on
├── NotRepeatedError    a session that went another way when it was run again
├── SpeechError         an engine could not speak or recognise
│   └── MissingEngineError  it isn't installed: the message is the install line
├── LogError            a session log that can't be read or written
├── CallError           a phone call that wasn't placed, or of which that isn't known
└── PullError           sessions that the platform doesn't hand out

GuideCompatWarning      a spelling of the Developer Guide that the SDK doesn't know (portability note)
SpeechWarning           what an engine does with speech that a person should know
BlockingCallWarning     a call in a handler held up the whole conversation
AnalysisWarning         a figure that needs care
"""

import difflib
from collections.abc import Iterable
from typing import Literal

from voicelab.base.printable import printable, shortened

CallOutcome = Literal["not sent", "refused", "unknown"]


class VoicelabError(Exception):
    """Base of every error that voicelab raises on purpose.

    Its message can be printed whatever it quotes, and is shortened where it quotes too much.
    """

    _LONGEST = 4_000

    def __init__(self, *arguments: object) -> None:
        texts = (shortened(printable(a), self._LONGEST) if isinstance(a, str) else a for a in arguments)
        super().__init__(*texts)


class InputError(VoicelabError, ValueError):
    """An argument is not allowed; the message says what was given, what is allowed and what to do."""

    _LONGEST = 600


class ForcedVariantError(InputError):
    """A variant is forced that the test doesn't have; raised while a session runs, it ends the run."""


class AudioError(InputError):
    """Sound can't be read or used; the message says what was found and what is allowed."""


class HandlerError(VoicelabError):
    """A handler can't be loaded, or what was loaded is no handler."""


class ShippingError(VoicelabError):
    """A handler, caller or world can't be sent to a worker process; the message names the variable."""


class VirtualTimeError(VoicelabError):
    """Real input or output was attempted in a session that runs in virtual time."""


class OwnProcessError(VoicelabError):
    """A session's code would have ended, stopped or split the process that it shares with others."""


class NoReplyError(VoicelabError):
    """A request over HTTP has no reply in the session's `vl.Http`; the message holds the line to add."""


class SimulationError(VoicelabError):
    """A simulation can't go on; what is already logged stays readable."""


class NotRepeatedError(VoicelabError):
    """A session went another way when it was run again; the message says what differed first, and how to find out why."""


class SpeechError(VoicelabError):
    """An engine could not speak or recognise; the message says why, what was lost and what to use instead."""


class MissingEngineError(SpeechError):
    """An engine isn't installed; the message holds the line that installs it."""


class LogError(VoicelabError):
    """A session log can't be read or written; the message names the file."""

    _LONGEST = 600


class CallError(VoicelabError):
    """A phone call was not placed, or whether it was is unknown; the message says which, why, and what to do.

    Args:
        message: The message.
        outcome: `not sent`: nothing left this machine; `refused`: the platform called nobody; `unknown`: the answer never
            came, or can't be read.
        wait_s: After how many seconds the platform asks to try again, if it does.
    """

    def __init__(self, message: str, outcome: CallOutcome = "not sent", wait_s: float | None = None) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.wait_s = wait_s


class PullError(VoicelabError):
    """Sessions can't be fetched from the platform; the message says why, and what to do. What was fetched before stays.

    Args:
        message: The message.
        status: HTTP's status, if there was an answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class GuideCompatWarning(FutureWarning):
    """Code runs here but is spelled differently by the SDK, so that it would fail on the platform.

    A FutureWarning rather than a DeprecationWarning, which Python hides outside `__main__`.
    """


class SpeechWarning(UserWarning):
    """What an engine does with speech that a person should know before relying on it."""


class BlockingCallWarning(RuntimeWarning):
    """A call in a handler held up the whole conversation instead of being awaited."""


class AnalysisWarning(UserWarning):
    """A figure was computed, and needs care."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the nearest known names, or an empty string.

    Args:
        name: What was given.
        known: The names that exist.
    """
    near = difflib.get_close_matches(str(name), [str(k) for k in known], n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
