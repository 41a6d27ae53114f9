"""What a handler reads of the process's environment is noticed, and the environment stays what it was."""

import os
import pickle
import subprocess
import sys

import pytest

import voicelab as vl
from voicelab.base.masking import MASK
from voicelab.runtime import environment, sdk

KEY = "key-of-the-shop-42"
HEAD = "import os\nfrom primfunctions.events import LogEvent\n"


@pytest.fixture(autouse=True)
def shop_key(monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", KEY)


def told_by(read):
    told = []
    with environment.telling_to(told.append):
        read(os.environ)
    return told


@pytest.mark.parametrize(
    "read",
    [
        lambda environ: environ["SHOP_API_KEY"],
        lambda environ: environ.get("SHOP_API_KEY"),
        lambda environ: os.getenv("SHOP_API_KEY"),
        lambda environ: os.getenvb(b"SHOP_API_KEY") if os.supports_bytes_environ else environ["SHOP_API_KEY"],
        lambda environ: environ.copy(),
        lambda environ: environ | {},
        lambda environ: {} | environ,
        lambda environ: {**environ},
        lambda environ: list(environ.items()),
        lambda environ: list(environ.values()),
        repr,
        lambda environ: environ.setdefault("SHOP_API_KEY", ""),
        lambda environ: environ.__setitem__("SHOP_API_KEY", KEY),
    ],
)
def test_whoever_gets_a_value_has_read_it(read):
    assert KEY in told_by(read)


@pytest.mark.parametrize("look", [list, len, lambda environ: "SHOP_API_KEY" in environ, lambda environ: environ.keys()])
def test_whoever_looks_at_names_has_read_nothing(look):
    assert told_by(look) == []


def test_the_environment_is_the_mapping_that_it_was_and_that_again_afterwards():
    before, kind = dict(os.environ), type(os.environ)
    with sdk.hosted():
        assert isinstance(os.environ, os._Environ)
        assert dict(os.environ) == before == os.environ
        os.environ["SHOP_TOKEN"] = "a-token-of-the-shop"
        child = subprocess.run(
            [sys.executable, "-c", "import os; print(os.environ['SHOP_TOKEN'])"], capture_output=True, check=True
        )
        assert child.stdout.split() == [b"a-token-of-the-shop"]
        assert os.environ.pop("SHOP_TOKEN") == "a-token-of-the-shop"
        with pytest.raises(KeyError, match="SHOP_TOKEN"):
            os.environ["SHOP_TOKEN"]
    assert type(os.environ) is kind is os._Environ
    assert dict(os.environ) == before


READERS = {
    "some sessions": "if context.get_data('n') % 3 == 0: os.environ['SHOP_API_KEY']",
    "one session, by a name that is put together": "if context.get_data('n') == 0: os.environ['SHOP_' + 'API_KEY']",
    "one session, by the environment's name": "if context.get_data('n') == 0: vars(os)['environ']['SHOP_' + 'API_KEY']",
    "one session, by whatever name": "if context.get_data('n') == 0: dict(os.environ)",
    "the first of a process": "global kept; kept = kept or os.environ['SHOP_API_KEY']",
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_rows_are_the_same_whichever_session_and_process_read_a_key_first(reader, tmp_path):
    text = (
        HEAD + "kept = ''\nasync def handler(event, context):\n    if event.name == 'start':\n"
        f"        {reader}\n        yield LogEvent('it is {KEY}')\n"
    )

    def rows(first, n):
        handler = vl.load_handler(text)  # anew, as in another process
        return [str(vl.run(handler, seed=i, parameters={"n": i})) for i in range(first, first + n)]

    told = rows(0, 4)
    assert told[2:] == rows(2, 2)
    assert all(MASK in record and KEY not in record for record in told)
    log = vl.simulate(text, ["hi"], sessions=4, workers=1, parameters=lambda index: {"n": index}, log=tmp_path / "log")
    assert log.events()["data"].map(str).str.contains(KEY, regex=False).sum() == 0


def test_another_process_masks_what_the_handlers_own_had_read(monkeypatch):
    handler = vl.load_handler(
        HEAD + "key = os.environ['SHOP_' + 'API_KEY']\nasync def handler(event, context):\n    yield\n"
    )
    sent = pickle.dumps(handler)
    monkeypatch.setenv("SHOP_API_KEY", "another-machines-key")
    assert {KEY, "another-machines-key"} <= set(pickle.loads(sent).secrets)
