"""A figure as an SVG element for a page, in which letters and lines take the page's own ink."""

import io
import re
from typing import TYPE_CHECKING

from voicelab.plots import style

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def as_svg(figure: "Figure") -> str:
    """Return a figure as an SVG element without scripts and without anything from outside, and close it.

    Letters are drawn as outlines, so that it looks alike wherever it is opened; what is drawn in grey, since nobody knows
    the background of a PNG, takes `currentColor` here.
    """
    import matplotlib.pyplot as plt

    written = io.StringIO()
    figure.savefig(written, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    drawn = written.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    for grey in style.GREYS:
        drawn = re.sub(re.escape(grey), "currentColor", drawn, flags=re.IGNORECASE)
    # As wide as the page lets it be; the viewBox keeps its shape.
    return re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"([^>]*?) (?:width|height)="[^"]*"', r"\1\2", drawn, count=1)
