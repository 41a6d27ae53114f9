"""VoiceRun's own command line and debugger, served on this machine.

- `answer`: what a request is answered.
"""
