"""What a recogniser of open speech is given: sound of 16 kHz with a voice in it, in pieces that it can take.

Such recognisers were made to find words, and find some in a fan's hum as well. So a voice is looked for first, by the model
that finds the ends of turns: where there is none, there are no words.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import InputError, SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.endpointer import FRAME, RATE, detector
from voicelab.speech.words import normalized

LONGEST_S = 120.0
"""The longest turn that is taken, in seconds."""
# A voice is there when so many frames of 32 ms in a row surely hold one: the shortest "no" has five.
_SURE, _FRAMES = 0.5, 3
_PIECE_S, _SHORTEST_PIECE_S = 24.0, 12.0
_STEP, _QUIET = RATE // 50, 10

Floats = npt.NDArray[np.float32]


def checked_length(engine: str, audio: Audio) -> None:
    """Refuse what is no audio, is empty, or longer than a turn.

    Raises:
        InputError: it is no audio.
        SpeechError: it is empty or too long.
    """
    if not isinstance(audio, Audio):
        raise InputError(f"audio is {audio!r:.60}, must be a speech.Audio, e.g. speech.Audio.load('call.wav').")
    if not len(audio.samples):
        raise SpeechError("There is nothing to recognise: the audio is empty.")
    if audio.duration_s > LONGEST_S:
        raise SpeechError(
            f"The audio is {audio.duration_s:.0f} s long; {engine} takes {LONGEST_S:.0f} s. Cut it into turns: "
            "speech.Endpointer() finds them."
        )


def checked_phrases(phrases: Sequence[str] | None) -> tuple[str, ...]:
    """Return what is expected to be said, without what has no words.

    Raises:
        InputError: it is no list of texts. A text alone would be taken for its letters.
    """
    if phrases is None:
        return ()
    if isinstance(phrases, str) or not all(isinstance(phrase, str) for phrase in phrases):
        raise InputError(f"phrases is {phrases!r:.60}, must be a list of texts, e.g. ['yes please', 'no thank you'].")
    return tuple(phrase for phrase in phrases if normalized(phrase))


def voiced_pieces(engine: str, audio: Audio) -> list[Floats]:
    """Return sound in pieces of at most 24 s, cut where it is quietest; without those that hold no voice.

    Args:
        engine: The recogniser's name, for the message.
        audio: The sound, at any rate.

    Raises:
        SpeechError: it is empty, or longer than a turn.
    """
    checked_length(engine, audio)
    samples = np.ascontiguousarray(audio.resampled(RATE).floats())
    # Each for itself: a pause of many seconds within a turn is a fan's hum too.
    return [piece for piece in _pieces(samples) if _has_voice(piece)]


def _has_voice(samples: Floats) -> bool:
    """Return whether a voice is heard anywhere; by loudness where the model isn't installed."""
    finds = detector("auto")
    run = 0
    # The model needs a moment to begin: a word at the very start is heard after a little quiet.
    around = np.zeros(FRAME * 4, np.float32)
    whole = np.concatenate([around, samples, around])
    for at in range(0, len(whole) - FRAME + 1, FRAME):
        run = run + 1 if finds.probability(whole[at : at + FRAME]) >= _SURE else 0
        if run >= _FRAMES:
            return True
    return False


def _pieces(samples: Floats) -> list[Floats]:
    pieces = []
    while len(samples) > _PIECE_S * RATE:
        first, last = int(_SHORTEST_PIECE_S * RATE), int(_PIECE_S * RATE)
        power = np.square(samples[first:last].astype(np.float64)).reshape(-1, _STEP).mean(axis=1)
        # Over a fifth of a second: between two words, and not within one.
        quietest = int(np.convolve(power, np.ones(_QUIET), "valid").argmin())
        cut = first + (quietest + _QUIET // 2) * _STEP
        pieces.append(samples[:cut])
        samples = samples[cut:]
    return [*pieces, samples]
