"""The mean gradient, rotated until it hurts no task."""

from jaxtyping import Array, Bool, Float, Key

from ..core import Loss, mse
from ._balancer import AbstractGramian
from ._cosines import cosines, one_over
from ._quadratic import nonnegative_minimum, product
from ._task_gradients import even


class DualProj(AbstractGramian):
    """DualProj: the mean gradient, projected onto the directions along which no task gets worse. It
    is the nearest direction that hurts no task.

    Source: Lopez-Paz & Ranzato 2017, *Gradient Episodic Memory for Continual Learning*, eq. 11; as
    a multi-task method in Quinton & Rey 2024, *Jacobian Descent for Multi-Objective Optimization*,
    §4.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.DualProj().direction(jnp.array([[1.0, 1.0], [-2.0, 0.0]])).round(4).tolist()
    [-0.5, 0.5]
    """

    loss: Loss = mse

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del key
        between, norms = cosines(gramian)
        largest = norms.max()
        mean = even(present).astype(norms.dtype) * norms * one_over(largest)
        added = nonnegative_minimum(between, product(between, mean), mean.sum())
        return (mean + added) * (largest * one_over(norms))
