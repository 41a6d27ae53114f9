"""DataFrames, and files of them, made to break an analysis: `vl.analyze`, and its result shown, drawn and written."""

import datetime as dt
import json
import random
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd

import voicelab as vl
from fuzz import hostile
from fuzz.judge import Refused, Walk

_KINDS = [
    "object",
    "object",
    "object",
    "float64",
    "float32",
    "int64",
    "bool",
    "category",
    "datetime",
    "timedelta",
    "string",
    "Int64",
    "complex",
    "decimal",
    "date",
    "Float64",
    "boolean",
]
_NAMES = ["variant", "y", "g", "session_id", "time"]
_USUAL = {"variant": ["a", "b"], "y": [0, 1, 1, 0, 1], "g": [0.5, 1.5, 2.0], "session_id": [], "time": [1, 2, 3]}
_ARGUMENTS: dict[str, list[Any]] = {
    "outcome": ["y", ["y", "g"], "y=a", "g", "", None, "vlx", ["y", "y"]],
    "variant": ["variant", "y", "vlx", None, ""],
    "weights": [
        None,
        {"a": 0.5, "b": 0.5},
        {"a": 1},
        {"a": 1e308, "b": 1e308},
        {"a": 5e-324, "b": 1},
        {},
        {"a": 0, "b": 1},
        {"a": -1, "b": 1},
    ],
    "by": [None, "g", "session_id", "y", "vlx"],
    "guardrails": [[], ["g"], ["vlx"], "g", ["y"], {"g": 0.5}, {"y": -0.1}, {"g": "vlx"}, {"g": 1e308}],
    "kind": [None, "binary", "count", "float", "string", "vlx"],
    "unit": [None, "session_id", "g"],
    "bounds": [None, [0, 1], [1, 0], [0, "x"], [-1e308, 1e308]],
    "cap": [None, 1, [0, 10], -1, "x", 1e308],
    "order": [None, "time", "vlx", "g"],
    "missing": ["default", "exclude", "vlx"],
    "path": [True, False],
}


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: columns with their kinds and values, rows, and arguments."""
    columns = {name: ["object", list(_USUAL[name])] for name in _NAMES[: rng.choice([2, 2, 3, 5])]}
    for _ in range(rng.choice([1, 1, 2])):
        name = rng.choice(list(columns))
        values = columns[name][1]
        columns[name] = [rng.choice(_KINDS), values + [hostile.some(rng) for _ in range(rng.choice([0, 1, 1, 2]))]]
    if rng.random() < 0.1:
        columns[hostile.some_text(rng)] = ["object", [hostile.some(rng)]]
    arguments = {name: rng.choice(_ARGUMENTS[name]) for name in rng.sample(list(_ARGUMENTS), rng.choice([0, 0, 1, 2]))}
    if rng.random() < 0.1:
        arguments[rng.choice(list(_ARGUMENTS))] = hostile.some(rng)
    form = rng.choice(["frame", "frame", "frame", "csv", "parquet", "arrow"])
    return {
        "columns": columns,
        "rows": rng.choice([0, 2, 40, 40, 40, 40, 40, 300]),
        "arguments": arguments,
        "form": form,
    }


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Analyse the frame, and show what comes of it."""
    data = _data(it, case)
    arguments = {"outcome": "y"} | {
        name: _tuples(value) for name, value in case["arguments"].items() if name in _ARGUMENTS
    }
    with it.door():
        result = vl.analyze(data, **arguments)
    it.text(f"{result!r}{result}")
    it.html(result._repr_html_())
    it.json(json.dumps(result.to_json()))
    result.variants.to_csv(it.folder / "variants.csv")
    result.comparisons.to_json(orient="records")
    if it.depth > 1:
        it.asks(result.plot)
        it.html(result.to_html(it.folder / "result.html").read_text(encoding="utf-8"))


def _data(it: Walk, case: dict[str, Any]) -> Any:
    """Return the data as a user would have them; what pandas itself can't make is no case."""
    try:
        frame = pd.DataFrame(
            {name: _column(kind, values, case["rows"]) for name, (kind, values) in case["columns"].items()}
        )
        if case["form"] == "arrow":
            import pyarrow as pa

            return pa.Table.from_pandas(frame)
        if case["form"] == "frame":
            return frame
        path = it.folder / f"data.{case['form']}"
        frame.to_csv(path, index=False) if case["form"] == "csv" else frame.to_parquet(path)
    except Exception as error:
        raise Refused(f"pandas: {error}") from None
    return path


def _column(kind: str, values: list[Any], rows: int) -> Any:
    own = [_value(value) for value in values] or [f"s{n}" for n in range(rows)]
    column = [own[n % len(own)] for n in range(rows)]
    if kind == "object":
        return pd.Series(column, dtype=object)
    if kind in {"decimal", "date", "complex"}:
        return pd.Series([_of(kind, value) for value in column], dtype=object if kind != "complex" else complex)
    if kind in {"datetime", "timedelta"}:
        made = pd.to_datetime if kind == "datetime" else pd.to_timedelta
        return made(pd.Series(column, dtype=object), errors="coerce")
    if kind in {"float64", "float32", "int64", "Int64", "Float64"}:
        return (
            pd.to_numeric(pd.Series(column, dtype=object), errors="coerce")
            .fillna(0 if kind == "int64" else np.nan)
            .astype(kind)
        )
    return pd.Series(column, dtype=object).astype(kind)


def _value(value: Any) -> Any:
    try:
        return json.loads(hostile.text_of(value)) if isinstance(value, dict) else value
    except (ValueError, RecursionError):
        return None


def _of(kind: str, value: Any) -> Any:
    if kind == "date":
        return dt.date(2026, 1, 1 + len(str(value)) % 28)
    try:
        return Decimal(str(value)) if kind == "decimal" else complex(value)
    except (ArithmeticError, ValueError, TypeError):
        return Decimal("sNaN") if kind == "decimal" else 1j


def _tuples(value: Any) -> Any:
    value = _value(value)
    return tuple(value) if isinstance(value, list) and value and not isinstance(value[0], str) else value
