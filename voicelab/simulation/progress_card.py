"""The card that a simulation shows in a notebook while it runs: how each test stands."""

import html
import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from voicelab.base.notebook import in_notebook
from voicelab.decision.outlook import Outlook
from voicelab.decision.rules import Kind, StopDecision, StopRule, word_of
from voicelab.decision.wording import CHANGES_NOTHING, how_much_longer

_PERIOD_S = 0.25
_STYLE = (
    "<style>.vl-standing{font:13px/1.5 system-ui,sans-serif;max-width:640px;margin:6px 0 10px;padding:8px 12px;"
    "border:1px solid color-mix(in srgb,currentColor 25%,transparent);border-radius:8px}"
    ".vl-standing table{border-collapse:collapse;width:100%;margin:4px 0 0;font-size:13px}"
    ".vl-standing td,.vl-standing th{padding:2px 10px 2px 0;text-align:right;background:none;border:0}"
    ".vl-standing td:first-child,.vl-standing th:first-child{text-align:left}"
    ".vl-standing th{font-weight:400;opacity:.75}.vl-standing .lead{font-weight:600}"
    ".vl-standing .longer{font-size:12px;opacity:.85;margin:4px 0 0}"
    ".vl-standing progress{width:100%;height:8px;accent-color:#1d6f5c}</style>"
)


@dataclass(frozen=True)
class Standing:
    """How a test stands.

    Attributes:
        decision: What its data says so far.
        rule: Its stop rule.
        kind: Kind of its target outcome; None before one was recorded.
        variants: Name, counted sessions and mean of each variant; NaN where there is none.
        outlook: Says how much longer it may take. A function, because a forecast costs as much as a thousand sessions'
            decisions: it is asked when the card is really drawn, and by nothing else.
    """

    decision: StopDecision
    rule: StopRule
    kind: Kind | None
    variants: tuple[tuple[str, int, float], ...]
    outlook: Callable[[], Sequence[Outlook]] = tuple

    @property
    def stopped(self) -> bool:
        """Whether it has stopped."""
        return self.decision.should_stop

    def in_words(self) -> str:
        """Return it in a few words, empty before anything is known."""
        decision = self.decision
        if decision.stopped_session_index is not None:
            return f"stopped at session {decision.stopped_session_index + 1:,}"
        if decision.leader is None or decision.confidence is None:
            return ""
        return f"{decision.leader} leads, {decision.confidence:.0f} % sure"


class LiveCard:
    """A card below the progress line of a notebook; outside a notebook, nothing.

    Args:
        shown: Whether to show it.
    """

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown and in_notebook()
        self._handle: Any = None
        self._last = -math.inf

    def show(self, standings: Sequence[Standing], *, last: bool = False) -> None:
        """Show how the tests stand, a few times a second at most; the last standing always."""
        now = time.monotonic()
        if not self._shown or not standings or (now - self._last < _PERIOD_S and not last):
            return
        self._last = now
        # A notebook's kernel has it loaded; nobody else needs it.
        notebook = sys.modules["IPython.display"]
        content = notebook.HTML(as_html(standings))
        if self._handle is None:
            self._handle = notebook.display(content, display_id=True)
        else:
            self._handle.update(content)


def as_html(standings: Sequence[Standing]) -> str:
    """Return the tests as HTML."""
    return _STYLE + "".join(_test(standing) for standing in standings)


def _test(standing: Standing) -> str:
    decision, rule = standing.decision, standing.rule
    words = decision.sentence if standing.stopped else standing.in_words() or "nothing can be said yet"
    if rule.max_confidence is not None and not standing.stopped:
        words += f" ({rule.max_confidence:g} % stops it)"
    if not standing.stopped:
        words += "".join(f". The rule's {remark}" for remark in rule.remarks)
    head = "share" if standing.kind == "binary" else word_of(standing.kind)
    rows = "".join(_variant(standing, *variant) for variant in standing.variants)
    return (
        f'<div class="vl-standing" role="group" aria-label="{_text(decision.test)}"><b>{_text(decision.test)}</b> '
        f"{_text(words)}{_until_stop(standing)}"
        f"<table><tr><th>variant</th><th>sessions</th><th>{head} of {_text(rule.target_outcome or 'the outcome')}</th></tr>"
        f"{rows}</table>{_how_much_longer(standing)}</div>"
    )


def _how_much_longer(standing: Standing) -> str:
    # Not where the shares of the variants are wrong: nothing is to be decided there.
    if standing.stopped or standing.decision.conclusion != "continue":
        return ""
    found = how_much_longer(standing.outlook(), standing.rule, standing.kind)
    if not found:
        return ""
    return f'<div class="longer">{"<br>".join(map(_text, found))}<br>{CHANGES_NOTHING}</div>'


def _variant(standing: Standing, name: str, n: int, mean: float) -> str:
    leads = name == (standing.decision.winner or standing.decision.leader)
    value = "–" if math.isnan(mean) else f"{mean:.1%}" if standing.kind == "binary" else f"{mean:.4g}"
    lead = ' class="lead"' if leads else ""
    return f"<tr{lead}><td>{'★ ' if leads else ''}{_text(name)}</td><td>{n:,}</td><td>{value}</td></tr>"


def _until_stop(standing: Standing) -> str:
    most = standing.rule.max_iterations
    if most is None:
        return ""
    done = standing.decision.sessions
    label = f"{done:,} of {most:,} counted sessions"
    return f'<progress max="{most}" value="{min(done, most)}" aria-label="{label}" title="{label}"></progress>'


def _text(value: Any) -> str:
    return html.escape(str(value))
