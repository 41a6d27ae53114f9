"""An outbound call as people see it: a card in a notebook, text elsewhere. What it is given is masked already."""

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from voicelab.voicerun.call_request import CallRequest


@dataclass(frozen=True)
class ShownCall:
    """What is shown of a call.

    Attributes:
        request: The request, masked.
        headers: Its headers, the key masked.
        status: `not sent`, `sent`, `refused` or `unknown`.
        has_key: Whether there is a key yet.
        journal: Path of the journal.
        answer: The platform's answer; None before.
    """

    request: CallRequest
    headers: Mapping[str, str]
    status: str
    has_key: bool
    journal: str
    answer: Mapping[str, Any] | None


_STATUS = {
    "not sent": ("Preview", "Nothing is sent yet", "calm"),
    "sent": ("Sent", "The platform has taken the call", "good"),
    "refused": ("Refused", "The platform called nobody", "bad"),
    "unknown": (
        "Unknown",
        "Nobody knows whether it was placed: look at the sessions in the dashboard before you call anew",
        "odd",
    ),
}


def call_text(call: ShownCall) -> str:
    """Return a call as text."""
    request = call.request
    pill, said, _ = _STATUS[call.status]
    return "\n".join(
        [
            f"Call {request.phone_number} with {_with(request)}",
            f"{pill}: {said[0].lower()}{said[1:]}.",
            "",
            f"POST {request.url}",
            *(f"{name}: {value}" for name, value in call.headers.items()),
            "",
            _pretty(request.body),
            "",
            *([f"answer   {_pretty(call.answer)}"] if call.answer is not None else []),
            *_next_steps(call),
            f"journal  {call.journal}",
        ]
    )


def call_card(call: ShownCall) -> str:
    """Return a call as a card in HTML, without scripts or anything from outside; colours follow the notebook's theme."""
    request = call.request
    pill, said, tone = _STATUS[call.status]
    where = request.environment or "the entrypoint's environment"
    headers = "".join(
        f"<div><span class='dim'>{_text(name)}</span><code>{_text(value)}</code></div>"
        for name, value in call.headers.items()
    )
    reads = "context.input_data" if request.is_entrypoint else "context.get_data"
    read = f" The handler reads the parameters with <code>{reads}</code>." if request.parameters else ""
    steps = "".join(f"<div>{_text(step)}</div>" for step in _next_steps(call))
    return (
        f"<div class='vl-call {tone}' role='group' aria-label='{_text(f'Call {request.phone_number}: {said}')}'>{_STYLE}"
        f"<div><span class='pill'>{pill}</span><span class='chip'>{_text(where)}</span></div>"
        f"<div class='number'>{_text(request.phone_number)}</div>"
        f"<div class='dim'>{_text(said)} · {_text(_with(request))}</div>"
        f"<div class='request'><div class='line'><b>POST</b><code>{_text(request.url)}</code></div>"
        f"<div class='heads'>{headers}</div><pre>{_text(_pretty(request.body))}</pre></div>"
        f"{_answer(call.answer)}"
        f"<details><summary>The same as curl</summary><pre>{_text(request.curl)}</pre></details>"
        f"<div class='end dim'>{steps}<div>{_key(call)}{read}</div><div>Journal: <code>{_text(call.journal)}</code></div></div>"
        "</div>"
    )


def answer_card(phone_number: str, answer: Mapping[str, Any]) -> str:
    """Return the platform's answer as a card in HTML."""
    return (
        f"<div class='vl-call good' role='group'>{_STYLE}<div><span class='pill'>Sent</span></div>"
        f"<div class='number'>{_text(phone_number)}</div>"
        f"<div class='dim'>The platform has taken the call</div>{_answer(answer)}</div>"
    )


def _answer(answer: Mapping[str, Any] | None) -> str:
    if answer is None:
        return ""
    return f"<div class='part dim'>The platform's answer</div><pre>{_text(_pretty(answer))}</pre>"


def _with(request: CallRequest) -> str:
    return f"{request.who} in {request.environment}" if request.environment else request.who


def _key(call: ShownCall) -> str:
    if call.has_key:
        return "The API key is there, and masked wherever it would show."
    return "There is no API key yet: set VOICERUN_API_KEY, or it is asked for, hidden, when the call is sent."


def _next_steps(call: ShownCall) -> list[str]:
    if call.status == "not sent":
        return [
            "call.rehearse(handler, inputs) runs its session here; call.send() asks once, then somebody's phone rings."
        ]
    return ["A call is sent once: for another make a new one with voicerun.outbound_call(...)."]


def _pretty(value: Mapping[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _text(text: str) -> str:
    return html.escape(str(text))


_STYLE = """<style>
.vl-call{--fb:#fff;--fi:#1d232e;--fd:#5c6675;--fl:#e3e6ec}
@media (prefers-color-scheme:dark){.vl-call{--fb:#15181e;--fi:#e7e9ee;--fd:#a0a9b8;--fl:#2e343f}}
.vl-call{--bg:var(--jp-layout-color1,var(--vscode-editor-background,var(--fb)));
--ink:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--fi)));
--dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,var(--fd)));
--line:var(--jp-border-color2,var(--vscode-panel-border,var(--fl)));--tone:#1f78c8;
box-sizing:border-box;max-width:760px;padding:18px 20px 14px 25px;border:1px solid var(--line);
box-shadow:inset 5px 0 0 var(--tone);border-radius:12px;background:var(--bg);color:var(--ink);overflow:hidden;
font:13.5px/1.5 var(--jp-ui-font-family,system-ui,-apple-system,"Segoe UI",sans-serif)}
.vl-call.good{--tone:#00936b}.vl-call.bad{--tone:#d55e00}.vl-call.odd{--tone:#9a7200}
@supports (color:color-mix(in srgb,red,blue)){.vl-call{--tone:color-mix(in srgb,#1c7ed6 80%,var(--ink))}
.vl-call.good{--tone:color-mix(in srgb,#009e73 82%,var(--ink))}.vl-call.bad{--tone:color-mix(in srgb,#e2600a 86%,var(--ink))}
.vl-call.odd{--tone:color-mix(in srgb,#b98500 72%,var(--ink))}}
.vl-call .pill,.vl-call .chip{display:inline-block;border-radius:99px;padding:1px 10px;font-size:12px;margin-right:6px}
.vl-call .pill{background:var(--tone);color:var(--bg);font-weight:700}
.vl-call .chip{border:1px solid var(--line);color:var(--dim)}
.vl-call .number{font-size:23px;line-height:1.3;font-weight:650;margin:9px 0 0;font-variant-numeric:tabular-nums;
letter-spacing:.02em;overflow-wrap:anywhere}
.vl-call .dim{color:var(--dim)}
.vl-call .request{margin:14px 0 4px;border:1px solid var(--line);border-radius:9px;overflow:hidden}
.vl-call .line{display:flex;gap:10px;align-items:baseline;padding:8px 12px;border-bottom:1px solid var(--line)}
.vl-call .line b{color:var(--tone);font-size:12px;letter-spacing:.05em}
.vl-call .heads{padding:7px 12px;border-bottom:1px solid var(--line);font-size:12.5px}
.vl-call .heads span{display:inline-block;min-width:8.5em}
.vl-call code,.vl-call pre{font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace);font-size:12.5px;
background:none;color:inherit;padding:0;border:0}
.vl-call code{overflow-wrap:anywhere}
.vl-call pre{margin:0;padding:9px 12px;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere}
.vl-call .part{margin:10px 0 2px}.vl-call>pre,.vl-call details pre{border:1px solid var(--line);border-radius:9px}
.vl-call details{margin-top:10px}.vl-call details summary{cursor:pointer;color:var(--dim);margin-bottom:4px}
.vl-call .end{margin-top:12px;padding-top:9px;border-top:1px solid var(--line);font-size:12px}
</style>"""
