"""The samples that come with voicelab: found from any folder, by name."""

from pathlib import Path
from typing import TYPE_CHECKING

from voicelab.base.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_ABOUT = {
    "agents/clinic": 'an agent, vl.load_handler("clinic"): a booking line whose greeting is under test',
    "agents/clinic_next": 'the clinic, changed and made a little worse: vl.compare("clinic", "clinic_next", ...) finds it',
    "agents/greeting": 'an agent, vl.load_handler("greeting"): three greetings, and whether the caller was satisfied',
    "agents/reminder": 'a whole project, vl.load_handler("reminder"): it calls people about their appointments',
    "logs/greeting": "a log, vl.open_log(path): 2,000 sessions of the agent greeting, ready to be decided",
    "scripts/booking.json": "a caller, vl.Script.load(path): what somebody says who books at the clinic",
    "scenarios/clinic.scenario.yaml": "tests, `voicelab test PATH`: what must be so when somebody calls the clinic",
}


def samples() -> "pd.DataFrame":
    """Return the samples that come with voicelab: one row each, by name, with columns about and path.

    An agent among them is loaded by the last part of its name, from any folder: `vl.load_handler("clinic")`.
    """
    import pandas as pd

    found = {name: path for name in _ABOUT if (path := _find(name)) is not None}
    rows = {"about": [_ABOUT[name] for name in found], "path": [str(path) for path in found.values()]}
    return pd.DataFrame(rows, index=pd.Index(list(found), name="sample"))


def sample_agents() -> dict[str, Path]:
    """Return the folders of the agents among the samples, by the name that `load_handler` takes."""
    names = (name for name in _ABOUT if name.startswith("agents/"))
    return {name.removeprefix("agents/"): path for name in names if (path := _find(name)) is not None}


def sample(name: str) -> Path:
    """Return the path of a sample.

    Args:
        name: Its name, as `samples` lists it.

    Raises:
        InputError: this installation has no samples.
    """
    path = _find(name)
    if path is None:
        raise InputError(f"The sample {name!r} isn't part of this installation; give the path of a file of your own.")
    return path


def _find(name: str) -> Path | None:
    package = Path(__file__).resolve().parents[1]
    # In a wheel they lie in the package, in a checkout beside it.
    return next((data / name for data in (package / "_data", package.parent / "data") if (data / name).exists()), None)
