"""Gradients scaled towards the length of the main task's."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import InputError, Loss, Metrics, Model, mse, Task, trainable
from ._balancer import AbstractBalancer, TaskStats
from ._memory import blank, check_num_tasks, recall, renew
from ._task_gradients import even, in_batch, mean_of_own, own_and_shared, task_gradients


class MetaBalanceState(eqx.Module):
    """The number of steps of each task, and the averaged length of its gradient for each array of
    parameters."""

    steps: Float[Array, "numbered"]
    lengths: PyTree[Float[Array, "numbered"]]


class MetaBalance(AbstractBalancer):
    """MetaBalance, for a main task and auxiliary tasks that help it: separately for each array of
    parameters, the gradients of the auxiliary tasks are scaled towards the length of the main
    task's gradient, and all are summed.

    A gradient `g` becomes `relax * (main length / own length) * g + (1 - relax) * g`, with lengths
    that are averaged over steps. Nothing is scaled before the main task has been in a batch.

    Source: He et al. 2022, *MetaBalance: Improving Multi-Task Recommendations via Adapting Gradient
    Magnitudes of Auxiliary Tasks*, algorithm 1. Averages are corrected for their start at zero, as
    in Adam, so that a task that appears late does not seem to have short gradients. If all tasks
    are present in each step, that changes nothing.

    **Arguments:**

    - `num_tasks`: the number of numbered tasks. `main`: the index of the main task.
    - `relax`: between zero, where nothing is scaled, and one, where all gradients are as long as
      that of the main task.
    - `beta`: how slowly lengths are averaged.

    >>> import jax.numpy as jnp, learnset as ls
    >>> method = ls.multitask.MetaBalance(num_tasks=2, relax=1.0)
    >>> method.direction(jnp.array([[2.0, 0.0], [0.0, 4.0]])).tolist()
    [2.0, 2.0]
    """

    loss: Loss = mse
    num_tasks: int = eqx.field(kw_only=True)
    main: int = 0
    relax: float | Float[Array, "..."] = 0.7
    beta: float | Float[Array, "..."] = 0.9

    def __check_init__(self):
        check_num_tasks("MetaBalance", self.num_tasks)
        if not 0 <= self.main < self.num_tasks:
            raise InputError(
                f"MetaBalance: `main={self.main}`, but tasks are numbered 0 to"
                f" {self.num_tasks - 1}."
            )
        for name, value, most in (("relax", self.relax, 1.0), ("beta", self.beta, 0.999999)):
            if isinstance(value, (int, float)) and not 0 <= value <= most:
                raise InputError(
                    f"MetaBalance: `{name}={value}`, but it must be between 0 and {most}."
                )

    def init(self, model: Model) -> MetaBalanceState:
        shared = own_and_shared(trainable(model)[0])[1]
        return MetaBalanceState(
            blank(model, self.num_tasks),
            jax.tree.map(lambda leaf: blank(leaf, self.num_tasks), shared),
        )

    def balance(
        self,
        jacobian: Float[Array, "tasks params"],
        stats: TaskStats,
        state: MetaBalanceState,
        *,
        key: Key[Array, ""],
    ) -> tuple[Float[Array, "params"], MetaBalanceState]:
        del key
        return self._balanced(jacobian, stats, state)

    def gradient(
        self, model: Model, tasks: Task, state: MetaBalanceState, *, key: Key[Array, ""]
    ) -> tuple[PyTree, MetaBalanceState, Metrics]:
        del key
        losses, grads = task_gradients(self.loss, model, tasks)
        stats = TaskStats(losses, in_batch(tasks), tasks.index)
        shared, state = self._balanced(own_and_shared(grads)[1], stats, state)
        mean_loss = (even(stats.present).astype(losses.dtype) * losses).sum()
        return eqx.combine(shared, mean_of_own(grads, stats.present)), state, {"loss": mean_loss}

    def _balanced(
        self, grads: PyTree[Float[Array, "tasks ..."]], stats: TaskStats, state: MetaBalanceState
    ) -> tuple[PyTree, MetaBalanceState]:
        steps = renew(state.steps, stats, recall(state.steps, stats) + 1)

        def averaged(leaf: Array, lengths: Array) -> Float[Array, "numbered"]:
            new = jnp.linalg.norm(leaf.reshape(len(leaf), -1), axis=1)
            return renew(lengths, stats, self.beta * recall(lengths, stats) + (1 - self.beta) * new)

        def summed(leaf: Array, lengths: Array) -> Array:
            corrected = jnp.where(steps > 0, lengths / (1 - self.beta ** jnp.maximum(steps, 1)), 0)
            main, own = corrected[self.main], recall(corrected, stats)
            known = (main > 0) & (own > 0)
            ratio = main / jnp.where(known, own, 1)
            scale = jnp.where(known, self.relax * ratio + 1 - self.relax, 1)
            return jnp.tensordot(jnp.where(stats.present, scale, 0), leaf, 1)

        lengths = jax.tree.map(averaged, grads, state.lengths)
        return jax.tree.map(summed, grads, lengths), MetaBalanceState(steps, lengths)
