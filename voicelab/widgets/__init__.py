"""What a notebook shows and hears with: the console, a microphone and a speaker.

In comes a cell; out goes a widget whose browser half stands as plain ES modules under `static/`.

- `console`: `vl.Console`, the widget around `live/talk`; `microphone` and `speaker` work by themselves.
- `cell`: one console a cell, and messages that arrive while a cell runs.
- `holding`: lets a console be freed that nobody holds any more.
- `esm`: joins the modules under `static/` into the one that anywidget takes.

Under `static/`, `console.js` makes one `engine.js` a widget and any number of views of it:

- `kernel_link` talks to the kernel, in the messages of `protocol.d.ts`; `store` is what is known; `lost` says that the
  kernel is gone.
- `header`, `conversation`, `rating`, `controls` (with `message_box`, `keypad` and `meter`), `devices` and `script_panel`
  are parts of a view; `tabs` holds what stands beside the conversation: `panes`, `event_list`, `session_list` and
  `next_session`. `dom` helps them all, `style.css` dresses them.
- `timeline` is one more: `spans` is what it draws, `viewport` which part of it, `pointer` and `selection` what is pointed
  at and picked; `drawing` draws, with `drawn_spans`, `drawn_marks` and their `pen`.
- `listening` hears the caller: by `microphone`, `capture` and `worklet`, or by `recognition`, the page's own.
- `playback` plays the agent: sound, or text by `voices`, the page's own; `replay` plays a whole session; `wav` is sound
  as a file.
- `microphone_widget` and `speaker_widget` are the other two widgets.
"""

from voicelab.widgets.console import Console
from voicelab.widgets.microphone import Microphone
from voicelab.widgets.speaker import Speaker

__all__ = ["Console", "Microphone", "Speaker"]
