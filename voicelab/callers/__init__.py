"""Who calls, and what a caller can do: scripts, personas, mixtures of them, and callers of one's own.

In comes a list of inputs or an object with a `name` and `begin(rng)`; out goes a caller that the engine asks for its next
action. What is random in a caller comes from `rng`, so that a session can be repeated.

- `protocol`: what a caller is, and what it is told; begin here for a caller of your own.
- `actions`: what a caller can do, as data: say, press, stay silent, interrupt, hang up, at a time.
- `written_input`: these as files write them.
- `script`: follows a list; `persona`: answers what it hears; `mix`: callers in proportions.
- `stock`: personas by name, and the six that are there already.
- `call_conditions`: when somebody picks up, and how often the agent is cut off, whoever calls.
- `own`: makes a caller of what the user gives.
- `backchannels`: the rule that tells a sign of listening from an interruption.
- `gate`: why the caller's words can't come in now.
"""

from voicelab.callers.call_conditions import BargeIn, BeforePickup, CallConditions, under_conditions
from voicelab.callers.mix import Mix, mix
from voicelab.callers.own import as_caller
from voicelab.callers.persona import Persona
from voicelab.callers.protocol import CallerLike, Heard, KnownCaller, LoggedFacts
from voicelab.callers.script import Script
from voicelab.callers.stock import Personas, personas

__all__ = [
    "BargeIn",
    "BeforePickup",
    "CallConditions",
    "CallerLike",
    "Heard",
    "KnownCaller",
    "LoggedFacts",
    "Mix",
    "Persona",
    "Personas",
    "Script",
    "as_caller",
    "mix",
    "personas",
    "under_conditions",
]
