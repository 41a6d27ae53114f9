"""G.711 mu-law, the telephone's codec, by table (ITU-T G.711)."""

import numpy as np
import numpy.typing as npt

_BIAS, _CLIP = 0x84, 32635


def _encoding_table() -> npt.NDArray[np.uint8]:
    """Return the mu-law byte of each of the 65,536 samples (ITU-T G.711, 14 bits of which are used)."""
    pcm = np.arange(-32768, 32768, dtype=np.int32)
    sign = np.where(pcm < 0, 0x80, 0)
    magnitude = np.minimum(np.abs(pcm), _CLIP) + _BIAS
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    code: npt.NDArray[np.uint8] = (~(sign | (exponent << 4) | mantissa) & 0xFF).astype(np.uint8)
    return code


def _decoding_table() -> npt.NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    exponent, mantissa = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((mantissa << 3) + _BIAS) << exponent) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


_ENCODE, _DECODE = _encoding_table(), _decoding_table()


def mulaw_encode(pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    """Return int16 samples as G.711 mu-law bytes."""
    return _ENCODE[pcm.astype(np.int32) + 32768]


def mulaw_decode(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.int16]:
    """Return G.711 mu-law bytes as int16 samples."""
    return _DECODE[data]
