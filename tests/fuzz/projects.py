"""Project folders: agent.yaml, values.yaml and .env, mutated; then the handler is loaded and a session run."""

import random
from typing import Any

import voicelab as vl
from fuzz import hostile
from fuzz.judge import SECRET, Walk

_HANDLER = """async def handler(event, context):
    if event.name == "start":
        yield TextToSpeechEvent(text="Hello " + str(len(context.variables)), voice="nova")
    elif event.name == "text":
        yield LogEvent(str(context.variables.get("KEY")))
"""
_BASE = {
    ".voicerun/agent.yaml": "name: clinic\ndescription: |\n  an agent\n",
    ".voicerun/values.yaml": f"variables:\n  KEY: {SECRET}\n  PIN: 007\n  ON: yes\n",
    ".voicerun/values.development.yaml": "variables: {MODE: test, KEY2: 'a: b'}\n",
    ".env": f"A=1\nexport B=\"two words\"\nTOKEN={SECRET}\nC=${{A}}-x\n# note\nD='q'\n",
}
_LINES = [
    "a: &a [x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\nvariables: {A: *d}\n",
    "a: &a {b: *a}\nvariables: *a\n", "!!python/object/apply:os.system ['touch vlx']\n", "variables: !!python/name:os.system\n",
    "variables: !vlx {A: b}\n", "variables:\n  <<: {A: b}\n", "? [a, b]\n: c\n", "variables:\n  ? {a: b}\n  : c\n", "---\na: b\n---\nc: d\n",
    "variables: [A, B]\n", "variables: x\n", "variables:\n\tA: b\n", "%YAML 9.9\n---\na: b\n", "[" * 3000, "{a: " * 3000, "- " * 3000 + "x", "variables:\n  A: !!binary aGk=\n",
    "variables:\n  A: *nobody\n", "name: [a]\n", "name: {a: b}\n", "name: ''\n", "name: ../../vlx\n", "\0", "variables:\n  A: [b]\n", "variables:\n  KEY: x\n  KEY: y\n",
    "A=$(touch vlx)\n", "A=`touch vlx`\n", "A=${A}\n", "A=${HOME}\n", "=x\n", "A\n", "A=\"unclosed\n", "export\n", "A B=c\n", "A='\\'\n", "__class__=x\n", "A=\\x00\n",
    "PATH=x\n", "A=" + "x" * 100_000 + "\n", "variables:\n  " + "k" * 2000 + ": x\n", "variables:\n  'a\u2028b': x\n", "name: \"\\ud800\"\n", "name: \"\\0\"\n",
    "variables: {A: \"\\uD800\"}\n", "name: \"\\x1b[31m\"\n", "<<: [1]\n", "&a a: *a\n", "!<tag:vlx> x\n", "''': x\n", "variables:\n  A: >\n   folded\n   text\n",
]  # fmt: skip


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: the files that differ from a sound project's, and what happens to them."""
    name = rng.choice(list(_BASE))
    lines = _BASE[name].splitlines(keepends=True)
    for _ in range(rng.choice([1, 1, 2])):
        at = rng.randrange(len(lines) + 1)
        how = rng.random()
        if how < 0.35:
            lines.insert(at, rng.choice(_LINES))
        elif how < 0.5:
            lines = [rng.choice(_LINES)]
        elif how < 0.8:
            line = lines[at - 1]
            place = rng.randrange(len(line) + 1)
            lines[at - 1] = line[:place] + hostile.some_text(rng)[:3000] + line[place:]
        elif len(lines) > 1:
            del lines[at - 1]
    return {"files": {name: "".join(lines)}, "operations": {name: hostile.some_operations(rng, 0.15)}}


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Load the project with its .env, run a session, and show it."""
    folder = it.folder / "project"
    (folder / ".voicerun").mkdir(parents=True)
    (folder / "handler.py").write_text(_HANDLER)
    for name, text in (_BASE | case["files"]).items():
        (folder / name).write_bytes(hostile.as_bytes(text, case.get("operations", {}).get(name, [])))
    with it.door():
        handler = vl.load_handler(folder, variables=folder / ".env")
    it.text(repr(handler))
    it.html(handler._repr_html_() if hasattr(handler, "_repr_html_") else "")
    record = vl.run(handler, ["hi"], seed=1)
    it.check(record.status == "completed", f"ended as {record.status}: {[e.data for e in record.errors]}")
    it.text(str(record))
    it.html(record._repr_html_())
    it.check(".env" not in case["files"] or SECRET not in record.to_json(), "a secret in a record")
