"""VoiceRun itself: exports of the platform in, one session log out.

- `files` finds the files and parses them, whole or not at all.
- `shapes` recognises what each file is by its shape, whatever its name.
- `entries` makes one row of an export one event; `platform_tests` collects what a session says of its tests.
- `export_values` reads single values as exports write them; `naming` tells from a file's name which session it speaks of.
- `gather` brings together what different files say of the same session.
- `event_order`, `assemble` and `declare` turn that into the rows of a session log; `import_exports` writes them.
- `report` keeps, file by file, what was not understood.
"""

from voicelab.voicerun.import_exports import read

__all__ = ["read"]
