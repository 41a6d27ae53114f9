"""The version of voicelab, as logs and reports name it."""

__version__ = "0.1.0"
