"""Confidence that holds: class probabilities calibrated on validation tasks."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from ..core import AbstractAdapter, for_task, Model, predict, Predictor, Split, Task
from ..tasks import AbstractTasks
from ._evaluate import drawn
from ._parts import in_parts

WIDEST = 7.0  # of the logarithm of a temperature


class Calibrated(eqx.Module):
    """A classifier whose logits are divided by a temperature, which `temperature` finds: the same
    answers, with other confidence."""

    predictor: Predictor
    temperature: float = eqx.field(static=True, default=1.0)

    def __call__(self, x: Shaped[Array, "*in"]) -> Float[Array, "classes"]:
        return self.predictor(x) / self.temperature

    def together(
        self, xs: Shaped[Array, "points *in"], weight: Float[Array, "points *labels"] | None
    ) -> Float[Array, "points classes"]:
        return predict(self.predictor, xs, weight) / self.temperature


def temperature(
    adapter: AbstractAdapter,
    model: Model,
    tasks: AbstractTasks,
    *,
    key: Key[Array, ""],
    num_tasks: int = 100,
    split: Split = Split.VALIDATION,
) -> float:
    """The temperature with which the queries of validation tasks are most likely. Targets are
    smoothed by a single answer of no opinion, so that a classifier that makes no mistake there is
    not taken for certain.

    **Returns:** a number above zero; 1 if no answer is finite.

    Source: Guo et al. 2017, *On Calibration of Modern Neural Networks*, §4.2; the smoothing is
    Platt's (1999).

    >>> import jax.random as jr, numpy as np, learnset as ls
    >>> x, y = np.random.RandomState(0).normal(size=(90, 3)), np.repeat(np.arange(9), 10)
    >>> tasks = ls.Episodes(*ls.data.Labelled.from_arrays(x, y).split((3, 3, 3)), ways=2)
    >>> model = ls.MLP(3, 2, key=jr.key(0))
    >>> ls.training.temperature(ls.meta.ProtoNet(), model, tasks, key=jr.key(1)) > 1
    True
    """
    return temperature_of(
        *answers(adapter, model, tasks, key=key, num_tasks=num_tasks, split=split)
    )


def temperature_of(
    logits: Float[np.ndarray, "answers classes"], targets: Float[np.ndarray, "answers classes"]
) -> float:
    """`temperature` of given answers."""
    from scipy.optimize import minimize_scalar  # here and not above: the import takes time

    finite = np.isfinite(logits).all(axis=1)
    logits, targets = logits[finite], targets[finite]
    if not len(logits):
        return 1.0
    doubt = 1 / (len(logits) + 1)
    targets = (1 - doubt) * targets + doubt / targets.shape[1]

    def loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - (targets * scaled).sum(axis=1)))

    best = minimize_scalar(loss, bounds=(-WIDEST, WIDEST), method="bounded")
    return float(np.exp(best.x))


def answers(
    adapter: AbstractAdapter,
    model: Model,
    tasks: AbstractTasks,
    *,
    key: Key[Array, ""],
    num_tasks: int,
    split: Split = Split.TEST,
) -> tuple[Float[np.ndarray, "answers classes"], Float[np.ndarray, "answers classes"]]:
    """Logits and one-hot targets of the queries of held-out tasks, after adaptation."""
    both = [_answers(adapter, model, batch) for batch in drawn(tasks, num_tasks, split, key=key)]
    logits, targets = (jnp.concatenate(parts)[:num_tasks] for parts in zip(*both, strict=True))
    rows = -1, logits.shape[-1]
    return np.asarray(logits, float).reshape(rows), np.asarray(targets, float).reshape(rows)


@eqx.filter_jit
def _answers(adapter: AbstractAdapter, model: Model, batch: Task) -> tuple[Array, Array]:
    def of_one(task: Task) -> Array:
        predictor = adapter.adapt(for_task(model, task.index), task.support)
        return predict(predictor, task.query.x, task.query.weight)

    return in_parts(of_one, batch), batch.query.y
