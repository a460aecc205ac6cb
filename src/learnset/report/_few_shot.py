"""Pictures of few-shot classification: a task, its features before and after adaptation, and the
confusion of its classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float

from ..comparison import Comparison, Outcome, Setting
from ..core import (
    at,
    attempt,
    COLOURS,
    FAINT,
    features,
    INK,
    new_figure,
    predict,
    settled,
    short,
    Split,
    Task,
    write_figure,
)
from ..tasks import Episodes
from ._episodes import draw_episode

MOST_CLASSES = 10  # that colours tell apart in one picture
SHORTEST = 3  # letters of a name that stands below a column


def draw_few_shot(
    comparison: Comparison,
    episodes: Episodes,
    make_model: Any,
    shots: int,
    folder: Path,
    *,
    seed: int,
    show: bool = True,
) -> list[str]:
    """Draws one held-out task as it is (if `show`), as features, and as a table of confusions.

    **Returns:** the names of the figures, without endings.
    """
    key = jr.key(seed)
    task, names = episodes.with_shots(shots, episodes.queries).named(Split.TEST, key=key)
    drawn: list[str] = []
    if show and task.support.x.ndim == 4 and task.support.x.shape[-1] in (1, 3):
        drawn += attempt("episode", lambda: draw_episode(task, names, folder, "episode"))
    if episodes.ways <= MOST_CLASSES:
        views = _views(comparison, make_model(key), task, shots)
        if views:
            drawn += attempt("embeddings", lambda: draw_embeddings(task, views, folder))
    best = _best(comparison, shots)
    if best is not None:
        smallest = episodes.pool(Split.TEST).smallest
        seen: Any = best.recipe.view(episodes.with_shots(shots, smallest - shots))
        many, classes = seen.named(Split.TEST, key=key)

        def draw() -> None:
            draw_confusion(_predictor(best, many, shots), many, classes, best.name, folder)

        drawn += attempt("confusion", draw)
    return drawn


def _best(comparison: Comparison, shots: int) -> Outcome | None:
    """The recipe that is best on validation tasks, of those that have features and see one query at
    a time."""
    outcomes = [
        outcome
        for outcome in comparison
        if outcome.models is not None
        and outcome.recipe.setting in (Setting.META, Setting.TRANSFER)
        and not outcome.transductive
    ]
    return comparison.recommended(shots, outcomes)


def _first(outcome: Outcome) -> Any:
    """The model of the first seed."""
    return at(outcome.models, 0)


def _predictor(outcome: Outcome, task: Task, shots: int) -> Any:
    choice = outcome.chosen[outcome.shots.index(shots)][0]
    adapter: Any = outcome.recipe.adapters[choice.adapter]
    return eqx.filter_jit(adapter.adapt)(_first(outcome), task.support)


def _views(comparison: Comparison, initial: Any, task: Task, shots: int) -> dict[str, Array]:
    """Features of the task's points: by the initial network, by a trained one, and by that after
    adaptation."""
    points = task.points
    views = {"the initial network": _features(settled(initial, task.support), points.x)}
    outcomes = {outcome.name: outcome for outcome in comparison}
    if "ProtoNet" in outcomes:
        views["ProtoNet"] = _features(settled(_first(outcomes["ProtoNet"]), task.support), points.x)
    if "MAML" in outcomes:
        views["MAML, before adaptation"] = _features(
            settled(_first(outcomes["MAML"]), task.support), points.x
        )
        views["MAML, after adaptation"] = _features(
            _predictor(outcomes["MAML"], task, shots), points.x
        )
    return views if len(views) > 1 else {}


@eqx.filter_jit
def _features(model: Any, xs: Array) -> Float[Array, "points features"]:
    return features(model, xs)


def draw_embeddings(task: Task, views: dict[str, Array], folder: Path) -> None:
    """`embeddings`: features of one task in the plane of their two main directions, a panel for
    each network."""
    figure, axes = new_figure(1, len(views), width=0.4 + 3.0 * len(views), height=3.6)
    labels, support = np.asarray(task.points.y).argmax(axis=1), len(task.support.weight)
    for axis, (title, values) in zip(axes[0], views.items(), strict=True):
        places, share = principal(np.asarray(values))
        for label in range(task.support.y.shape[1]):
            mine = labels == label
            asked, shown = mine.copy(), mine.copy()
            asked[:support], shown[support:] = False, False
            colour = COLOURS[label % len(COLOURS)] if label < len(COLOURS) else INK
            axis.plot(
                *places[asked].T, "o", color=colour, markersize=4, alpha=0.55, markeredgewidth=0
            )
            axis.plot(*places[shown].T, "^", color=colour, markersize=9, markeredgecolor="white")
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(f"{share:.0%} of the variance", fontsize=9)
        axis.set(xticks=[], yticks=[])
    axes[0][0].plot([], [], "^", color=FAINT, markersize=9, label="support")
    axes[0][0].plot([], [], "o", color=FAINT, markersize=4, label="query")
    axes[0][0].legend(frameon=False, fontsize=8)
    write_figure(figure, folder, "embeddings")


def principal(
    values: Float[np.ndarray, "points features"],
) -> tuple[Float[np.ndarray, "points 2"], float]:
    """Points in the plane of their two main directions, and the share of the variance that it has.

    >>> import numpy as np
    >>> places, share = principal(np.array([[0.0, 0.0, 1.0], [2.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    >>> places.shape, round(share, 3)
    ((3, 2), 1.0)
    """
    centred = values - values.mean(axis=0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    left, size = left[:, :2] * size[:2], size**2
    missing = 2 - left.shape[1]
    return np.pad(left, ((0, 0), (0, missing))), float(size[:2].sum() / max(size.sum(), 1e-12))


def draw_confusion(
    predictor: Any, task: Task, names: Sequence[str], recipe: str, folder: Path
) -> None:
    """`confusion`: how many queries of each class of one task were predicted to be of which, in the
    order of their names. Classes have numbers where a name is too long to stand below a column."""
    order, columns = in_order(names)
    count = confusion(predictor, task)[np.ix_(order, order)]
    ways = len(count)
    side = max(2.6, min(9.0, 0.42 * ways + 0.9))
    figure, axes = new_figure(1, 1, width=side + 2.4, height=side)
    axis = axes[0][0]
    axis.imshow(count, cmap="Blues", vmin=0, vmax=count.sum(axis=1).max())
    for row in range(ways):
        for column in range(ways):
            if count[row, column]:
                shade = "white" if count[row, column] > 0.6 * count.sum(axis=1).max() else INK
                axis.text(
                    column,
                    row,
                    int(count[row, column]),
                    ha="center",
                    va="center",
                    fontsize=8,
                    color=shade,
                )
    lines = [short(names[place], 34) for place in order]
    if columns != lines:
        lines = [f"{line}  {column}" for line, column in zip(lines, columns, strict=True)]
    axis.set_yticks(range(ways), lines, fontsize=8)
    axis.set_xticks(range(ways), columns, fontsize=8)
    axis.grid(False)
    axis.set(xlabel="predicted class", ylabel="true class")
    axis.set_title(
        f"{recipe}: {np.trace(count) / max(count.sum(), 1):.1%} right on this task", fontsize=10
    )
    write_figure(figure, folder, "confusion")


def in_order(names: Sequence[str]) -> tuple[list[int], list[str]]:
    """The places of names in their order, and what stands below a column for each: the name if all
    are short, or its number.

    >>> in_order(["10", "9", "1"]), in_order(["cats", "a"])
    (([2, 1, 0], ['1', '9', '10']), ([1, 0], ['1', '2']))
    """
    brief = max(map(len, names)) <= SHORTEST
    order = sorted(range(len(names)), key=lambda i: (len(names[i]) * brief, names[i]))
    return order, [names[i] if brief else str(n + 1) for n, i in enumerate(order)]


def confusion(predictor: Any, task: Task) -> Float[np.ndarray, "classes classes"]:
    """Queries of each class (rows) by the class that they were taken for (columns).

    >>> import jax.numpy as jnp, learnset as ls
    >>> task = ls.Task(ls.Batch(jnp.eye(2), jnp.eye(2)), ls.Batch(jnp.eye(2), jnp.eye(2)))
    >>> confusion(lambda x: x, task).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    logits = eqx.filter_jit(lambda predictor, xs: predict(predictor, xs))(predictor, task.query.x)
    taken = jax.nn.one_hot(logits.argmax(axis=1), task.query.y.shape[1], dtype=task.query.y.dtype)
    return np.asarray(jnp.einsum("pi,pj,p->ij", task.query.y, taken, task.query.weight))
