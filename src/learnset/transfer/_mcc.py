"""MCC: predictions on the target that confuse no two classes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Shaped

from ..core import Batch, cross_entropy, Loss, Model, predict
from ._unlabelled import AbstractUnlabelled


class MCC(AbstractUnlabelled):
    """MCC (minimum class confusion): adds the confusion of classes in the predictions for the
    target, of which confident ones count more. Source and target need not be like each other.

    **Arguments:**

    - `loss`: of the labelled source. `strength`: of the confusion.
    - `temperature`: by which logits are divided before.

    Source: Jin et al. 2020, *Minimum Class Confusion for Versatile Domain Adaptation*, equations 1
    to 6.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids().draw(2, ls.Split.TRAIN, key=jr.key(0))
    >>> model = ls.MLP(1, 3, key=jr.key(1))
    >>> positive = (task.support.y[..., 0] > 0).astype(int)
    >>> source = ls.Batch(task.support.x, jnp.eye(3)[positive])
    >>> tasks = ls.Task(source, task.query, task.index, task.latents)
    >>> metrics = ls.transfer.MCC().gradient(model, tasks, None, key=jr.key(2))[2]
    >>> bool(0 < metrics["discrepancy"] < 1)
    True
    """

    loss: Loss = cross_entropy
    strength: float | Float[Array, ""] = 1.0
    temperature: float | Float[Array, ""] = 2.5

    def discrepancy(
        self,
        model: Model,
        source: Batch,
        target: Shaped[Array, "points *in"],
        weight: Float[Array, "points"],
    ) -> Float[Array, ""]:
        del source
        return confusion(predict(model, target, weight) / self.temperature, weight)


def confusion(
    logits: Float[Array, "points classes"], weight: Float[Array, "points"]
) -> Float[Array, ""]:
    """The share of each class's predictions that go to other classes, as the mean over classes.

    >>> certain = 100 * jnp.eye(3)
    >>> [round(float(confusion(logits, jnp.ones(3))), 4) for logits in (certain, 0 * certain)]
    [0.0, 0.6667]
    """
    p, log_p = jax.nn.softmax(logits), jax.nn.log_softmax(logits)
    sure = weight * (1 + jnp.exp((p * log_p).sum(axis=1)))
    sure = jax.lax.stop_gradient(sure * weight.sum() / jnp.maximum(sure.sum(), 1e-9))
    between = (sure[:, None] * p).T @ p
    share = between / jnp.maximum(between.sum(axis=1, keepdims=True), 1e-9)
    return (share.sum() - jnp.trace(share)) / logits.shape[1]
