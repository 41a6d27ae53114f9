"""What a conversation was like, in numbers: how long people waited, who spoke over whom, who had to repeat himself.

In come the rows of one session, whoever it was: simulated, spoken or imported. Out goes a row of numbers, in which nothing
stands where there was no chance for it. Nobody judges; `docs/measures.md` has each measure in a sentence and a formula.

- `definitions`: the measures by name: unit, kind and meaning.
- `timeline`: who was heard when, read off the rows in one pass; `row_facts` is what it reads of one row's data.
- `measuring`: the measures of such a timeline; `followed`: what came after an interruption; `percentiles` of few values.
- `plain`: the same of a plain conversation, quicker.
"""

from voicelab.measures.definitions import MEASURES, Measure
from voicelab.measures.measuring import measures_of

__all__ = ["MEASURES", "Measure", "measures_of"]
