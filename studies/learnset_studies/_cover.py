"""How often 90 % intervals of predictions for new tasks hold the target, and how wide they are."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from scipy.stats import norm

from learnset.comparison import Comparison, in_full
from learnset.core import Batch, interval, Split, Task
from learnset.multitask import BLUP, MixedPredictor

LEVEL = 0.9
HALF = float(norm.ppf(0.5 + LEVEL / 2))  # standard deviations

Pair = tuple[Float[Array, "out"], Float[Array, "out"]]


def covers(comparison: Comparison, names: tuple[str, ...], key: Key[Array, ""]) -> list[dict]:
    """A row for each recipe and number of shots: the part of queries that lie in the interval, and
    half its width. Tasks are the units of chance."""
    question = comparison.question
    assert question.units is not None  # tasks of a table have numbers
    asked = question.ask(Split.TEST, in_full, key)
    rows = []
    for name in names:
        if name not in comparison:
            continue
        models = comparison[name].models
        for shots in question.shots:
            mean, std = _gaussians(models, asked, jnp.asarray(shots))
            inside = np.abs(np.asarray(asked.query.y[..., 0]) - mean) <= HALF * np.asarray(std)
            cover, half = interval(_of_units(question.units, inside.mean(axis=2))[None])
            rows.append(
                {"part": "cover", "recipe": name, "shots": shots, "cover": cover}
                | {"cover_ci95": half, "half_width": float(HALF * np.mean(std))}
            )
    return rows


@eqx.filter_jit
def _gaussians(models: Any, asked: Task, shots: Array) -> tuple[Array, Array]:
    """Mean and standard deviation for each query, "seeds tasks queries"."""
    support = asked.support
    inside = jnp.arange(support.weight.shape[2]) < shots
    weight = jnp.where(inside[None, None], support.weight, 0)
    few = Batch(support.x, support.y, weight)

    def of_seed(model: Any, few: Batch, x: Array) -> Pair:
        # One task after the other: what a network reads of one takes memory.
        return jax.lax.map(lambda task: _of_task(model, *task), (few, x))

    mean, std = eqx.filter_vmap(of_seed)(models, few, asked.query.x)
    return mean[..., 0], std[..., 0]


def _of_task(model: Any, support: Batch, x: Float[Array, "queries in"]) -> Pair:
    if isinstance(model, MixedPredictor):
        return _of_mixed(model, support, x)
    return jax.vmap(model.condition(support).gaussian)(x)


def _of_mixed(model: MixedPredictor, support: Batch, x: Float[Array, "queries in"]) -> Pair:
    """The conditional distribution of a new task's target, given the variances and the effects that
    all tasks share."""
    effects = len(model.spread)
    mean = jax.vmap(BLUP().adapt(model, support))(x)

    def with_one(x: Array) -> Array:
        return jnp.concatenate([jnp.ones_like(x[:, :1]), x], axis=1)[:, :effects]

    z = jnp.sqrt(support.weight)[:, None] * with_one(support.x)
    noise, spread = model.noise[0], model.spread[:, 0]
    # After the mean, which has a factorisation of its own: of two at a time, on two cores, each may
    # wait for the other for ever (jax 0.10.2).
    system = z.T @ z + jnp.diag(noise / spread) + 0 * mean.sum()
    left = noise * jnp.linalg.inv(system)
    new = with_one(x)
    return mean, jnp.sqrt(noise + ((new @ left) * new).sum(axis=1))[:, None]


def _of_units(
    units: Int[np.ndarray, "seeds tasks"], values: Float[np.ndarray, "seeds tasks"]
) -> Float[np.ndarray, "units"]:
    """The mean of each task that was scored several times."""
    count = np.bincount(units.ravel())
    return np.bincount(units.ravel(), values.ravel())[count > 0] / count[count > 0]
