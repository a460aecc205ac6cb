"""Weights by learnt uncertainties of the tasks."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import check_positive, Loss, Model, mse
from ._balancer import AbstractScalarisation, TaskStats
from ._memory import blank, check_num_tasks, Learnt, recall


class UW(AbstractScalarisation):
    """UW, uncertainty weighting: each task has a learnt noise variance, and weighs more the more
    certain its labels are.

    With `s` the logarithm of the variance, a regression task adds `exp(-s) loss / 2 + s / 2` to the
    total loss, the negative log-likelihood of a Gaussian; a classification task adds
    `exp(-s) loss + s / 2`, that of a softmax whose logits are divided by the variance. Both are
    smallest if the task weighs `1 / (2 loss)`, so that in the end large losses count as much as
    small ones.

    Source: Kendall, Gal & Cipolla 2018, *Multi-Task Learning Using Uncertainty to Weigh Losses*,
    eqs. 7 and 10; `positive` is the revision of Liebel & Körner 2018, *Auxiliary Tasks in
    Multi-task Learning*, with `log(1 + exp(s))` instead of `s / 2`, so that the total loss stays
    positive. In both papers `s` is learnt together with the model; here it has its own Adam.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks.
    - `lr`: the step size of the logarithms of the variances, which start at zero.
    - `classification`: whether tasks are classification tasks, for all or for each numbered task.
    - `positive`: whether to use the revised form.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.UW(num_tasks=2).direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [1.0, 2.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    lr: float | Float[Array, "..."] = 0.025
    classification: bool | Bool[Array, "numbered"] = False
    positive: bool = False

    def __check_init__(self):
        check_num_tasks("UW", self.num_tasks)
        check_positive("UW", lr=self.lr)

    def init(self, model: Model) -> Learnt:
        return Learnt(blank(model, self.num_tasks))

    def weigh(
        self, stats: TaskStats, state: Learnt, *, key: Key[Array, ""]
    ) -> tuple[Float[Array, "tasks"], Learnt]:
        del key
        log_variance = recall(state.value, stats)
        which = jnp.broadcast_to(jnp.asarray(self.classification), (self.num_tasks,))
        factor = recall(jnp.where(which, 1.0, 0.5).astype(log_variance.dtype), stats)

        def total(losses: Float[Array, "tasks"], s: Float[Array, "tasks"]) -> Float[Array, ""]:
            penalty = jax.nn.softplus(s) if self.positive else s / 2
            return (factor * jnp.exp(-s) * losses + penalty).sum()

        weights, slope = jax.grad(total, argnums=(0, 1))(stats.loss, log_variance)
        return weights, state.step(slope, stats, lr=self.lr)
