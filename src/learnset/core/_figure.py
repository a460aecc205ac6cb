"""The look that all figures share."""

from pathlib import Path
from typing import Any, TYPE_CHECKING

from ._errors import needs

# Imported where it is used: it takes a second, which `learnset --help` need not wait for.
if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe & Ito 2008: colours that most colour-blind readers can tell apart.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C510A",
    "#5E4FA2",
    "#666666",
)
INK = "#1a1a1a"
FAINT = "#9a9a9a"


def new_figure(
    rows: int, columns: int, *, width: float, height: float, **options: Any
) -> tuple["Figure", Any]:
    """A new figure of width x height inches and its axes, "rows columns"."""
    with needs("report"):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=9)
        axis.grid(alpha=0.2, linewidth=0.6)
    return figure, axes


def write_figure(figure: "Figure", folder: Path, name: str) -> None:
    """Writes `name.png` and `name.svg`, the latter with the same bytes each time."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "learnset", "svg.fonttype": "path"}):
        figure.savefig(folder / f"{name}.png", dpi=130, facecolor="white")
        figure.savefig(folder / f"{name}.svg", facecolor="white", metadata={"Date": None})
