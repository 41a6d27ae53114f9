"""What a notebook shows and hears with: the console, a microphone and a speaker.

In comes a cell; out goes a widget whose browser half stands as plain ES modules under `static/`.

- `console`: `vl.Console`, the widget around `live/talk`; `microphone` and `speaker` work by themselves.
- `cell`: one console a cell, and messages that arrive while a cell runs.
- `holding`: lets a console be freed that nobody holds any more.
- `esm`: joins the modules under `static/` into the one that anywidget takes.
"""

from voicelab.widgets.console import Console
from voicelab.widgets.microphone import Microphone
from voicelab.widgets.speaker import Speaker

__all__ = ["Console", "Microphone", "Speaker"]
