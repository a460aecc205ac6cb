"""Scoring an adapter on held-out tasks."""

import math
from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import (
    AbstractAdapter,
    as_key,
    check_stateless,
    Evaluation,
    fast_dots,
    for_task,
    InputError,
    Loss,
    Model,
    mse,
    Split,
    Task,
    trace,
    traced,
    weight_of_points,
)
from ..tasks import AbstractTasks
from ._compiled import compiled
from ._parts import in_parts

DRAWN_BYTES = 2**29  # half a GiB: what tasks that are drawn at once may take


def evaluate(
    adapter: AbstractAdapter,
    model: Model,
    tasks: AbstractTasks,
    *,
    key: Key[Array, "*seeds"],
    num_tasks: int = 600,
    split: Split = Split.TEST,
    metric: Loss = mse,
) -> Evaluation:
    """Adapts to held-out tasks and scores the predictors on the query sets, as many tasks at once
    as fit into two GiB.

    **Arguments:**

    - `adapter`: how a task is learnt (a meta-learner such as `MAML` is an adapter too); `model`:
      what adaptation starts from.
    - `tasks`: as given to training; tasks are drawn from the test split, which training never saw.
    - `key`: which tasks. With a vector of keys, as `train` takes it, each model is scored on tasks
      of its own: then every array of `model` and of `tasks` has the same leading axis.
    - `num_tasks`: how many; `split`: another split, for choosing settings; `metric`: the error of a
      predictor on a query set.

    **Returns:** an `Evaluation`: the error of each task, before adaptation and after each step; of
    several keys with a leading `seeds` axis.

    >>> import jax.random as jr, learnset as ls
    >>> adapter, model = ls.FineTune(ls.mse, lr=0.01, steps=10), ls.MLP(1, 1, key=jr.key(0))
    >>> ls.evaluate(adapter, model, ls.Sinusoids(), key=jr.key(1)).errors.shape
    (600, 11)
    """
    if num_tasks < 1:
        raise InputError(f"evaluate: `num_tasks={num_tasks}`, but at least 1 task is needed.")
    key = as_key("evaluate", key)
    check_stateless("evaluate", model)
    if key.ndim == 1:
        arrays, fixed = eqx.partition((model, tasks), eqx.is_array)
        each = []
        for i in range(len(key)):
            one, own = eqx.combine(jax.tree.map(lambda leaf, i=i: leaf[i], arrays), fixed)
            options: Any = {"num_tasks": num_tasks, "split": split, "metric": metric}
            each.append(evaluate(adapter, one, own, key=key[i], **options))
        return Evaluation(
            jnp.stack([result.errors for result in each]),
            jnp.stack([result.counted for result in each]),
        )
    errors, counted = [], []
    for batch in drawn(tasks, num_tasks, split, key=key):
        errors.append(_score_jit(traced(adapter), model, batch, metric))
        counted.append(_counted(batch))
    return Evaluation(jnp.concatenate(errors)[:num_tasks], jnp.concatenate(counted)[:num_tasks])


def drawn(
    tasks: AbstractTasks, num_tasks: int, split: Split, *, key: Key[Array, ""]
) -> Iterator[Task]:
    """The tasks that `tasks.draw` gives, in parts of the same size where all of them together take
    more than half a GiB; the last part then begins anew when it has too few."""
    one = jax.eval_shape(lambda: tasks.draw(1, split, key=key))
    count = DRAWN_BYTES // sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    # A family that draws in its own way draws all at once: only it knows how tasks depend.
    if count >= num_tasks or type(tasks).draw is not AbstractTasks.draw:
        yield _draw(tasks, num_tasks, split, key)
        return
    parts = math.ceil(num_tasks / max(1, count))
    keys = jr.split(key, num_tasks)[jnp.arange(parts * math.ceil(num_tasks / parts)) % num_tasks]
    for part in jnp.split(keys, parts):
        yield _samples(tasks, split, part)


@compiled
def _draw(tasks: AbstractTasks, num_tasks: int, split: Split, key: Key[Array, ""]) -> Task:
    return tasks.draw(num_tasks, split, key=key)


@compiled
def _samples(tasks: AbstractTasks, split: Split, keys: Key[Array, "tasks"]) -> Task:
    return jax.vmap(lambda key: tasks.sample(split, key=key))(keys)


def score(
    adapter: AbstractAdapter,
    model: Model,
    batch: Task,
    metric: Loss,
    steps: tuple[int, ...] | None = None,
) -> Float[Array, "tasks steps"]:
    """Errors on given tasks, before adaptation and after each of its steps, or after `steps`
    only."""

    def of_one(task: Task) -> Float[Array, "steps"]:
        view = for_task(model, task.index)
        return trace(
            adapter, view, task.support, lambda predictor: metric(predictor, task.query), steps
        )

    return in_parts(of_one, batch)


@compiled
def _score_jit(adapter: AbstractAdapter, model: Model, batch: Task, metric: Loss) -> Array:
    return fast_dots(lambda model, batch: score(adapter, model, batch, metric))(model, batch)


@eqx.filter_jit
def draw_seeds(
    tasks: AbstractTasks, num_tasks: int, split: Split, keys: Key[Array, "seeds"]
) -> Task:
    """Tasks for each of several seeds: arrays have leading axes `seeds tasks`."""
    return jax.vmap(lambda key: tasks.draw(num_tasks, split, key=key))(keys)


def _counted(batch: Task) -> Array:
    return weight_of_points(batch.query.weight) > 0
