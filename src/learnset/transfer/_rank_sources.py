"""A ranking of sources for a task, and how right it was."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, Shaped

from ..core import Batch, features, InputError, interval, settled
from ._log_me import log_me

Score = Callable[[Any, Any], float]


def rank_sources(
    sources: Mapping[str, Any], task: Batch, *, score: Score = log_me
) -> dict[str, float]:
    """Ranks sources by what their features say of a task, without training anything.

    **Arguments:**

    - `sources`: by name, models with features, or matrices "points features" of the task's points.
    - `task`: its labelled points. Points without weight are left out.
    - `score`: of features and targets, such as `log_me`, `h_score`, `n_leep` or `leave_one_out`.

    **Returns:** the score of each source, the best one first.

    **Raises:** `InputError` for no source, for a matrix of another number of points, for a model
    without features, and for points of which single labels are absent.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=20).sample(ls.Split.TEST, key=jr.key(0)).support
    >>> sources = {"useful": jnp.concatenate([task.y, task.x], 1), "useless": task.x * 0 + 1}
    >>> list(ls.transfer.rank_sources(sources, task, score=ls.transfer.leave_one_out))
    ['useful', 'useless']
    """
    if not sources:
        raise InputError("rank_sources: there is no source. Give at least one.")
    weight = np.asarray(task.weight)
    if weight.ndim > 1 and weight.shape[1:] != (1,):
        raise InputError(
            "rank_sources: single labels of points are absent. Rank for each target by itself."
        )
    present, targets = weight.reshape(-1) > 0, np.asarray(task.y)
    scores = {}
    for name, source in sources.items():
        if hasattr(source, "embed") or hasattr(source, "features"):
            source = features(settled(source, task), task.x, task.weight)
        if np.shape(source)[:1] != present.shape:
            raise InputError(
                f"rank_sources: source {name!r} is neither a model with features nor a matrix of"
                f" {len(present)} rows; its shape is {np.shape(source)}."
            )
        scores[name] = score(np.asarray(source)[present], targets[present])
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


class Ranked(eqx.Module):
    """How right rankings were: means over tasks, with half the 95 % interval.

    - `tau`: the weighted rank correlation of scores and accuracies, from -1 to 1; errors at the top
      weigh more; 0 where all scores of a task are alike.
    - `regret`: the accuracy of the best source less that of the one that was ranked first.
    - `chance`: the regret of a source at random.

    With one task the intervals are NaN: one says nothing of the next.
    """

    tau: float
    tau_ci95: float
    regret: float
    regret_ci95: float
    chance: float


def judge_ranking(
    scores: Shaped[np.ndarray, "tasks sources"], accuracy: Float[np.ndarray, "tasks sources"]
) -> Ranked:
    """Judges rankings of sources by the accuracy that each source then gave.

    **Arguments:**

    - `scores`: of each source for each task, by `rank_sources`.
    - `accuracy`: after fine-tuning from that source, or anything of which more is better.

    **Raises:** `InputError` for matrices of different shapes, for fewer than two sources, and for
    values that are not finite.

    Source: Vigna 2015, *A Weighted Correlation Index for Rankings with Ties* (additive hyperbolic
    weights), as SciPy has it; for sources: You et al. 2021, §5.

    >>> import numpy as np
    >>> judged = judge_ranking(np.array([[3.0, 2.0, 1.0]]), np.array([[0.9, 0.8, 0.6]]))
    >>> judged.tau, judged.regret
    (1.0, 0.0)
    """
    from scipy.stats import weightedtau  # here and not above: the import takes time

    scores, accuracy = np.asarray(scores, np.float64), np.asarray(accuracy, np.float64)
    if scores.shape != accuracy.shape or scores.ndim != 2 or scores.shape[1] < 2:
        raise InputError(
            "judge_ranking: `scores` and `accuracy` must be (tasks, sources) alike, with two"
            f" sources or more, but are {scores.shape} and {accuracy.shape}."
        )
    if not (np.isfinite(scores).all() and np.isfinite(accuracy).all()):
        raise InputError("judge_ranking: a score or an accuracy is not finite. Leave it out.")
    pairs = zip(scores, accuracy, strict=True)
    taus = np.array([weightedtau(*pair)[0] for pair in pairs])
    taus = np.where(np.isnan(taus), 0, taus)  # all scores alike, or all accuracies: no ranking
    chosen = np.take_along_axis(accuracy, scores.argmax(axis=1, keepdims=True), axis=1)[:, 0]
    regrets = accuracy.max(axis=1) - chosen
    tau, tau_half = interval(taus[:, None])
    regret, regret_half = interval(regrets[:, None])
    if len(scores) == 1:
        tau_half = regret_half = float("nan")
    chance = float((accuracy.max(axis=1, keepdims=True) - accuracy).mean())
    return Ranked(tau, tau_half, regret, regret_half, chance)
