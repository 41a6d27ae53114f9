"""The sound devices of this machine, as far as its system tells of them without a library for sound."""

import ctypes
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

_CARDS = Path("/proc/asound/pcm")


class SoundDevices(NamedTuple):
    """Names of devices.

    Attributes:
        records: Those that can record.
        plays: Those that can play.
    """

    records: list[str]
    plays: list[str]


def sound_devices() -> SoundDevices | None:
    """Return the devices of this machine, or None where its system doesn't tell."""
    try:
        if sys.platform == "win32":
            return _of_windows()
        if sys.platform == "darwin":
            asked = ["system_profiler", "-json", "SPAudioDataType"]
            done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - nothing of it is given from outside
            return of_mac(done.stdout)
        return of_linux(_CARDS.read_text(encoding="utf-8") if _CARDS.exists() else "")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, subprocess.SubprocessError):
        return None


def of_linux(table: str) -> SoundDevices:
    """Return what ALSA's table of devices has: `00-00: ALC245 Analog : ALC245 Analog : playback 1 : capture 1`, line by line."""
    found = SoundDevices([], [])
    for line in filter(str.strip, table.splitlines()):
        _, name, *rest = (part.strip() for part in line.split(":"))
        if any(part.startswith("capture") for part in rest):
            found.records.append(name)
        if any(part.startswith("playback") for part in rest):
            found.plays.append(name)
    return found


def of_mac(text: str) -> SoundDevices:
    """Return what `system_profiler -json SPAudioDataType` tells.

    Raises:
        ValueError, LookupError, TypeError: it is of another form.
    """
    devices = [device for part in json.loads(text)["SPAudioDataType"] for device in part["_items"]]
    return SoundDevices(
        [device["_name"] for device in devices if "coreaudio_device_input" in device],
        [device["_name"] for device in devices if "coreaudio_device_output" in device],
    )


if sys.platform == "win32":

    class _Capabilities(ctypes.Structure):
        # WAVEINCAPSW and WAVEOUTCAPSW begin alike, and the longer one is 84 bytes.
        _fields_ = (
            ("maker", ctypes.c_ushort), ("product", ctypes.c_ushort), ("version", ctypes.c_uint),
            ("name", ctypes.c_wchar * 32), ("rest", ctypes.c_byte * 12),
        )  # fmt: skip

    def _of_windows() -> SoundDevices:
        found = SoundDevices([], [])
        for kind, names in (("waveIn", found.records), ("waveOut", found.plays)):
            count = getattr(ctypes.windll.winmm, f"{kind}GetNumDevs")()
            for number in range(count):
                device = _Capabilities()
                ask = getattr(ctypes.windll.winmm, f"{kind}GetDevCapsW")
                ask(ctypes.c_size_t(number), ctypes.byref(device), ctypes.sizeof(device))
                names.append(device.name)
        return found
