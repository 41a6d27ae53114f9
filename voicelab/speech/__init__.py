"""Speech in and out behind two small protocols; what works offline is the default, what is online is chosen by name.

- `audio` is sound as data; `protocols` says what an engine is, `transcript` what a recogniser returns; `registry`
  finds an engine by its name.
- `natural`, `pico`, `espeak`, `piper`, `gtts` speak, `auto_voice` chooses one for each text; `sphinx`, `moonshine`, `whisper`,
  `online` recognise, `best_recogniser` chooses among them; `fakes` do both without any speech.
- `heard` looks for a voice before words are looked for; `moonshine_model` is moonshine's network, `whisper_weights` whisper's.
- `weights` finds those that come in a package; `voices` gives the platform's voice names a local voice; `text` cuts
  long texts into what an engine can say.
- `noises` and `g711` are what a line does to sound; `languages` chooses among an engine's.
- `deadline` and `cache` are the manners of engines that are slow or far away.
- `endpointer` finds where speech begins and ends, `smart_turn` whether somebody has finished; `echo` takes out of a
  microphone's sound what it hears of the loudspeaker.
- `line` is the telephone in between; `words` counts its errors, in words as `spoken_english` says them; `heard_sound` shows
  a sound with its words.
"""

from voicelab.speech.audio import Audio
from voicelab.speech.endpointer import Endpointer, SpeechEvent
from voicelab.speech.fakes import FakeSpeechToText, FakeTextToSpeech
from voicelab.speech.line import PhoneLine
from voicelab.speech.protocols import SpeechToText, TextToSpeech
from voicelab.speech.registry import engines, speech_to_text, text_to_speech, voices
from voicelab.speech.text import synthesize_sentences
from voicelab.speech.transcript import Transcript
from voicelab.speech.words import word_error_rate

__all__ = [
    "Audio",
    "Endpointer",
    "FakeSpeechToText",
    "FakeTextToSpeech",
    "PhoneLine",
    "SpeechEvent",
    "SpeechToText",
    "TextToSpeech",
    "Transcript",
    "engines",
    "speech_to_text",
    "synthesize_sentences",
    "text_to_speech",
    "voices",
    "word_error_rate",
]
