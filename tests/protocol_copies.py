"""What is written from the table of messages: the page's types, and the tables of docs/console-protocol.md.

`python tests/protocol_copies.py` writes them (`make format` does), and a test sees whether they are up to date.
"""

import re
from pathlib import Path

from voicelab.live.page_messages import WIDGETS, Message, Widget
from voicelab.live.page_records import RECORDS, Record

ROOT = Path(__file__).parent.parent
TYPES = ROOT / "voicelab" / "widgets" / "static" / "protocol.d.ts"
DOCS = ROOT / "docs" / "console-protocol.md"
_HEAD = "/** The messages between kernel and page. Written from page_messages.py and page_records.py in voicelab/live: change those, and `make format`. */\n"
_DATA = "/** An event's data: what is in it follows from the event's name. */\n// biome-ignore lint/suspicious/noExplicitAny: events of handlers carry what they like\nexport type Data = Record<string, any>;\n"


def types() -> str:
    """Return the page's types."""
    parts = [_HEAD, _DATA, *(_interface(record) for record in RECORDS)]
    for widget in WIDGETS:
        for side, messages in (("ToPage", widget.to_page), ("ToKernel", widget.to_kernel)):
            alternatives = "".join(f"\n  | {_shape(message)}" for message in messages.values())
            parts.append(f"export type {widget.name}{side} ={alternatives};\n")
    return "\n".join(parts)


def docs(text: str) -> str:
    """Return a document with what stands between its marks written anew."""
    for widget in WIDGETS:
        text = _between(text, f"{widget.name} to page", _table(widget, to_page=True))
        text = _between(text, f"{widget.name} to kernel", _table(widget, to_page=False))
    return _between(text, "records", "\n".join(_listed(record) for record in RECORDS))


def _interface(record: Record) -> str:
    lines = [
        f"  {name}: {kind};" + (f" // {meaning}" if meaning else "") for name, (kind, meaning) in record.fields.items()
    ]
    head = f"/** {record.meaning} */\n" if record.meaning else ""
    return head + f"export interface {record.name} {{\n" + "\n".join(lines) + "\n}\n"


def _shape(message: Message) -> str:
    fields = "".join(f"; {name}: {kind}" for name, kind in message.all_fields.items())
    return f'{{ k: "{message.k}"{fields} }}'


def _table(widget: Widget, *, to_page: bool) -> str:
    messages = (widget.to_page if to_page else widget.to_kernel).values()
    rows = [f"| `{message.k}` | {_fields(message)} | {message.meaning} |" for message in messages]
    return "\n".join(["| k | fields | meaning |", "| --- | --- | --- |", *rows, ""])


def _fields(message: Message) -> str:
    named = [f"`{name}: {_escaped(kind)}`" for name, kind in message.all_fields.items()]
    parts = [", ".join(named), message.buffer and f"buffer: {message.buffer}"]
    return "; ".join(part for part in parts if part)


def _listed(record: Record) -> str:
    fields = [
        f"- `{name}: {kind}`" + (f": {meaning}" if meaning else "") for name, (kind, meaning) in record.fields.items()
    ]
    return "\n".join([f"### {record.name}", "", *([record.meaning, ""] if record.meaning else []), *fields, ""])


def _escaped(kind: str) -> str:
    return kind.replace("|", "\\|")


def _between(text: str, mark: str, content: str) -> str:
    begin, end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->"
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    assert len(pattern.findall(text)) == 1, f"{DOCS.name} needs the marks of {mark!r} once"
    return pattern.sub(lambda _: f"{begin}{content}{end}", text)


if __name__ == "__main__":
    TYPES.write_text(types(), encoding="utf-8")
    DOCS.write_text(docs(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
