"""Impartial multi-task learning, on losses."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from ..core import check_positive, Loss, Model, mse
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import blank, check_num_tasks, Learnt, recall


class IMTLL(AbstractScalarisation):
    """Learns a scale for each task, so that all scaled losses become one: a task adds `exp(s) loss - s`.

    Losses in other units give the same weighted losses in the end. `UW` for regression is half of it, with `-s` for `s`.

    Source: Liu et al. 2021, *Towards Impartial Multi-task Learning*, loss balance (IMTL-L). They learn `s`
    together with the model; here it has an Adam of its own.

    **Arguments:**

    - `num_tasks`: how many numbered tasks there are.
    - `lr`: the step size for `s`, which begins at zero.

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
