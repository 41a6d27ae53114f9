"""What a notebook shows and hears with: the console, a microphone and a speaker.

Each is an anywidget whose browser half is written as plain ES modules under `static/`; `esm` joins them.
"""
