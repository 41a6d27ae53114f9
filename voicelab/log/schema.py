"""The Parquet schemas of a session log, made from the columns that `voicelab.base.records` lists."""

from collections.abc import Iterable

import pyarrow as pa

from voicelab.base.records import DERIVED, STORED, TABLES

_TYPES = {
    "text": pa.string(),
    "json": pa.string(),
    "category": pa.dictionary(pa.int32(), pa.string()),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
}


def columns(table: str) -> dict[str, str]:
    """Return a table's columns and their storage types, as they are stored: `session_id` stands in every table."""
    own = STORED[table]
    return own if "session_id" in own else {"session_id": "category", **own}


def schema(table: str) -> pa.Schema:
    """Return a table's schema."""
    return pa.schema([(name, _TYPES[kind]) for name, kind in columns(table).items()])


SCHEMAS: dict[str, pa.Schema] = {table: schema(table) for table in TABLES}
DERIVED_SCHEMAS: dict[str, pa.Schema] = {table: schema(table) for table in DERIVED}
STORED_SCHEMAS: dict[str, pa.Schema] = {**SCHEMAS, **DERIVED_SCHEMAS}

UNREADABLE = (OSError, pa.ArrowException, UnicodeError)
"""What reading a damaged file raises: the last where the name of a column is what was damaged."""


def without_categories(schema: pa.Schema, names: Iterable[str]) -> pa.Schema:
    """Return some columns of a schema, with text where it has categories."""
    own = [schema.field(name) for name in names]
    return pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in own])
