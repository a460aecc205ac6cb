"""Scoring an adapter on held-out tasks."""

import equinox as eqx
import jax
from jaxtyping import Array, Float, Key

from ..core import (
    AbstractAdapter,
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
)
from ..tasks import AbstractTasks


def evaluate(
    adapter: AbstractAdapter,
    model: Model,
    tasks: AbstractTasks,
    *,
    key: Key[Array, ""],
    num_tasks: int = 600,
    split: Split = Split.TEST,
    metric: Loss = mse,
) -> Evaluation:
    """Adapts to held-out tasks and scores the predictors on the query sets, all tasks in one
    compiled call.

    **Arguments:**

    - `adapter`: how a task is learnt (a meta-learner such as `MAML` is an adapter too); `model`:
      what adaptation starts from.
    - `tasks`: as given to training; tasks are drawn from the test split, which training never saw.
    - `num_tasks`: how many; `split`: another split, for choosing settings; `metric`: the error of a
      predictor on a query set.

    **Returns:** an `Evaluation`: the error of each task, before adaptation and after each step.

    >>> import jax.random as jr, learnset as ls
    >>> adapter, model = ls.FineTune(ls.mse, lr=0.01, steps=10), ls.MLP(1, 1, key=jr.key(0))
    >>> ls.evaluate(adapter, model, ls.Sinusoids(), key=jr.key(1)).errors.shape
    (600, 11)
    """
    if num_tasks < 1:
        raise InputError(f"evaluate: `num_tasks={num_tasks}`, but at least 1 task is needed.")
    batch = tasks.draw(num_tasks, split, key=key)
    errors = _score_jit(traced(adapter), model, batch, metric)
    return Evaluation(errors, _counted(batch))


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

    return jax.vmap(of_one)(batch)


@eqx.filter_jit
def _score_jit(adapter: AbstractAdapter, model: Model, batch: Task, metric: Loss) -> Array:
    return fast_dots(lambda model, batch: score(adapter, model, batch, metric))(model, batch)


@eqx.filter_jit
def draw_seeds(
    tasks: AbstractTasks, num_tasks: int, split: Split, keys: Key[Array, "seeds"]
) -> Task:
    """Tasks for each of several seeds: arrays have leading axes `seeds tasks`."""
    return jax.vmap(lambda key: tasks.draw(num_tasks, split, key=key))(keys)


def _counted(batch: Task) -> Array:
    weight = batch.query.weight
    return (weight > 0).reshape(len(weight), -1).any(axis=1)
