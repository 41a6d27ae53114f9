"""Parameters of sessions from a table that has not as many rows as there are sessions: a list of contacts, say."""

from typing import TYPE_CHECKING, Any, Literal

from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.seeds import Seeds

if TYPE_CHECKING:
    import pandas as pd


class DrawnRows:
    """A row for each session of a run, however many there are; made by `vl.draw_rows`.

    Args:
        rows: The rows, one dict each.
        how: `sample` or `cycle`.
    """

    def __init__(self, rows: tuple[dict[str, Any], ...], how: str) -> None:
        self.rows = rows
        self.how = how

    def at(self, run_seed: int, index: int) -> dict[str, Any]:
        """Return the row of a session.

        Args:
            run_seed: Seed of the run.
            index: Index of the session.
        """
        if self.how == "cycle":
            return self.rows[index % len(self.rows)]
        return self.rows[int(Seeds(run_seed, index).uniform("parameters") * len(self.rows))]

    def __repr__(self) -> str:
        return f"DrawnRows({self.how} of {len(self.rows):,} rows)"


def draw_rows(frame: "pd.DataFrame", how: Literal["sample", "cycle"] = "sample") -> DrawnRows:
    """Return parameters for `vl.run` and `vl.simulate` from a DataFrame of any length: each session gets one of its rows.

    Args:
        frame: One row a caller, such as a list of contacts; its columns are the names that the handler reads with
            `context.get_data`.
        how: `sample` draws a row for each session, each as often as any other, by the run's seed; `cycle` takes them in
            order and begins anew after the last.

    Raises:
        InputError: it is no DataFrame, has no rows, or how is neither.

    Example:
        >>> import pandas as pd, voicelab as vl
        >>> contacts = pd.DataFrame({"customerName": ["Ann", "Bob"]})
        >>> vl.draw_rows(contacts, how="cycle")
        DrawnRows(cycle of 2 rows)
    """
    if not (hasattr(frame, "to_dict") and hasattr(frame, "columns")):
        raise InputError(f"vl.draw_rows() was given {shown(frame)}, must be a DataFrame with one row a caller.")
    if how not in {"sample", "cycle"}:
        raise InputError(f"how is {shown(how)}, must be 'sample' or 'cycle'.")
    rows = rows_of(frame)
    if not rows:
        raise InputError("vl.draw_rows() was given a DataFrame without rows: there is nothing to draw from.")
    return DrawnRows(rows, how)


def rows_of(frame: "pd.DataFrame") -> tuple[dict[str, Any], ...]:
    """Return the rows of a frame, one dict each."""
    return tuple({str(key): value for key, value in row.items()} for row in frame.to_dict("records"))
