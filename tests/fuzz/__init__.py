"""Hostile input to the end: seeded cases, one walk a surface, and a judge. `make fuzz SEED= N=` runs them.

- `hostile`: hostile values, and mutations that keep most of a document's shape; `samples`: the documents.
- `judge`: runs a walk, and says whether it was accepted to the end, refused with a message, or crashed.
- The surfaces, each with `draw` (a case) and `walk` (what a user does with it): `exports`, `logs`, `frames`, `projects`, `scripts`,
  `paths`, `commands`, `console`.
- `cases`: the case of a number, and those that are kept in `tests/samples/hostile`; `shrink` makes them small.

A case is JSON's types, and the same for the same seed, surface and number.
"""
