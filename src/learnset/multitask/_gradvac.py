"""Gradients that are rotated towards each other until they agree as much as they usually do."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax import lax
from jaxtyping import Array, Float, Key

from ..core import check_not_negative, InputError, Loss, Model, mse
from ._balancer import AbstractWeighting, TaskStats
from ._cosines import one_over
from ._memory import blank, check_num_tasks, recall


class GradVac(AbstractWeighting):
    """GradVac, gradient vaccine: the sum of the gradients, each of which has been rotated, in
    random order, towards every gradient with which it agrees less than the two have agreed on
    average.

    Its state is the average cosine of each pair of tasks, zero at first: then it is `PCGrad`,
    except for cosines that it has updated within the same step.

    Source: Wang et al. 2021, *Gradient Vaccine: Investigating and Improving Multi-task Optimization
    in Massively Multilingual Models*, algorithm 1, for all parameters together; the default of
    `beta` is that of LibMTL.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `beta`: how far an average moves towards each new cosine.

    **Raises:** `InputError` for a `beta` that is not between zero and one.

    >>> import jax.numpy as jnp, learnset as ls
    >>> matrix = jnp.array([[1.0, 0.0], [-1.0, 1.0]])
    >>> ls.multitask.GradVac(num_tasks=2).direction(matrix).round(4).tolist()
    [0.5, 1.5]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    beta: float | Float[Array, "..."] = 0.5

    def __check_init__(self):
        check_num_tasks("GradVac", self.num_tasks)
        check_not_negative("GradVac", beta=self.beta)
        if isinstance(self.beta, (int, float)) and self.beta > 1:
            raise InputError(
                f"GradVac: `beta={self.beta}`, but it must be at most 1, which is all the way."
            )

    def init(self, model: Model) -> Float[Array, "numbered numbered"]:
        return blank(model, self.num_tasks, self.num_tasks)

    def weigh(
        self,
        gramian: Float[Array, "tasks tasks"],
        stats: TaskStats,
        state: Float[Array, "numbered numbered"],
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "tasks"], Float[Array, "numbered numbered"]]:
        tasks, number = jnp.arange(len(gramian)), jnp.clip(stats.index, 0, self.num_tasks - 1)
        size, eps = jnp.sqrt(jnp.diagonal(gramian).max()), jnp.finfo(gramian.dtype).eps
        gramian = gramian * one_over(size) * one_over(size)
        norms = jnp.sqrt(jnp.diagonal(gramian))

        def turn(carry: tuple[Array, ...], other: Array) -> tuple[tuple[Array, ...], None]:
            mixed, products, usual = carry
            meets = stats.present & stats.present[other] & (other != tasks) & (norms[other] > 0)
            norm = jnp.sqrt(jnp.maximum((mixed * products).sum(axis=1), 0))
            cosine = jnp.clip(products[tasks, other] * one_over(norm * norms[other]), -1, 1)
            wanted = usual[tasks, other]
            sine, wanted_sine = (jnp.sqrt(jnp.maximum(1 - c**2, eps)) for c in (cosine, wanted))
            added = (
                norm * (wanted * sine - cosine * wanted_sine) * one_over(norms[other] * wanted_sine)
            )
            added = jnp.where(meets & (cosine < wanted), added, 0)
            learnt = jnp.where(meets, wanted + self.beta * (cosine - wanted), wanted)
            mixed, usual = mixed.at[tasks, other].add(added), usual.at[tasks, other].set(learnt)
            return (mixed, products + added[:, None] * gramian[other], usual), None

        orders = jax.vmap(lambda key: jr.permutation(key, len(tasks)))(jr.split(key, len(tasks)))
        start = (jnp.eye(len(tasks), dtype=gramian.dtype), gramian, recall(state, stats)[:, number])
        mixed, _, usual = lax.scan(turn, start, orders.T)[0]
        rows = jnp.where(stats.present, number, self.num_tasks)
        return mixed.sum(axis=0), state.at[rows[:, None], rows[None]].set(usual, mode="drop")
