"""Callers that fit an agent: it is talked to until it is known what it asks, and the stock personas get answers to it.

In come a handler and the options of its sessions; out go personas. No language model takes part: what an agent says is read
by the forms in which agents ask, every answer is tried, and what is understood and leads to the tests' targets is kept.

- `stock_personas`: `vl.personas` and its `fit`, from its arguments to the personas; open it first.
- `prompts`: the agent's words read as a question, a menu of keys, a choice; `vocabulary`: what its source listens for.
- `candidates`: what may be answered to a prompt; `prompt_evidence`: what became of each answer, and what is tried next.
- `exploring`: the conversations; `temperaments`: the personas made of what they found; `fitted`: these, and their card.
"""

from voicelab.callers import personas as _stock
from voicelab.fitting.fitted import FittedPersonas
from voicelab.fitting.stock_personas import StockPersonas

personas = StockPersonas(*_stock)
"""Six stock personas that make sense against any agent; `personas.fit(handler)` makes them fit one."""

__all__ = ["FittedPersonas", "StockPersonas", "personas"]
