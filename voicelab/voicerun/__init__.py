"""VoiceRun itself: exports of the platform in, one session log out, fetched from it too; and phone calls, previewed and sent.

Exports:

- `files` finds the files and parses them, whole or not at all.
- `shapes` recognises what each file is by its shape, whatever its name.
- `entries` makes one row of an export one event; `platform_tests` collects what a session says of its tests.
- `export_values` reads single values as exports write them; `naming` tells from a file's name which session it speaks of.
- `looked_through` is a file without its rows, which are read again when their session is put together: a gigabyte of exports
  isn't in memory at once. `stored_rows` has on the disk what waits meanwhile.
- `gather` brings together what different files say of the same session.
- `known_later` has what evaluators ruled and traces cost, as outcomes that were added late.
- `event_order`, `assemble` and `declare` turn that into the rows of a session log; `import_exports` writes them.
- `report` keeps, file by file, what was not understood.

Templates of a project:

- `simulate_spec` is the door, `voicerun.simulation`; `simulation_spec` reads and checks a `kind: Simulation`,
  `specified_run` runs it with a caller of the user's.
- Evaluators are in `voicelab.predicates`; here stands the door to those of a project.

The platform's own sessions:

- `client` is the door: it fetches them into a folder of exports. `patient_requests` asks again where that may help, and
  `pulled_folder` is that folder, in which nothing is half there.

Outbound calls:

- `outbound` is the door: `outbound_call` makes a preview, `start_call` sends it too.
- `call_request` is the guide's request and the checks of what goes into it; `api_key` keeps the key out of all that shows itself.
- `one_call` previews, rehearses and sends a call once; `call_journal` writes that down and sees to the once.
- `call_exchange` is one request over the network; `answers` says in a sentence what came back.
- `asking` asks a person, where there is one; `call_card` shows the call.
"""

from voicelab.base.errors import CallError, PullError
from voicelab.predicates import read_evaluators as evaluators
from voicelab.voicerun.client import Client
from voicelab.voicerun.import_exports import read
from voicelab.voicerun.outbound import outbound_call, start_call
from voicelab.voicerun.simulate_spec import simulation

__all__ = ["CallError", "Client", "PullError", "evaluators", "outbound_call", "read", "simulation", "start_call"]
