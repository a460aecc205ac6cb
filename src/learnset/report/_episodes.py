"""Picture of one few-shot task: the support set next to the query set."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core import (
    Batch,
    COLOURS,
    FAINT,
    INK,
    InputError,
    new_figure,
    short,
    Task,
    visible,
    write_figure,
)

MOST = 10  # images of a class in each set that fit on a page


def draw_episode(task: Task, names: Sequence[str] | None, folder: Path, name: str) -> None:
    """Draws one N-way K-shot task, a row for each class: the support set on the left, the query set
    on the right.

    **Arguments:**

    - `task`: images "points height width channels" of one or three channels, uint8 or from 0 to 1,
        and one-hot targets "points ways". Points of weight zero are left out.
    - `names`: of the classes, in the order of the targets; by default "class 1" and so on.
    - `folder`, `name`: where `name.png` and `name.svg` go.

    **Raises:** `InputError` where the inputs are no images, or the targets no classes.
    """
    ways = _check(task)
    names = [f"class {i + 1}" for i in range(ways)] if names is None else names
    if len(names) != ways:
        raise InputError(
            f"There are {len(names)} names, but the task has {ways} classes: one for each."
        )
    sets = [_by_class(batch) for batch in (task.support, task.query)]
    most = [max(1, *(min(len(images), MOST) for images in rows)) for rows in sets]
    cell = min(0.9, 9.6 / sum(most), 12.0 / ways)  # inches
    labels = [_label(each, lines=int(cell / 0.17)) for each in names]
    room = 0.09 * max(len(line) for label in labels for line in label.splitlines())
    figure, axes = new_figure(
        1, 2, width=1.6 + room + cell * sum(most), height=0.9 + cell * ways, width_ratios=most
    )
    drawn = _is_ink(task.support.x)
    for axis, rows, columns, colour in zip(axes[0], sets, most, COLOURS, strict=False):
        _draw_set(axis, rows, columns, drawn, colour)
    axes[0][0].set_yticks(np.arange(ways) + 0.5, labels, fontsize=10, color=INK)
    for axis, word, rows, colour in zip(axes[0], ("support", "query"), sets, COLOURS, strict=False):
        axis.set_title(f"{word} set\n{_counted(rows)} each", fontsize=11, color=colour)
    figure.suptitle(f"{ways}-way {_counted(sets[0])}-shot task", fontsize=12, color=INK)
    write_figure(figure, folder, name)


def _draw_set(axis, rows: list[np.ndarray], columns: int, ink: bool, colour: str) -> None:
    """One image a cell; where there are more than fit, the last cell says how many."""
    for row, images in enumerate(rows):
        fit = len(images) if len(images) <= MOST else MOST - 1
        for column, image in enumerate(images[:fit]):
            extent = (column + 0.04, column + 0.96, row + 0.96, row + 0.04)
            style = (
                {"cmap": "gray_r" if ink else "gray", "vmin": 0, "vmax": 1}
                if image.ndim == 2
                else {}
            )
            axis.imshow(image, extent=extent, interpolation="nearest", **style)
        if fit < len(images):
            more = f"{len(images) - fit}\nmore"
            axis.text(fit + 0.5, row + 0.5, more, ha="center", va="center", fontsize=9, color=FAINT)
    axis.set(xlim=(0, columns), ylim=(len(rows), 0), xticks=[], yticks=[], aspect="equal")
    axis.grid(False)
    axis.tick_params(length=0)
    for spine in axis.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.6)


def _by_class(batch: Batch) -> list[np.ndarray]:
    """The images of each class, as matplotlib takes them."""
    x, y, weight = (np.asarray(leaf) for leaf in (batch.x, batch.y, batch.weight))
    x = x / 255 if x.dtype == np.uint8 else x.clip(0, 1)
    x = x[..., 0] if x.shape[-1] == 1 else x
    there = weight.reshape(len(weight), -1).max(axis=1) > 0
    return [x[there & (y.argmax(axis=1) == i)] for i in range(y.shape[1])]


def _is_ink(x) -> bool:
    """Whether most pixels are empty: characters on an empty ground are shown as on paper, and
    photographs as they are."""
    return bool((np.asarray(x) == 0).mean() > 0.5)


def _counted(rows: list[np.ndarray]) -> str:
    low, high = min(len(images) for images in rows), max(len(images) for images in rows)
    return str(low) if low == high else f"{low}-to-{high}"


def _label(name: str, lines: int) -> str:
    """A class's name in at most `lines` lines of 18 characters; each part between slashes begins a
    line."""
    parts = [visible(part.replace("_", " ")) for part in name.split("/")]
    whole = "\n".join(textwrap.fill(part, 18) for part in parts)
    if whole.count("\n") < lines:
        return whole
    if lines >= len(parts):
        return "\n".join(short(part, 18) for part in parts)
    return short(" ".join(parts), 24)


def _check(task: Task) -> int:
    """The number of classes."""
    shape, targets = task.support.x.shape, task.support.y.shape
    if len(shape) != 4 or shape[-1] not in (1, 3):
        raise InputError(
            f"The inputs have the shape {shape}; only images, (points, height, width, 1 or 3), are"
            " drawn."
        )
    if len(targets) != 2 or task.query.y.shape[1:] != targets[1:]:
        raise InputError(
            f"The targets have the shape {targets}; classes are one-hot: (points, ways)."
        )
    return targets[1]
