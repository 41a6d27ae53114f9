"""Make a world: callers say sentences over a line, a recogniser hears them, and its errors are kept in a file.

examples:
  python -m voicelab.worlds mobile.json --line mobile
  python -m voicelab.worlds cafe.json --line noise=babble,snr_db=12,packet_loss=0.01 --utterances 500
  python -m voicelab.worlds mine.json --sentences sentences.txt --stt whisper --seed 7

In Python: vl.simulate(handler, callers, world=vl.worlds.from_file("cafe.json")).
"""

import argparse
import contextlib
import os
import shlex
import sys
import warnings
from collections.abc import AsyncIterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError, VoicelabError, did_you_mean
from voicelab.runtime import sdk
from voicelab.simulation.simulating import simulate
from voicelab.speech import PhoneLine
from voicelab.worlds.spoken_sentences import SentenceCaller, sentences_of, sessions_for
from voicelab.worlds.world_file import WorldFile, figures, today, versions

if TYPE_CHECKING:
    import pandas as pd

LINES = {"landline": PhoneLine(), "mobile": PhoneLine(noise="street", snr_db=15, packet_loss=0.02)}


async def listening(event: Any, context: Any) -> AsyncIterator[Any]:
    """Listen, and say nothing: the agent that the sentences are said to."""
    del context
    if event.name == "text":
        yield sdk.LogEvent("listens")


def fit_world(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line after the program's name; None for the process's own.
    """
    given = _parser().parse_args(arguments)
    try:
        file = spoken(given)
        file.write(Path(given.out))
    except KeyboardInterrupt:
        kept = (
            "What was spoken is kept: the same command goes on with it."
            if given.log
            else "Nothing was kept: --log does."
        )
        sys.stderr.write(f"\npython -m voicelab.worlds: stopped. {kept}\n")
        return 130
    except VoicelabError as error:
        sys.stderr.write(f"python -m voicelab.worlds: {' '.join(str(error).split())}\n")
        return 1
    sys.stdout.write("".join(f"{name:<24} {value}\n" for name, value in file.origin.items()))
    return 0


def spoken(given: argparse.Namespace) -> WorldFile:
    """Return a world that is fitted from a simulation with sound.

    Raises:
        VoicelabError: an argument isn't allowed, an engine isn't installed.
    """
    line = line_of(given.line)
    caller = SentenceCaller(None if given.sentences is None else sentences_of(given.sentences))
    if given.utterances < 1:
        raise InputError(f"utterances is {given.utterances}, must be at least 1; 2,000 make a good world.")
    _check_out(given.out)  # now: it is written in twenty minutes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the engines: what they can and can not do
        log = simulate(
            listening, caller, sessions=sessions_for(given.utterances), seed=given.seed, audio=line, tts=given.tts,
            stt=given.stt, workers=given.workers, log=given.log, resume=given.log is not None,
        )  # fmt: skip
    frame = log.utterances()
    failed = log.sessions(columns=["error"], where="status = 'error'")
    if not frame["heard"].any():
        raise InputError(_why_nothing(given, frame["said"], failed["error"]))
    sessions = [
        list(zip(rows["said"], rows["heard"], strict=True)) for _, rows in frame.groupby("session_id", sort=False)
    ]
    origin = {
        **figures(sessions),
        **({"sessions_failed": len(failed)} if len(failed) else {}),
        "line": repr(line),
        "stt": given.stt,
        "tts": f"{given.tts}, 24 callers' voices",
        "versions": versions(),
        "sentences": given.sentences or "data/phrases",
        "seed": given.seed,
        "made": today(),
        "command": _command(given),
    }
    return WorldFile(origin, sessions)


def _why_nothing(given: argparse.Namespace, said: "pd.Series", errors: "pd.Series") -> str:
    """Return why nothing at all was heard, of which no world can be made."""
    if len(errors):
        return f"{len(errors)} sessions failed, and nothing was heard: {errors.iloc[0]}"
    if not said.str.contains(r"\w").any():
        return f"No words were said: {given.sentences!r} holds no sentence that has some."
    return f"{given.stt} heard nothing in {len(said)} utterances. Try it: voicelab doctor"


def _check_out(path: str) -> None:
    """Refuse a path that no file can be written to."""
    out = Path(path)
    try:
        if out.is_dir():
            raise InputError(f"{path!r} is a folder; give the file to write, such as {str(out / 'cafe.json')!r}.")
        if not out.parent.is_dir():
            raise InputError(f"There is no folder {str(out.parent)!r} to write {out.name!r} into.")
        with contextlib.suppress(FileNotFoundError):
            out.stat()
        writable = os.access(out if out.exists() else out.parent, os.W_OK)
    except (OSError, ValueError) as error:  # a name too long, a character that no name has
        raise InputError(f"{path!r} can't be written: {error}.") from None
    if not writable:
        raise InputError(f"{path!r} can't be written: it isn't allowed here.")


def _command(given: argparse.Namespace) -> str:
    """Return the command that makes the same world once more."""
    parts = ["python", "-m", "voicelab.worlds", given.out]
    for name in ("line", "tts", "stt", "utterances", "sentences", "seed"):
        value = getattr(given, name)
        if value is not None:
            parts += [f"--{name}", str(value)]
    return shlex.join(parts)


def line_of(given: str) -> PhoneLine:
    """Return a line by its name, or by arguments of `vl.PhoneLine`, such as "noise=car,snr_db=12".

    Raises:
        InputError: it is neither.
    """
    if given in LINES:
        return LINES[given]
    known, options = [field.name for field in fields(PhoneLine)], {}
    for part in given.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name not in known:
            raise InputError(
                f"The line {given!r} has {part!r}, must be {' or '.join(LINES)}, or arguments of vl.PhoneLine such as "
                f"noise=car,snr_db=12 (it has {', '.join(known)}).{did_you_mean(name, [*known, *LINES])}"
            )
        options[name] = _value(value)
    return PhoneLine(**options)


def _value(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return None if text == "None" else text


def _parser() -> argparse.ArgumentParser:
    about, _, examples = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "python -m voicelab.worlds",
        description=about,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("out", help="the file to write, such as cafe.json")
    parser.add_argument(
        "--line", default="landline", help="landline, mobile, or arguments of vl.PhoneLine: noise=car,snr_db=12"
    )
    parser.add_argument("--tts", default="natural", help="the callers' voice (natural)")
    parser.add_argument("--stt", default="moonshine", help="the recogniser (moonshine)")
    parser.add_argument("--utterances", type=int, default=2000, help="how many are spoken (2000)")
    parser.add_argument(
        "--sentences", help="a file of text with sentences, one a line, in place of those that come along"
    )
    parser.add_argument("--seed", type=int, default=20, help="everything random follows from it (20)")
    parser.add_argument("--workers", type=int, help="child processes; one a processor unless given")
    parser.add_argument(
        "--log", help="a folder that keeps the simulation's log, with which a run that ended early goes on"
    )
    return parser


if __name__ == "__main__":
    sys.exit(fit_world())
