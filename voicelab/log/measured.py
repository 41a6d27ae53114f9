"""The measures of all sessions as one table, for whoever reckons with them."""

import pyarrow as pa

from voicelab.log.measured_parts import TABLE
from voicelab.log.read import Log
from voicelab.log.schema import STORED_SCHEMAS


def measures_table(log: Log) -> pa.Table:
    """Return the measures of a log's sessions in order: session_id, session_index, and one column a measure.

    Args:
        log: The log.

    Raises:
        LogError: it is damaged.
    """
    return log.columns(TABLE, STORED_SCHEMAS[TABLE].names)
