"""Where gradient descent on a task overshoots: the edge of stability of MAML's steps."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from learnset.comparison import Outcome
from learnset.core import (
    at,
    Batch,
    COLOURS,
    FAINT,
    INK,
    mse,
    new_figure,
    predict,
    Task,
    write_figure,
)
from learnset.transfer import FineTune

from ._study import DIVERGED, to_decimals

EDGE = 2.0  # of step size times curvature: above it gradient descent on a parabola diverges
STEPS = 5  # after which errors are compared
DRAWN = 1500  # tasks of a learner in the figure


def curvature(model: Any, points: Batch) -> Float[Array, ""]:
    """The largest eigenvalue of the Gauss-Newton matrix of the mean squared error on `points`."""
    moving, fixed = eqx.partition(model, eqx.is_inexact_array)

    def predictions(moving: Any) -> Float[Array, "points"]:
        return predict(eqx.combine(moving, fixed), points.x)[:, 0]

    leaves = jax.tree.leaves(jax.jacrev(predictions)(moving))
    jacobian = jnp.concatenate([leaf.reshape(len(points.x), -1) for leaf in leaves], axis=1)
    return 2 / len(points.x) * jnp.linalg.eigvalsh(jacobian @ jacobian.T)[-1]


def edge_of(
    outcome: Outcome, asked: Task, common: dict[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows on the tasks within and beyond the edge after the first step, and data of the figure.

    **Arguments:** `asked`: the tasks, "seeds tasks". `common`: the first fields of a row.
    """
    adapter: Any = outcome.recipe.adapters[0]
    first, shots = FineTune(mse, adapter.lr, 1), outcome.shots[0]

    @eqx.filter_jit
    def products(model: Any, supports: Batch) -> Float[Array, "tasks"]:
        def one(support: Batch) -> Float[Array, ""]:
            points = jax.tree.map(lambda leaf: leaf[:shots], support)
            return adapter.lr * curvature(first.adapt(model, points), points)

        return jax.vmap(one)(supports)

    seeds = range(len(asked.index))
    product = np.stack(
        [np.asarray(products(at(outcome.models, s), at(asked.support, s))) for s in seeds]
    )
    errors = np.asarray(outcome.at(shots, STEPS), np.float64)
    stays, beyond = errors < DIVERGED, product > EDGE
    values = {
        "share of tasks beyond the edge": beyond.mean(),
        "squared error within the edge": errors[~beyond & stays].mean(),
        "squared error beyond the edge": errors[beyond & stays].mean() if beyond.any() else None,
        "share of diverged tasks": 1 - stays.mean(),
    }
    common = common | {"part": "edge of stability", "steps": STEPS}
    rows = [
        common | {"quantity": name, "value": float(value)}
        for name, value in values.items()
        if value is not None
    ]
    data = {"product": product.ravel()[:DRAWN], "error": errors.ravel()[:DRAWN]}
    data["error"] = np.minimum(data["error"], DIVERGED)
    return rows, {name: to_decimals(each) for name, each in data.items()}


def draw_edge(
    curves: dict[str, list[dict[str, Any]]],
    published: Mapping[int, float],
    clouds: dict[str, dict[str, list[float]]],
    folder: Path,
) -> None:
    """Error against steps with both step sizes, next to the published; and the error of each task
    against its distance from the edge."""
    figure, axes = new_figure(1, 2, width=10, height=3.8)
    left, right = axes[0]
    for colour, (name, rows) in zip(COLOURS, curves.items(), strict=False):
        steps = [row["steps"] for row in rows]
        errors, label = [row["value"] for row in rows], f"MAML, steps of {rows[0]['lr']:g}"
        left.plot(steps, errors, "o-", color=colour, label=label, markersize=4)
        for seed in zip(*(row["by_seed"] for row in rows), strict=True):
            left.plot(steps, seed, color=colour, alpha=0.3, linewidth=0.8)
        cloud = clouds[name]
        style = {"color": colour, "alpha": 0.35, "markersize": 3, "markeredgewidth": 0}
        right.plot(cloud["product"], np.maximum(cloud["error"], 1e-3), "o", **style)
    left.plot(*zip(*published.items(), strict=True), "D", color=INK, label="published")
    left.set(xlabel="gradient steps on five points", ylabel="mean squared error", ylim=(0, 1.5))
    left.legend(frameon=False, fontsize=9)
    right.axvline(EDGE, color=FAINT, linestyle=":", linewidth=1.5)
    right.set(xscale="log", yscale="log", ylabel=f"squared error of a task after {STEPS} steps")
    right.set_xlabel("step size × largest curvature of its loss, after one step")
    write_figure(figure, folder, "edge")
