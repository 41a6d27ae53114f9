"""What a notebook shows and hears with: the console, a microphone and a speaker.

Each is an anywidget whose browser half is written as plain ES modules under `static/`; `esm` joins them.
"""

from voicelab.widgets.console import Console
from voicelab.widgets.microphone import Microphone
from voicelab.widgets.speaker import Speaker

__all__ = ["Console", "Microphone", "Speaker"]
