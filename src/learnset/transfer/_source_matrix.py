"""Which of one's own tasks is a good source for which, by trying all pairs."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import (
    AbstractAdapter,
    Batch,
    InputError,
    interval,
    Loss,
    Model,
    mse,
    Task,
)


class SourceMatrix(eqx.Module):
    """What each task (row) gives as a source for each other (column).

    - `gain`: the error of learning the target from scratch less that after the source, as a mean
      over seeds: above zero the source helps, below it hurts. `gain_ci95`: half its 95 % interval
      over seeds, which initial models differ in; of the same points, it says nothing of others.
    - `error`: after the source. `scratch`: without any.

    The diagonal is a task that has learnt its own past points before: a bound.
    """

    gain: Float[np.ndarray, "sources targets"]
    gain_ci95: Float[np.ndarray, "sources targets"]
    error: Float[np.ndarray, "sources targets"]
    scratch: Float[np.ndarray, "targets"]


def source_matrix(
    network: Callable[[Key[Array, ""]], Model],
    past: Batch,
    tasks: Task,
    *,
    learn: AbstractAdapter,
    adapt: AbstractAdapter,
    measure: Loss = mse,
    seeds: int = 5,
    key: Key[Array, ""],
) -> SourceMatrix:
    """Trains on each task, adapts the result to each other one, and compares with no source.

    All sources, targets and seeds are one compiled program. Settings of `learn` and `adapt` are
    the same for all pairs.

    **Arguments:**

    - `network`: makes a model from a key, the same for all tasks.
    - `past`: the points from which a source is learnt, "tasks points ...".
    - `tasks`: the same tasks as targets: few support points to adapt to, and a query set to score.
    - `learn`: training on a source. `adapt`: training on a target, after a source or from scratch.
    - `measure`: of a predictor on the query set, less is better.
    - `seeds`: initial models, at least two.

    **Raises:** `InputError` for fewer than two seeds or tasks, and for other numbers of tasks in
    `past` than in `tasks`.

    Source: Zamir et al. 2018, *Taskonomy*, §3.2 (transfers between all pairs of tasks). The order
    of a row is that of its affinities there; here values stay differences of errors.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.Sinusoids(shots=5).draw(3, ls.Split.TRAIN, key=jr.key(0))
    >>> descent = ls.FineTune(lr=0.01, steps=5)
    >>> matrix = ls.transfer.source_matrix(
    ...     lambda key: ls.MLP(1, 1, width=8, key=key), tasks.query, tasks,
    ...     learn=descent, adapt=descent, seeds=2, key=jr.key(1),
    ... )
    >>> matrix.gain.shape, matrix.scratch.shape
    ((3, 3), (3,))
    """
    number = len(past.weight)
    if min(seeds, number) < 2:
        raise InputError(
            f"source_matrix: `seeds={seeds}` and {number} tasks, but both must be 2 or more."
        )
    if len(tasks.query.weight) != number:
        raise InputError(
            f"source_matrix: `past` has {number} tasks and `tasks` {len(tasks.query.weight)}. Give"
            " the same tasks as sources and as targets."
        )
    scratch, after = _errors(network, past, tasks, learn, adapt, measure, jr.split(key, seeds))
    scratch, after = np.asarray(scratch, np.float64), np.asarray(after, np.float64)
    gain = scratch[:, None] - after
    pairs = np.array(
        [[interval(gain[:, i, j, None]) for j in range(number)] for i in range(number)]
    )
    return SourceMatrix(pairs[..., 0], pairs[..., 1], after.mean(axis=0), scratch.mean(axis=0))


@eqx.filter_jit
def _errors(
    network: Callable[[Key[Array, ""]], Any],
    past: Batch,
    tasks: Task,
    learn: AbstractAdapter,
    adapt: AbstractAdapter,
    measure: Loss,
    keys: Key[Array, "seeds"],
) -> tuple[Float[Array, "seeds targets"], Float[Array, "seeds sources targets"]]:
    """Errors on all targets, from scratch and after each source."""
    models = eqx.filter_vmap(network)(keys)

    def on_targets(model: Any) -> Float[Array, "targets"]:
        def of_one(support: Batch, query: Batch) -> Float[Array, ""]:
            return measure(adapt.adapt(model, support), query)

        return jax.vmap(of_one)(tasks.support, tasks.query)

    def of_source(points: Batch) -> Float[Array, "seeds targets"]:
        return eqx.filter_vmap(lambda model: on_targets(learn.adapt(model, points)))(models)

    # One source at a time: all at once would hold the steps of tasks x tasks models.
    after = jax.lax.map(of_source, past)
    return eqx.filter_vmap(on_targets)(models), jnp.swapaxes(after, 0, 1)
