"""The options of a run: one record, checked once, offered alike by everything that runs sessions."""

import dataclasses
import inspect
import re

import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.callers import Script
from voicelab.runs.options import EPOCH, SessionOptions

SILENT = "async def handler(event, context):\n    return\n    yield\n"
OFFERED_BY = {"vl.run": vl.run, "vl.simulate": vl.simulate, "vl.Console": vl.Console, "vl.serve": vl.serve}
# Not arguments of the user's by these names: what they become is in the record.
MADE = {"callers", "telephone"}
# Not offered everywhere, since it means nothing there: a console's person is in no world and at no other date.
NOT_OF_ALL = {
    "run_test": {"vl.run"},
    "world": {"vl.run", "vl.simulate"},
    "start": {"vl.run", "vl.simulate"},
    "direction": {"vl.run", "vl.simulate"},
    "configuration": {"vl.run", "vl.simulate"},
}


def described(function):
    """Return what a docstring says of each argument."""
    arguments = inspect.getdoc(function).split("Args:\n")[1].split("\n\n")[0]
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", arguments, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


@pytest.mark.parametrize(
    "option", [field.name for field in dataclasses.fields(SessionOptions) if field.name not in MADE]
)
def test_every_option_is_offered_and_described_where_it_means_something(option):
    for name in NOT_OF_ALL.get(option, OFFERED_BY.keys()):
        assert option in inspect.signature(OFFERED_BY[name]).parameters, name
        assert described(OFFERED_BY[name]).get(option), name


@pytest.mark.parametrize(
    "option",
    ["handler", "input_data", "model", "shared_data", "http", "patches", "limits", "variables", "environment", "world"],
)
def test_an_option_is_described_alike_wherever_it_is_offered(option):
    texts = [described(function).get(option, "") for function in OFFERED_BY.values()]
    assert len({text.split(". ")[0].split(", which")[0].rstrip(".") for text in texts if text}) == 1


def test_what_is_left_out_has_its_default_and_what_is_given_is_checked():
    options = SessionOptions.checked(SILENT, Script(["hi"]), variants={"greeting": 1}, start="2026-05-01")
    assert (options.seed, options.world, options.configuration) == (0, None, {})
    assert options.variants == {"greeting": "1"}
    assert options.start.isoformat() == "2026-05-01T00:00:00+00:00"
    assert SessionOptions.checked(SILENT, None).start == EPOCH


def test_the_record_can_not_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SessionOptions.checked(SILENT, None).seed = 1


def test_parameters_are_split_from_the_tests_that_have_stopped():
    options = SessionOptions.checked(SILENT, None, parameters={"plan": "gold", "runTest": {"greeting": False}})
    assert options.parameters_of(3) == ({"plan": "gold"}, {"greeting": False})


def test_parameters_of_single_sessions_come_from_rows_or_a_function():
    def each(index):
        return {"n": index, "runTest": {"greeting": index > 0}}

    options = SessionOptions.checked(SILENT, None, parameters=each, sessions=5, run_test={"other": False})
    assert options.parameters_of(0) == ({"n": 0}, {"other": False, "greeting": False})
    with pytest.raises(InputError, match="must be a dict whose keys are text"):
        SessionOptions.checked(SILENT, None, parameters=each)


def test_a_table_of_another_length_is_drawn_from_or_gone_through():
    contacts = pd.DataFrame({"name": ["Ann", "Bob", "Cy"]})
    with pytest.raises(InputError, match=r"has 3 rows and sessions is 300: .*vl\.draw_rows\(frame\)"):
        SessionOptions.checked(SILENT, None, parameters=contacts, sessions=300)

    def names(how, seed):
        options = SessionOptions.checked(SILENT, None, parameters=vl.draw_rows(contacts, how), sessions=300, seed=seed)
        return [options.parameters_of(index)[0]["name"] for index in range(300)]

    assert names("cycle", 0) == ["Ann", "Bob", "Cy"] * 100
    assert names("sample", 1) == names("sample", 1) != names("sample", 2)
    assert min(map(names("sample", 1).count, ["Ann", "Bob", "Cy"])) > 70


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"a": 1},), "must be a DataFrame"),
        ((pd.DataFrame({"a": []}),), "without rows"),
        ((pd.DataFrame({"a": [1]}), "shuffle"), "must be 'sample' or 'cycle'"),
    ],
)
def test_rows_that_cant_be_drawn_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        vl.draw_rows(*arguments)


def test_a_misspelt_key_of_the_configuration_gets_the_nearest_and_all_there_are():
    with pytest.raises(InputError, match=r"'timout', .*Did you mean 'timeout'.* Its keys: input_type, .*stt_model"):
        SessionOptions.checked(SILENT, None, configuration={"timout": 3})
