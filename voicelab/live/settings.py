"""What the person can set in a console: engines, how to speak, how fast time passes."""

from collections.abc import Callable
from typing import Any

from voicelab.base import checks
from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, did_you_mean
from voicelab.live import engines
from voicelab.live.call import Media
from voicelab.live.engines import GivenEngine

_FASTEST = 60.0
_SWITCHES = ("typing_interrupts", "muted", "echo_cancellation", "noise_suppression", "auto_gain")


class Settings:
    """The settings of one console.

    Args:
        stt: Name of the recogniser, `auto`, `off`, `browser`, or an engine.
        tts: The same for the voice.
        phrases: What the recogniser is told to expect.

    Attributes:
        engines: The engines to choose from, by `stt` and `tts`.
        remark: What there is to say about the engines that were chosen.

    Raises:
        VoicelabError: there is no such engine, or it isn't installed.
    """

    def __init__(self, stt: GivenEngine, tts: GivenEngine, phrases: tuple[str, ...]) -> None:
        self._phrases = phrases
        self._values: dict[str, Any] = {
            "mode": "push",
            "typing_interrupts": False,
            "speed": 1.0,
            "volume": 1.0,
            "muted": False,
            "echo_cancellation": True,
            "noise_suppression": True,
            "auto_gain": True,
        }
        # Made once for all sessions: a recogniser takes a quarter of a second to load its model.
        self._engines: dict[str, Any] = {}
        self.engines = engines.pickers()
        self._own: dict[tuple[str, str], Any] = {}
        self.remark = " ".join(filter(None, (self._choose("tts", tts), self._choose("stt", stt))))

    def set(self, name: str, value: Json, *, live: bool) -> str:
        """Change a setting and return a remark for the person, or an empty text.

        Args:
            name: The setting.
            value: Its new value.
            live: Whether a session runs: engines and speed then count from the next one on.

        Raises:
            VoicelabError: there is no such setting, or the value isn't allowed.
        """
        if name in {"stt", "tts"}:
            remark = self._choose(name, value)
            return remark or ("It counts from the next session on." if live else "")
        check = _CHECKS.get(name)
        if check is None:
            known = ["stt", "tts", *_CHECKS]
            raise InputError(f"{name!r} is no setting, must be one of {', '.join(known)}.{did_you_mean(name, known)}")
        self._values[name] = check(name, value)
        if name == "speed" and value != 1 and self._values["tts"] != engines.OFF:
            return "Time passes faster only where no voice is used: choose 'off' under 'Speaks'."
        return "It counts from the next session on." if live and name == "speed" else ""

    def media(self) -> Media:
        """Return what the next session hears and speaks with."""
        speaks, listens = self._values["tts"], self._values["stt"]
        pace = self._pace(speaks)
        return Media(self._engines["tts"], self._engines["stt"], speaks, listens, pace, self._phrases)

    def uses(self) -> dict[str, Any]:
        """Return what the next session hears with, by name, and the pace of its time."""
        return {"stt": self._values["stt"], "pace": self._pace(self._values["tts"])}

    def _pace(self, speaks: str) -> float:
        return float(self._values["speed"]) if speaks == engines.OFF else 1.0

    @property
    def hands_free(self) -> bool:
        """Whether the microphone listens all the time."""
        return bool(self._values["mode"] == "hands_free")

    @property
    def typing_interrupts(self) -> bool:
        """Whether typed words cut the agent off, rather than wait until it has spoken."""
        return bool(self._values["typing_interrupts"])

    @property
    def muted(self) -> bool:
        """Whether nothing of what the microphone hears is sent."""
        return bool(self._values["muted"])

    def view(self) -> dict[str, Any]:
        """Return all settings, engines by name."""
        return dict(self._values)

    def _choose(self, kind: str, given: GivenEngine | Json) -> str:
        name, engine, remark = engines.choose_engine(
            kind, self._own.get((kind, given), given) if isinstance(given, str) else given
        )
        if engine is not None and not isinstance(given, str):
            # An engine that was given stays to choose from, by its name.
            self._own[kind, name] = engine
            others = [other for other in self.engines[kind] if other["name"] != name]
            self.engines[kind] = [engines.own(name), *others]
        self._values[kind], self._engines[kind] = name, engine
        return remark


def _mode(name: str, value: Json) -> Json:
    if value not in {"push", "hands_free"}:
        raise InputError(f"{name} is {value!r}, must be 'push' or 'hands_free'.")
    return value


def _between(lowest: float, highest: float) -> Callable[[str, Json], Json]:
    def check(name: str, value: Json) -> Json:
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise InputError(f"{name} is {value!r}, must be a number from {lowest:g} to {highest:g}.")
        return float(value)

    return check


_CHECKS: dict[str, Callable[[str, Json], Json]] = {
    "mode": _mode,
    "speed": _between(0.1, _FASTEST),
    "volume": _between(0.0, 1.0),
    **dict.fromkeys(_SWITCHES, checks.switch),
}
