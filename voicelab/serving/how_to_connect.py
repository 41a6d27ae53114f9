"""What people are told of a server: the lines that make VoiceRun's own command line use it."""

import html
import json
import shlex
from dataclasses import dataclass

from voicelab.serving.security import is_loopback

CONTEXT = "lab"


@dataclass(frozen=True)
class Served:
    """What is served, and where.

    Attributes:
        url: The server's address.
        host: What it listens on.
        name: Of the handler or the log; the agent's id on the command line.
        log: The log's folder, where it is to be named.
        has_handler: Whether there is a handler to talk to.
    """

    url: str
    host: str
    name: str
    log: str
    has_handler: bool


def lines_to_type(served: Served) -> list[tuple[str, str]]:
    """Return lines for a shell, each with what it is for.

    A context of its own has a lock file of its own (`agent.lab.lock`) and credentials of its own: empty files, since the
    command line would fall back to a key of its first versions (`~/.voicerun/apikey`) where they are missing.
    """
    lock = f'{{"id": {json.dumps(served.name)}, "functionId": "local"}}'
    once = [
        (f"vr context create {CONTEXT} {served.url} {served.url}", "once; before another port: vr context delete lab"),
        (f"touch ~/.voicerun/{CONTEXT}.apikey ~/.voicerun/{CONTEXT}.cookie", "once; no key is sent here"),
    ]
    project = (f"echo {shlex.quote(lock)} > .voicerun/agent.{CONTEXT}.lock", "once in a project; agent.lock stays")
    if not served.has_handler:
        return [*once, project, (f"vr --context {CONTEXT} session list --json", "what the log holds")]
    return [
        *once,
        project,
        (f"vr --context {CONTEXT} debug -s", "talk to the handler in VoiceRun's debugger"),
        (
            f'vr --context {CONTEXT} debug -s --headless --script script.json --output "$PWD/session.json"',
            "or go through a script",
        ),
    ]


WARNING = (
    "VOICERUN_API_URL alone would do too, but sends this server the API key of your account, and overwrites agent.lock "
    "when it pushes."
)


def connecting_text(served: Served) -> str:
    """Return all of it as text."""
    typed = lines_to_type(served)
    width = min(78, max(len(line) for line, _ in typed))
    return "\n".join(
        [
            f"{_what(served)} is served on {served.url}",
            *_about_log(served),
            *_about_host(served),
            "",
            "VoiceRun's own command line uses it by",
            *(f"  {line:<{width}}  # {why}" for line, why in typed),
            WARNING,
        ]
    )


def connecting_card(served: Served | None, name: str) -> str:
    """Return all of it as a card in HTML; of a server that is closed, that it is.

    Args:
        served: What is served; None when it is closed.
        name: Of the handler or the log.
    """
    if served is None:
        return f"<div class='vl-serve'>{_STYLE}<b>{html.escape(name)}</b> <span class='dim'>is not served any more.</span></div>"
    rows = "".join(
        f"<div class='row'><code>{html.escape(line)}</code><span class='dim'>{html.escape(why)}</span></div>"
        for line, why in lines_to_type(served)
    )
    notes = "".join(f"<div>{html.escape(line)}</div>" for line in [*_about_log(served), *_about_host(served)])
    return (
        f"<div class='vl-serve' role='group' aria-label='Server'>{_STYLE}"
        f"<div><span class='dot'></span><b>{html.escape(_what(served))}</b> is served "
        f"on <code>{html.escape(served.url)}</code></div><div class='dim'>{notes}</div>"
        f"<div class='part dim'>VoiceRun's own command line uses it by</div>{rows}"
        f"<div class='part dim'>{html.escape(WARNING)}</div></div>"
    )


def _what(served: Served) -> str:
    return served.name if served.has_handler else f"The log {served.name}"


def _about_log(served: Served) -> list[str]:
    return [f"Sessions are logged in {served.log}"] if served.log else []


def _about_host(served: Served) -> list[str]:
    if is_loopback(served.host):
        return []
    return ["Everybody who reaches this machine may talk to the handler and read the log: there is no password."]


_STYLE = """<style>
.vl-serve{--fi:#1d232e;--fd:#5c6675;--fl:#e3e6ec;--fc:#f3f5f8}
@media (prefers-color-scheme:dark){.vl-serve{--fi:#e7e9ee;--fd:#a0a9b8;--fl:#2e343f;--fc:#1d222b}}
.vl-serve{--ink:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--fi)));
--dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,var(--fd)));
--line:var(--jp-border-color2,var(--vscode-panel-border,var(--fl)));--code:var(--jp-layout-color2,var(--fc));
border:1px solid var(--line);border-left:5px solid #1f9d63;border-radius:12px;padding:14px 18px;color:var(--ink);
font:14px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;max-width:900px}
.vl-serve .dim{color:var(--dim);font-size:13px}
.vl-serve .part{margin-top:10px}
.vl-serve .row{display:flex;flex-wrap:wrap;gap:2px 12px;align-items:baseline;margin:4px 0}
.vl-serve code{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,monospace;background:var(--code);color:var(--ink);
padding:1px 6px;border-radius:6px;overflow-wrap:anywhere}
.vl-serve .dot{display:inline-block;width:9px;height:9px;border-radius:50%;background:#1f9d63;margin-right:8px}
</style>"""
