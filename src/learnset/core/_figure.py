"""The look that all figures share."""

import functools
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TYPE_CHECKING

from ._errors import needs
from ._files import write_file
from ._names import short

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
LONGEST = 100  # letters of a line of text in a figure
SCRIPTS = (  # fonts for letters that Matplotlib's own lacks, where they are installed
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Arial Unicode MS",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Nirmala UI",
)


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
    """Writes `name.png` and `name.svg`, the latter with the same bytes each time. Every text is
    shown as it is: names are not mathematics."""
    import matplotlib

    _show_as_it_is(figure)
    look: Any = {"svg.hashsalt": "learnset", "svg.fonttype": "path"}
    with matplotlib.rc_context(look), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that leave a panel no room
        kinds: Any = {"png": {"dpi": 130}, "svg": {"metadata": {"Date": None}}}
        for ending, options in kinds.items():
            content = io.BytesIO()
            figure.savefig(content, format=ending, facecolor="white", **options)
            write_file(folder / f"{name}.{ending}", content.getbuffer())


def in_legend(name: str) -> str:
    """A name for a legend: Matplotlib leaves out those that begin with an underscore.

    >>> in_legend("_mine"), in_legend("MAML")
    (' _mine', 'MAML')
    """
    return f" {name}" if name.startswith("_") else name


def attempt(name: str, draw: Callable[[], object]) -> list[str]:
    """Draws a figure. A long run is not lost with it: where drawing fails, a warning says so.

    **Returns:** its name, or nothing.

    >>> attempt("steps", lambda: None)
    ['steps']
    """
    try:
        draw()
    except Exception as error:
        message = f"The figure `{name}` could not be drawn ({type(error).__name__}: {error})."
        warnings.warn(message, stacklevel=2)
        return []
    return [name]


def _show_as_it_is(figure: "Figure") -> None:
    """Turns mathematics off in all texts but the numbers that Matplotlib writes along an axis."""
    from matplotlib.text import Text
    from matplotlib.ticker import FixedFormatter, FuncFormatter

    along, tickers = set(), {}
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            along |= set(axis.findobj(Text)) - {axis.label}
            if isinstance(axis.get_major_formatter(), FixedFormatter | FuncFormatter):
                tickers[id(axis.major)] = axis  # axes that share an axis share this
                axis.set_tick_params(labelfontfamily=list(_families()))
    for axis in tickers.values():
        axis.set_major_formatter(FuncFormatter(_as_it_is(axis.get_major_formatter())))
    for text in set(figure.findobj(Text)) - along:
        text.set_parse_math(False)
        text.set_fontfamily(list(_families()))
        text.set_text(_drawable(text.get_text()))


def _as_it_is(labels: Callable[[float, int | None], str]) -> Callable[[float, int | None], str]:
    """The same labels, in which a dollar begins no mathematics."""
    return lambda value, place: _drawable(labels(value, place)).replace("$", r"\$")


def _drawable(text: str) -> str:
    """Text whose lines fit a figure, in letters that some font has."""
    lines = [short(line, LONGEST) for line in text.split("\n")]
    letters = (c if c == "\n" or ord(c) in _letters() else ascii(c)[1:-1] for c in "\n".join(lines))
    return "".join(letters)


@functools.cache
def _families() -> tuple[str, ...]:
    from matplotlib.font_manager import fontManager

    installed = set(fontManager.get_font_names())
    return ("DejaVu Sans", *(name for name in SCRIPTS if name in installed))


@functools.cache
def _letters() -> frozenset[int]:
    """The letters that these fonts have."""
    from matplotlib.font_manager import findfont, get_font

    fonts = (get_font(findfont(family)) for family in _families())
    return frozenset().union(*(font.get_charmap() for font in fonts))
