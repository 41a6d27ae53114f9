"""A picture of a result as a file, for the command line."""

from pathlib import Path

from voicelab.base.errors import InputError
from voicelab.plots.result_like import ResultLike


def plot_to_file(result: ResultLike, kind: str, path: str | Path) -> None:
    """Draw a result into a file, in the format that its name ends in.

    Args:
        result: What `vl.analyze` returned.
        kind: A key of `KINDS`.
        path: Where to, such as `way.png` or `way.svg`; its background is transparent.

    Raises:
        InputError: there is no such kind, or the file can't be written.
    """
    # Without pyplot: no window opens, whatever matplotlib is set up for, and no figure stays.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from voicelab.plots import plot

    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    plot(result, kind, figure.add_subplot())
    try:
        figure.savefig(path, dpi=160)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"The picture {str(path)!r} can't be written: {reason}.") from None
