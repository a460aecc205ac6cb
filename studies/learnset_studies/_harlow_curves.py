"""Curves of learners of Harlow's problems, with vectors or pictures for objects."""

from typing import Any

from ._pages import Row, select, styles


def draw_learners(axis: Any, rows: list[Row], *, columns: int) -> None:
    """A curve over trials for each learner.

    **Arguments:** `columns`: of the legend.
    """
    for name, style in styles(rows).items():
        curve = select(rows, recipe=name)
        trials, values, half = ([r[k] for r in curve] for k in ("trial", "value", "ci95"))
        axis.errorbar(trials, values, half, capsize=2, label=name, linewidth=1.6, **style)
    axis.set(xlabel="trial of a problem", title="learners on new problems")
    axis.legend(
        frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns
    )


def draw_seeds(axis: Any, curve: list[Row], label: str, colour: Any) -> None:
    """One trial in the course of training, a line for each seed."""
    steps = [r["steps"] for r in curve]
    for i, seed in enumerate(zip(*(r["by_seed"] for r in curve), strict=True)):
        named = f"{label}, each seed" if i == 0 else None
        axis.plot(steps, seed, color=colour, linewidth=1.2, alpha=0.8, label=named)
