"""A test's declaration as its exposures hold it: JSON text, which is one of voicelab's or none."""

import json
from typing import Any

from voicelab.base.accepted_types import Given
from voicelab.base.checks import is_number
from voicelab.base.errors import LogError
from voicelab.base.masking import shown


def read_declaration(text: str) -> dict[str, Any]:
    """Return a declaration: `variants` with their weights (None where nobody says them), `stop` and `conversion_metrics`.

    Args:
        text: The cell of the column `declaration`.

    Raises:
        LogError: it is none.
    """
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        found = None
    if not _is_declaration(found):
        raise LogError(
            f"An exposure has the declaration {shown(text)}, which voicelab never writes: it needs variants with their weights, "
            "stop and conversion_metrics. Take the log from where it came from again."
        )
    declaration: dict[str, Any] = found
    return declaration


def _is_declaration(found: Given) -> bool:
    if not isinstance(found, dict):
        return False
    variants, metrics = found.get("variants"), found.get("conversion_metrics")
    return (
        isinstance(variants, dict)
        and all(weight is None or (is_number(weight) and weight >= 0) for weight in variants.values())
        and isinstance(found.get("stop"), dict)
        and isinstance(metrics, list)
        and all(isinstance(name, str) for name in metrics)
    )
