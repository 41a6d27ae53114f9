"""Smart Turn: a model that hears by the voice whether somebody has finished or is only pausing. 23 languages, offline.

Its weights (8.7 MB, BSD-2) lie in a package whose other dependencies aren't needed, so the package is installed without
them and never imported. What the model takes is Whisper's picture of a sound (Radford and others 2022, arXiv:2212.04356,
section 2.2): 80 bands of Slaney's mel scale, 100 frames a second, of the last 8 s.
"""

import threading
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import MissingEngineError
from voicelab.speech.weights import checked_folder

PACKAGE, VERSION = "pipecat-ai", "1.14.0"
_FILE = "audio/turn/smart_turn/data/smart-turn-v3.2-cpu.onnx"
_SHA256 = "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f"
RATE = 16_000
LENGTH = 8 * RATE
_WINDOW, _HOP, _BANDS = 400, 160, 80

Floats = npt.NDArray[np.float32]


class SmartTurn:
    """Says how likely a turn is over.

    Raises:
        MissingEngineError: the weights or onnxruntime aren't installed.
        SpeechError: the weights are damaged, or of another version.
    """

    # One for the whole process: it takes .2 s to load, and keeps nothing from call to call.
    _model: Any = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        with SmartTurn._lock:
            if SmartTurn._model is None:
                SmartTurn._model = _load()

    def probability(self, samples: Floats) -> float:
        """Return how likely the speaker has finished, from 0 to 1.

        Args:
            samples: What was said so far, with the pause at its end; shape (n,), 16 kHz, from -1 to 1. The last 8 s count.
        """
        features = log_mel(samples)[np.newaxis]
        return float(SmartTurn._model.run(None, {"input_features": features})[0].ravel()[0])


def log_mel(samples: Floats) -> Floats:
    """Return Whisper's features of the last 8 s, shape (80, 800); what is shorter stands at the end, after silence.

    Args:
        samples: Shape (n,), 16 kHz.
    """
    sound = np.zeros(LENGTH, np.float32)
    last = samples[-LENGTH:]
    if len(last):
        sound[-len(last) :] = last
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    padded = np.pad(sound.astype(np.float64), _WINDOW // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP][:-1]
    window = np.hanning(_WINDOW + 1)[:-1]
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
    logs = np.log10(np.maximum(power @ _mel_filters(), 1e-10))
    # Whisper's own scale: 80 dB below the loudest is the floor.
    scaled: Floats = ((np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0).T.astype(np.float32)
    return scaled


@cache
def _mel_filters() -> npt.NDArray[np.float64]:
    """Return the weight of each frequency (rows) in each band (columns): triangles of equal area, as Slaney draws them."""
    edges = _hertz(np.linspace(0.0, _mel(RATE / 2), _BANDS + 2))
    at = np.linspace(0, RATE / 2, _WINDOW // 2 + 1)[:, np.newaxis]
    up = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    filters: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(up, down)) * 2.0 / (edges[2:] - edges[:-2])
    return filters


# Slaney's mel scale: straight up to 1,000 Hz (15 mels), a logarithm above.
_STEP = np.log(6.4) / 27
_BEND = 15


def _mel(hertz: float) -> float:
    return float(_BEND + np.log(hertz / 1000) / _STEP)


def _hertz(mels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mels < _BEND, mels * 200 / 3, 1000 * np.exp(_STEP * (mels - _BEND)))


def _load() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingEngineError(
            "detector='smart' needs onnxruntime, which isn't installed. Install it by: pip install 'onnxruntime>=1.18,<2'"
        ) from None
    folder = checked_folder("smart", PACKAGE, VERSION, "pipecat", {_FILE: _SHA256})
    options = onnxruntime.SessionOptions()
    # One thread: a worker process has one core, and the order of sums must be the same everywhere.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(folder / _FILE), options, providers=["CPUExecutionProvider"])
