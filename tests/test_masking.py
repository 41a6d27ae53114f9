"""The values of variables are masked in every form that programs write text in."""

import base64
import html
import json
import re
import urllib.parse

import harness
import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import voicelab as vl
from voicelab.base.errors import HandlerError, InputError
from voicelab.base.masking import MASK, SHORTEST, Masker
from voicelab.base.plain_json import encode

SECRET = "pa\"ss\\wörd+a/b&<c>%'\n€ \U0001f511"


def lower_hex(text):
    return re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), urllib.parse.quote(text, safe=""))


ENCODERS = {
    "as it is": str,
    "json": json.dumps,
    "json without escapes": lambda text: json.dumps(text, ensure_ascii=False),
    "json with upper-case hex": lambda text: re.sub(
        r"u[0-9a-f]{4}", lambda u: "u" + u[0][1:].upper(), json.dumps(text)
    ),
    "json with escaped slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "json for a page": lambda text: (
        json.dumps(text).replace("<", "\\u003c").replace("&", "\\u0026").replace(">", "\\u003e")
    ),
    "repr": repr,
    "ascii": ascii,
    "bytes": lambda text: repr(text.encode()),
    "quote": urllib.parse.quote,
    "quote of everything": lambda text: urllib.parse.quote(text, safe=""),
    "quote_plus": urllib.parse.quote_plus,
    "lower-case hex": lower_hex,
    "html": html.escape,
    "html without quotes": lambda text: html.escape(text, quote=False),
    "html in ascii": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
}
LAST = {
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for addresses": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "basic authentication": lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
}
steps = st.lists(st.sampled_from(list(ENCODERS.values())), min_size=1, max_size=3)
secrets = st.text(st.characters(exclude_categories=["Cs"]), min_size=SHORTEST, max_size=24)
tricky = st.text(st.sampled_from("\\\"'%&+/ \n\x00\x1b52CuxnabcÖß€\U0001f511"), min_size=SHORTEST, max_size=16)


@settings(max_examples=150, deadline=None)
@given(
    secret=secrets | tricky, around=st.tuples(st.text(" .,:;", max_size=3), st.text(" .,:;", max_size=3)), steps=steps
)
@example(secret="a%5Cb%25c", around=("", ""), steps=[str])
@example(secret="abcdef\\", around=("", ""), steps=[json.dumps, json.dumps, json.dumps])
@example(secret="\\nabcde", around=("", ""), steps=[json.dumps, repr])
def test_a_secret_is_found_in_whatever_was_made_of_it(secret, around, steps):
    text = secret
    for step in steps:
        text = step(text)
    assert text not in Masker([secret]).text(f"{around[0]}{text}{around[1]}")
    assert MASK in Masker([secret]).text(f"{around[0]}{text}{around[1]}")


@settings(max_examples=80, deadline=None)
@given(
    secret=secrets | tricky,
    form=st.sampled_from(list(LAST)),
    before=st.text("ab:", max_size=4),
    after=st.text("xy", max_size=3),
)
def test_the_base64_of_a_secret_is_found_wherever_its_bytes_begin(secret, form, before, after):
    text = LAST[form](before + secret + after)
    left = Masker([secret]).text(f"Basic {text}!").replace("Basic ", "").rstrip("!")
    assert MASK in left
    assert len(left) - len(MASK) <= 4 * (-(-len(before) // 3) - (-len(after) // 3)) + 4 + 8 * (
        form == "basic authentication"
    )


@settings(max_examples=80, deadline=None)
@given(
    secret=secrets | tricky,
    value=st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | tricky,
        lambda inner: st.lists(inner) | st.dictionaries(tricky, inner),
    ),
    before=tricky | st.just(""),
    after=tricky | st.just(""),
)
def test_masked_json_is_json_still_and_holds_no_secret(secret, value, before, after):
    masked = orjson.loads(
        Masker([secret]).json(encode({"value": value, "key": before + secret + after, secret: [secret]}))
    )
    assert secret not in masked["key"]
    assert secret not in masked
    assert secret not in json.dumps(list(masked.values())[2:], ensure_ascii=False)
    plain = {"value": value}
    if secret not in str(value) and MASK not in (text := Masker([secret]).json(encode(plain))):
        assert orjson.loads(text) == plain


def test_a_number_that_is_a_secret_is_masked_and_the_text_stays_json():
    assert orjson.loads(Masker(["482913"]).json('{"pin":482913,"near":4829130}')) == {"pin": MASK, "near": 4829130}


def test_a_secret_that_was_read_as_a_number_with_decimals_is_masked_too():
    assert orjson.loads(Masker(["482913"]).json('{"pin":482913.0,"near":482913.5}')) == {"pin": MASK, "near": 482913.5}


def test_the_longest_of_several_secrets_is_masked_first():
    assert Masker(["secret", "secret-and-more"]).text("secret-and-more, secret") == f"{MASK}, {MASK}"


def test_long_runs_of_backslashes_take_no_time_worth_naming():
    # What fails here fails by never ending: every pair of starting points and lengths was tried once.
    text = "\\" * 100_000
    assert Masker(['\\"\\"ab"c', '""""""']).text(text) == text


def test_nothing_to_mask_is_false_and_leaves_all_as_it_is():
    assert not Masker(["short"])
    assert Masker(["short"]).json('{"a":"short"}') == '{"a":"short"}'


# --- where they show -------------------------------------------------------------------------------------------------

HANDLER = """
import base64, html, json, urllib.parse
from primfunctions.events import LogEvent, TextToSpeechEvent

async def handler(event, context):
    k = context.variables["KEY"]
    if event.name == "start":
        {body}
        yield TextToSpeechEvent(text="Hello.")
"""
BODIES = {
    "json": 'yield LogEvent(json.dumps({"key": k}))',
    "repr": "yield LogEvent(repr(k))",
    "json in json": 'yield LogEvent(json.dumps({"body": json.dumps({"key": k})}))',
    "an exception": "raise ValueError(json.dumps(k))",
    "an address": 'yield LogEvent("https://x.test/?key=" + urllib.parse.quote_plus(k))',
    "markup": "yield LogEvent(html.escape(k))",
    "authentication": 'yield LogEvent(base64.b64encode(("me:" + k).encode()).decode())',
    "session data": 'context.set_data("request", json.dumps({"key": k}))',
    "the text of an outcome": 'context.set_outcome("note", json.dumps(k))',
    "a print": "print(repr(k))",
}
SHOWN = 'pa"ss\\wörd+key/1'


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_no_form_of_a_secret_reaches_a_record_its_pictures_or_its_log(body, tmp_path):
    handler = HANDLER.format(body=body)
    record = vl.run(handler, ["hi"], variables={"KEY": SHOWN})
    vl.simulate(handler, ["hi"], sessions=2, variables={"KEY": SHOWN}, log=tmp_path / "log", workers=1)
    log = vl.open_log(tmp_path / "log")
    frames = [log.sessions(), log.events(), log.outcomes(), log.errors()]
    shown = [repr(record), str(record), record._repr_html_(), *(frame.to_csv() for frame in frames)]
    for text in shown:
        assert not re.search(r"rd(\+|%2B|&#43;)key|w(ö|\\+u00f6|%C3%B6)rd|3JkK2tleS8|cmQra2V5|yZCtrZXk", text)


@pytest.mark.parametrize("name", ["random", "string", "integer", "simulated", "development"])
def test_a_variable_that_is_a_word_of_the_log_masks_none_of_its_own_columns(name):
    body = """
    if event.name == "start":
        context.experiment("t", {"a": 0.5, "b": 0.5})
        context.set_outcome("n", 1)
        context.set_outcome("s", "x")
    """
    played = harness.play(harness.agent(body), variables={"WORD": name})
    assert played.exposures[0]["assignment"] == "random"
    assert {played.outcomes[o]["type"] for o in "ns"} == {"integer", "string"}
    assert played.session["source"] == "simulated"


def test_an_imported_secret_is_masked_in_every_form_too(tmp_path):
    state = {
        "session_id": "s1",
        "variables": {"KEY": SHOWN},
        "data": {"request": json.dumps({"key": SHOWN})},
        "testing": {"outcomes": {"note": {"name": "note", "type": "string", "value": repr(SHOWN)}}},
    }
    rows = [
        {"event": "debug", "type": "log", "name": "log", "data": {"message": json.dumps([SHOWN])}, "_clientTime": 1},
        {"event": "debug", "type": "output", "name": "context", "data": state, "_clientTime": 2},
    ]
    (tmp_path / "s1.json").write_text(json.dumps(rows))
    with pytest.warns(UserWarning, match="end of 1"):
        log = vl.voicerun.read(tmp_path / "s1.json", tmp_path / "log")
    for frame in (log.sessions(), log.events(), log.outcomes()):
        assert MASK in frame.to_csv()
        assert not re.search(r"w(ö|\\+u00f6)rd", frame.to_csv())


QUOTED = ["model", "shared_data", "input_data", "configuration"]


@pytest.mark.parametrize(
    ("run", "argument"),
    [*((vl.run, name) for name in [*QUOTED, "parameters", "run_test"]), *((vl.simulate, name) for name in QUOTED)],
)
def test_an_error_that_quotes_a_wrong_argument_masks_and_shortens_it(run, argument):
    wrong = {1: json.dumps(SHOWN), "more": "x" * 5000}
    with pytest.raises(InputError, match="is ") as told:
        run(HANDLER.format(body="pass"), ["hi"], variables={"KEY": SHOWN}, **{argument: wrong})
    assert MASK in str(told.value)
    assert len(str(told.value)) < 400
    assert not re.search(r"w(ö|\\+u00f6)rd", str(told.value))


def test_a_line_that_is_no_python_is_quoted_masked():
    with pytest.raises(HandlerError, match="SyntaxError") as told:
        vl.load_handler(f"async def handler(event, context):\n    key = {SHOWN!r} oops\n", variables={"KEY": SHOWN})
    assert MASK in str(told.value)
    assert "rd+key" not in str(told.value)


def test_a_value_as_long_as_a_prompt_is_masked_whole_in_every_form():
    prompt = 'You are "friendly", and book tables. <b>Never say no.</b>\n' * 400
    longer = prompt + "And be brief."
    masker = Masker([prompt, longer])
    encoded = base64.b64encode(longer.encode()).decode()
    for form in (prompt, longer, json.dumps(longer)[1:-1], repr(longer)[1:-1], urllib.parse.quote(longer), encoded):
        assert masker.text(f"before {form} after") == f"before {MASK} after"
    assert masker.text(prompt[: len(prompt) // 2]) == MASK, "cut off"
    assert len(masker._pattern.pattern) < 100_000, "a pattern of all of it would take a minute to make"


def test_a_declaration_keeps_what_a_test_is_analysed_by(tmp_path):
    handler = """
async def handler(event, context):
    context.add_outcome("booked", "boolean")
    context.add_test("offer", {"secret-offer": 0.5, "b": 0.5}, stop={"max_iterations": 482913, "target_outcome": "booked", "default": "b"})
    context.set_outcome("booked", True)
    yield StopEvent()
"""
    values = {"word": "metric", "pin": "482913", "name": "secret-offer", "key": "variants"}
    log = vl.simulate(handler, ["hi"], 8, variables=values, log=tmp_path / "log", workers=1, progress=False)
    declared = json.loads(log.exposures()["declaration"].iloc[0])
    assert declared["variants"] == {MASK: 0.5, "b": 0.5}
    assert declared["stop"]["max_iterations"] == 482913
    assert vl.analyze(log, "offer").to_frame() is not None
