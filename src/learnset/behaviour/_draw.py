"""Pictures of swims: paths, maps of search, and animations."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ..core import COLOURS, INK, InputError, needs, new_figure, write_figure, write_file
from ._measures import between, Place, Places, Times
from ._swims import Arena

Paths = Sequence[tuple[Times, Places]]
FRAMES = 15  # per second
WATER, WALL, ZONE = "#eef5f9", "#7f98a8", "#8fa9b8"


def draw_swims(
    paths: Paths,
    platforms: Places,
    titles: Sequence[str],
    arena: Arena,
    folder: Path,
    name: str,
    columns: int = 4,
) -> None:
    """Writes `name.png` and `name.svg`: a panel for each swim, its path coloured by the time since
    its start, with a ring at its start and a point at its end. All panels share one scale of
    colours and of places."""
    with needs("report"):
        from matplotlib import colormaps
        from matplotlib.collections import LineCollection
        from matplotlib.colors import ListedColormap

    # Without the yellow end, which is pale on water.
    colours = ListedColormap(colormaps["viridis"](np.linspace(0, 0.92, 256)))
    figure, axes = _panels(titles, columns, arena)
    drawn = None
    for axis, (times, places), platform in zip(axes, paths, platforms, strict=True):
        _pool(axis, arena, platform)
        lines = np.stack([places[:-1], places[1:]], axis=1)
        drawn = LineCollection(list(lines), cmap=colours, linewidth=1.4, capstyle="round", zorder=4)
        drawn.set_array((times[:-1] + times[1:]) / 2)
        drawn.set_clim(0, max(float(times[-1]) for times, _ in paths))
        axis.add_collection(drawn)
        axis.plot(
            *places[0], "o", markersize=5, markerfacecolor="white", markeredgecolor=INK, zorder=5
        )
        axis.plot(*places[-1], "o", markersize=4, color=INK, zorder=5)
    _colour_bar(figure, axes, drawn, "seconds since the start")
    write_figure(figure, folder, name)


def draw_search_maps(
    groups: Sequence[Paths],
    platforms: Places,
    titles: Sequence[str],
    arena: Arena,
    folder: Path,
    name: str,
    columns: int = 3,
) -> None:
    """Writes `name.png` and `name.svg`: a panel with the `search_map` of each group of swims. All
    panels share one scale of colours."""
    maps = [search_map(paths, pool_radius=arena.pool_radius) for paths in groups]
    figure, axes = _panels(titles, columns, arena)
    drawn, extent = None, (-arena.pool_radius, arena.pool_radius) * 2
    for axis, spent, platform in zip(axes, maps, platforms, strict=True):
        wall = _pool(axis, arena, platform)
        drawn = axis.imshow(
            spent,
            extent=extent,
            origin="lower",
            cmap="magma_r",
            vmin=0,
            vmax=np.nanmax(maps),
            zorder=2,
        )
        drawn.set_clip_path(wall)
    _colour_bar(figure, axes, drawn, "time spent (even search: 1)")
    write_figure(figure, folder, name)


def search_map(
    paths: Paths, *, pool_radius: float = 1.0, width: float = 0.08, cells: int = 120
) -> Float[np.ndarray, "cells cells"]:
    """The time spent at each place of the pool, as a multiple of what an even search would spend
    there; NaN outside.

    Rows run from south to north, columns from west to east. Each swim counts in proportion to its
    duration; the mean over the pool is 1.

    **Arguments:**

    - `pool_radius`, `width`: metres; `width` is the standard deviation of the smoothing.
    - `cells`: the number of rows and of columns.

    >>> spent = search_map([(np.array([0.0, 1.0]), np.array([[-0.5, 0.0], [-0.5, 0.1]]))])
    >>> bool(spent[60, 30] > 10), bool(spent[60, 90] < 0.001), round(float(np.nanmean(spent)), 2)
    (True, True, 1.0)
    """
    from scipy.ndimage import gaussian_filter

    edges = np.linspace(-pool_radius, pool_radius, cells + 1)
    spent = np.zeros((cells, cells))
    for times, places in paths:
        # Seconds; no animal crosses a cell in 0.02 of them.
        moments = np.arange(times[0], times[-1], 0.02) + 0.01
        east, north = (np.interp(moments, times, along) for along in np.asarray(places).T)
        spent += np.histogram2d(north, east, bins=[edges, edges])[0]
    fine = np.linspace(-pool_radius, pool_radius, 16 * cells + 1)[4::8]  # two readings a cell
    inside = np.hypot(fine[:, None], fine) <= pool_radius
    water = inside.reshape(cells, 2, cells, 2).mean(axis=(1, 3))
    sigma = width * cells / (2 * pool_radius)
    spent = gaussian_filter(np.where(water > 0, spent, 0), sigma, mode="constant")
    if not spent.sum() > 0:
        raise InputError(
            "search_map: no path was in the pool. Are places in metres from its centre?"
        )
    # Divided by the smoothed water, because near the wall part of the smoothing lies outside.
    density = spent / np.where(water > 0, gaussian_filter(water, sigma, mode="constant"), 1)
    return np.where(water >= 0.5, density / np.average(density, weights=water), np.nan)


def animate_swim(
    times: Times,
    places: Places,
    platform: Place,
    arena: Arena,
    folder: Path,
    name: str,
    *,
    speed: float = 4.0,
) -> None:
    """Writes `name.gif`: the swim at `speed` times its real speed, the last two seconds bright and
    the path before them faint. The last frame stays for a second."""
    with needs("images"):
        from PIL import Image

    figure, (axis,) = _panels([""], 1, arena, margin=0.0)
    # A new layout for each frame would take most of the time and make the picture shake.
    figure.set_layout_engine("none")
    axis.set_position((0.02, 0.02, 0.96, 0.89))
    figure.set_dpi(150)
    _pool(axis, arena, platform)
    # The pool is drawn once, and the moving parts on a copy of it.
    canvas = figure.canvas
    canvas.draw()
    pool = canvas.copy_from_bbox(figure.bbox)
    (trail,) = axis.plot([], [], linewidth=1, alpha=0.4, color=COLOURS[0], zorder=4)
    (wake,) = axis.plot([], [], linewidth=2.2, color=COLOURS[0], solid_capstyle="round", zorder=4)
    (animal,) = axis.plot([], [], "o", markersize=7, color=INK, zorder=5)

    def frame(now: float) -> Any:
        swum = between(times, places, times[0], now)[1]
        trail.set_data(*swum.T)
        wake.set_data(*between(times, places, now - 2.0, now)[1].T)
        animal.set_data(*swum[-1:].T)
        axis.title.set_text(f"{now:.0f} s")
        canvas.restore_region(pool)
        for artist in (trail, wake, animal, axis.title):
            axis.draw_artist(artist)
        pixels = bytes(canvas.buffer_rgba())
        return Image.frombuffer("RGBA", canvas.get_width_height(), pixels).convert("RGB")

    step = speed / FRAMES
    moments = [*np.arange(times[0] + step, times[-1], step), *[times[-1]] * FRAMES]
    # One palette for all frames: that of the last one, which has all colours.
    colours = frame(moments[-1]).quantize(64)
    frames = [frame(now).quantize(palette=colours, dither=Image.Dither.NONE) for now in moments]
    content = io.BytesIO()
    frames[0].save(
        content,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / FRAMES),
        loop=0,
    )
    write_file(folder / f"{name}.gif", content.getbuffer())


def _panels(
    titles: Sequence[str], columns: int, arena: Arena, margin: float = 0.9
) -> tuple[Any, Any]:
    """A figure with one square panel for each title, and `margin` inches on the right for a colour
    bar."""
    columns = min(columns, len(titles))
    rows = -(-len(titles) // columns)
    figure, axes = new_figure(rows, columns, width=2.6 * columns + margin, height=2.85 * rows)
    figure.set_layout_engine("constrained", w_pad=0.06, h_pad=0.06)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, title in zip(axes.flat, titles, strict=False):
        reach = 1.02 * arena.pool_radius
        axis.set(aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
        axis.set_title(title, fontsize=10, color=INK, pad=4)
    return figure, axes.flat[: len(titles)]


def _pool(axis: Any, arena: Arena, platform: Place) -> Any:
    """Draws the pool with its zones and the platform. Returns the wall."""
    from matplotlib.patches import Circle

    for zone in arena.zones:
        circle = Circle(
            zone,
            arena.zone_radius,
            fill=False,
            edgecolor=ZONE,
            linewidth=0.8,
            linestyle="--",
            zorder=3,
        )
        axis.add_patch(circle)
    east, north = (float(x) for x in platform)
    disc = Circle(
        (east, north),
        arena.platform_radius,
        facecolor=COLOURS[1],
        edgecolor="white",
        linewidth=0.8,
        zorder=3,
    )
    axis.add_patch(disc)
    axis.add_patch(Circle((0, 0), arena.pool_radius, facecolor=WATER, edgecolor="none", zorder=1))
    return axis.add_patch(
        Circle((0, 0), arena.pool_radius, fill=False, edgecolor=WALL, linewidth=1.2, zorder=3)
    )


def _colour_bar(figure: Any, axes: Any, drawn: Any, label: str) -> None:
    bar = figure.colorbar(drawn, ax=list(axes), shrink=0.8, pad=0.02, aspect=28)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.outline.set_visible(False)
