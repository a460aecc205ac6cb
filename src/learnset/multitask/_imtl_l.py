"""Impartial multi-task learning on losses."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_positive, Loss, Model, mse
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import blank, check_num_tasks, Learnt, recall


class IMTLL(AbstractScalarisation):
    """IMTL-L: learns a scale for each task, so that all scaled losses become one. A task adds
    `exp(s) loss - s` to the total loss.

    In the end, weighted losses do not depend on the units of the losses. `UW` for regression is
    half of it, with `-s` for `s`.

    Source: Liu et al. 2021, *Towards Impartial Multi-task Learning*, loss balance (IMTL-L). There,
    `s` is learnt together with the model; here it has its own Adam.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`: the step size of `s`, which starts at zero.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.multitask.IMTLL(num_tasks=2).direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 4.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 0.025

    def __check_init__(self):
        check_num_tasks("IMTLL", self.num_tasks)
        check_positive("IMTLL", lr=self.lr)

    def init(self, model: Model) -> Learnt:
        return Learnt(blank(model, self.num_tasks))

    def weigh(
        self, stats: TaskStats, state: Learnt, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], Learnt]:
        del key

        def total(losses: Float[Array, "tasks"], s: Float[Array, "tasks"]) -> Float[Array, ""]:
            return (jnp.exp(s) * losses - s).sum()

        weights, slope = jax.grad(total, argnums=(0, 1))(stats.loss, recall(state.value, stats))
        return weights, state.step(slope, stats, lr=self.lr)
