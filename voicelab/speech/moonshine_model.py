"""The network of Moonshine base (English), run by onnxruntime: sound in, tokens out, and how sure of each it was.

The weights come in the wheel of `moonshine_cpp`. Its own library isn't used: it stops processes on processors that it wasn't
built for, takes all threads and 728 MB in each process, and says nothing of how sure it is. onnxruntime reads the same files.

They are of eight bits, and made into floats again for each token, which takes nine tenths of the time. So that is done once,
and kept: `_unpack` saves the networks with constants in place of the arithmetic, weights in files of their own. Those are mapped
into memory and not read, so all processes share one copy of them.

Source: Jeffries et al. 2024, "Moonshine: Speech Recognition for Live Transcription and Voice Commands"; encoder of raw sound,
decoder of 8 layers with a cache of keys and values; greedy search.
"""

import ctypes
import importlib.util
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import MissingEngineError, SpeechError, VoicelabError
from voicelab.speech.weights import checked_folder, prepared

RATE = 16_000
PACKAGE, VERSION, MODULE = "moonshine_cpp", "0.1.4", "moonshine_cpp"
_FOLDER = "models/base-en"
_FILES = {
    "encoder_model.ort": "9d1a19e044cbf89a207723d1adb667de89a5671a1e3e611b8ebe721b2c31219c",
    "decoder_model_merged.ort": "370e0c1f161d68dc1c2264c1a82024fb123380da3b73f47f05531d1e8d3308c3",
    "tokenizer.bin": "04670d78994d030185c3dd843c60591788fed0a56cc6750747bd326825f13ca9",
}
_MADE_FOR = ("Linux", "x86_64")
_NETWORKS = ("encoder_model", "decoder_model_merged")
_BEGIN, _END = 1, 2
_HEADS, _WIDTH = 8, 52
# People say up to five words a second, of one or two tokens; what is beyond goes round in circles.
_TOKENS_A_SECOND = 6.5
_SHORTEST = RATE // 4


def moonshine_weights() -> Path:
    """Return the folder of the weights.

    Raises:
        MissingEngineError: they aren't installed.
        SpeechError: they are damaged, or of another version than the one known here.
    """
    here = platform.system(), platform.machine()
    if importlib.util.find_spec(MODULE) is None and here != _MADE_FOR:
        raise MissingEngineError(
            f"moonshine's weights come for {' '.join(_MADE_FOR)} alone, and this is {' '.join(here)}. Use 'whisper', which "
            "runs everywhere: pip install 'voicelab[ears]'"
        )
    files = {f"{_FOLDER}/{name}": known for name, known in _FILES.items()}
    return checked_folder("moonshine", PACKAGE, VERSION, MODULE, files) / _FOLDER


class MoonshineModel:
    """The networks, ready.

    Raises:
        MissingEngineError: the weights or onnxruntime aren't installed.
        SpeechError: the weights are damaged, or onnxruntime can't read them.
    """

    def __init__(self) -> None:
        weights = moonshine_weights()
        try:
            import onnxruntime
        except ImportError:
            raise MissingEngineError(
                "moonshine needs onnxruntime. Install it by: pip install 'voicelab[ears]'"
            ) from None
        self._tokens = _tokens((weights / "tokenizer.bin").read_bytes())
        try:
            name = f"moonshine-{VERSION}-onnxruntime-{onnxruntime.__version__}"
            folder = prepared(name, lambda made: _unpack(onnxruntime, weights, made))
            self._encoder, self._decoder = (_session(onnxruntime, folder / f"{name}.onnx") for name in _NETWORKS)
        except (VoicelabError, OSError):
            raise
        except Exception as error:  # noqa: BLE001 - what onnxruntime raises derives from nothing else
            raise SpeechError(
                f"onnxruntime {onnxruntime.__version__} can't read moonshine's weights ({type(error).__name__}: {error}). "
                "Install versions that go together by: pip install 'voicelab[ears]'"
            ) from None
        past = [given.name for given in self._decoder.get_inputs() if given.name.startswith("past_key_values.")]
        self._nothing = {key: np.zeros((1, _HEADS, 0, _WIDTH), np.float32) for key in past}
        self._outputs = [made.name for made in self._decoder.get_outputs()]

    def words(self, samples: npt.NDArray[np.float32]) -> tuple[str, float]:
        """Return what was said, and how likely the tokens of it were, from 0 to 1 (their geometric mean).

        Args:
            samples: Shape (n,), at 16 kHz.
        """
        most = int(len(samples) / RATE * _TOKENS_A_SECOND) + 2
        if len(samples) < _SHORTEST:
            samples = np.pad(samples, (0, _SHORTEST - len(samples)))
        encoded = self._encoder.run(None, {"input_values": samples[np.newaxis]})[0]
        found = [(token, log) for (token, log), _ in zip(self._spoken(encoded), range(most), strict=False)]
        text = b"".join(self._tokens[token] for token, _ in found if token > _END).decode(errors="replace")
        return text.replace("\u2581", " ").strip(), float(np.exp(np.mean([log for _, log in found])))

    def _spoken(self, encoded: npt.NDArray[np.float32]) -> Iterator[tuple[int, float]]:
        """Give one token after the other, with the logarithm of its probability, up to that of the end."""
        token, past, first = _BEGIN, dict(self._nothing), True
        while token != _END:
            given = {"input_ids": np.array([[token]]), "encoder_hidden_states": encoded, **past}
            made = self._decoder.run(None, {**given, "use_cache_branch": np.array([not first])})
            out = dict(zip(self._outputs, made, strict=True))
            scores = out["logits"][0, -1].astype(np.float64)
            token = int(scores.argmax())
            for key in past:
                # Those of the sound come with the first token and stay.
                if first or ".decoder." in key:
                    past[key] = out[key.replace("past_key_values", "present")]
            first = False
            yield token, -float(np.log(np.exp(scores - scores[token]).sum()))


def _tokens(data: bytes) -> list[bytes]:
    """Return the tokens' texts by number: each is its length, in one byte or two, and its bytes."""
    tokens, at = [], 0
    while at < len(data):
        length, at = data[at], at + 1
        if length > 127:  # noqa: PLR2004 - seven bits, and one that says that there are more
            length, at = length - 128 + data[at] * 128, at + 1
        tokens.append(data[at : at + length])
        at += length
    return tokens


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: two workers share two cores, and sums are made in the same order everywhere.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False
    return options


def _session(onnxruntime: Any, path: Path) -> Any:
    options = _options(onnxruntime)
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )  # they were made at the first load
    # Packed weights would be each process's own: a few hundredths of time against 340 MB.
    options.add_session_config_entry("session.disable_prepacking", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _unpack(onnxruntime: Any, weights: Path, made: Path) -> None:
    """Write the networks with their weights as floats into a folder."""
    levels = onnxruntime.GraphOptimizationLevel
    plain = made / "plain.onnx"
    for name in _NETWORKS:
        # Constants are computed as a network of the ONNX format is loaded, not one of onnxruntime's own.
        options = _options(onnxruntime)
        options.graph_optimization_level = levels.ORT_DISABLE_ALL
        options.optimized_model_filepath = str(plain)
        options.add_session_config_entry("session.save_model_format", "ONNX")
        onnxruntime.InferenceSession(str(weights / f"{name}.ort"), options, providers=["CPUExecutionProvider"])
        options = _options(onnxruntime)
        # No further: what is made for one kind of processor would be wrong on another that shares the cache.
        options.graph_optimization_level = levels.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(made / f"{name}.onnx")
        options.add_session_config_entry("session.optimized_model_external_initializers_file_name", f"{name}.data")
        options.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
        named = with_names(plain.read_bytes())
        onnxruntime.InferenceSession(named, options, providers=["CPUExecutionProvider"])
    plain.unlink()
    # Most of what that took would stay this process's, in pieces: 270 MB of it go back to the system.
    if (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)) is not None:
        trim(0)


# Where graphs lie in a file of ONNX (a protocol buffer): by the kind of message, the number of a field and what it holds.
_INSIDE = {"model": {7: "graph"}, "graph": {1: "node"}, "node": {5: "attribute"}, "attribute": {6: "graph"}}
_NAME = 2
_BYTES, _FIXED = 2, {1: 8, 5: 4}


def with_names(data: bytes | memoryview, kind: str = "model") -> bytes:
    """Return a network in ONNX format with a name for each graph in it.

    onnxruntime's own format keeps no names of graphs, and it refuses to read what it saved without them.
    """
    data = memoryview(data)
    parts: list[bytes | memoryview] = []
    at, named = 0, False
    while at < len(data):
        begin = at
        key, at = _number(data, at)
        field, wire = key >> 3, key & 7
        if wire != _BYTES:
            at = at + _FIXED[wire] if wire in _FIXED else _number(data, at)[1]
            parts.append(data[begin:at])
            continue
        length, at = _number(data, at)
        body, at = data[at : at + length], at + length
        named = named or (field == _NAME and length > 0)
        inner = _INSIDE[kind].get(field)
        if inner is None:
            parts.append(data[begin:at])
        else:
            changed = with_names(body, inner)
            parts += [_varint(key), _varint(len(changed)), changed]
    if kind == "graph" and not named:
        parts.append(bytes([_NAME << 3 | _BYTES, 1]) + b"g")
    return b"".join(parts)


def _number(data: memoryview, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where the next thing begins."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:  # noqa: PLR2004 - the last one
            return value, at


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
