"""Tasks weighted by their gradients at the shared representation."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import (
    AbstractMethod,
    Batch,
    features,
    for_task,
    InputError,
    Metrics,
    mix,
    Model,
    State,
    Task,
    trainable,
)
from ..models import from_features, Kinds, SharedBody
from ._balancer import AbstractWeighting, TaskStats, weighting_metrics
from ._gramian import gramian_of
from ._task_gradients import even, in_batch, own_and_shared


class AtRepresentation(AbstractMethod):
    """A method that sees the inner products of the tasks' gradients at the shared representation
    instead of at the parameters. It takes one forward and one backward pass through the body,
    whatever the number of tasks. With `MGDA` it is MGDA-UB.

    The tasks must be several targets of the same inputs (`task.same_inputs`), as drawn by
    `ManyTargets`, because the body is computed once for all.

    Source: Sener & Koltun 2018, *Multi-Task Learning as Multi-Objective Optimization*, §3.3. The
    norm of the weighted gradient at the representation bounds the one at the parameters, up to the
    norm of the body's derivative. As for other methods here, heads move by the mean of the tasks'
    losses; in the paper, each moves by its own loss.

    **Arguments:**

    - `method`: weights tasks by the inner products of their gradients.

    **Raises:** `InputError` for tasks with inputs of their own, and for a model that is not a
    `SharedBody` (or `Kinds` of one).

    >>> import jax.random as jr, optax, learnset as ls
    >>> class Cautious(ls.AbstractGramian):
    ...     loss: ls.core.Loss = ls.mse
    ...     def weights(self, gramian, present, *, key):
    ...         return 1 / gramian.diagonal() ** 0.5
    >>> x = jr.normal(jr.key(0), (60, 3))
    >>> tasks = ls.ManyTargets.from_arrays(x, x @ jr.normal(jr.key(1), (3, 4)))
    >>> model = ls.SharedBody(ls.MLP(3, 1, key=jr.key(2)), num_tasks=4, key=jr.key(3))
    >>> method = ls.multitask.AtRepresentation(Cautious())
    >>> options = {"steps": 2, "tasks_per_step": 4}
    >>> ls.train(method, model, tasks, optax.adam(1e-3), **options, key=jr.key(4)).steps
    2
    """

    method: AbstractWeighting

    def init(self, model: Model) -> State:
        return self.method.init(model)

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        _check_shared(model, tasks)
        moving, fixed = trainable(model)
        own, shared = own_and_shared(moving)
        points = jax.vmap(lambda task: task.points)(tasks)

        def body(shared: PyTree) -> Float[Array, "points features"]:
            view = for_task(eqx.combine(shared, own, fixed), tasks.index[0])
            return features(view, points.x[0], points.weight.max(axis=0))

        def losses_at(
            own: PyTree, z: Float[Array, "tasks points features"]
        ) -> Float[Array, "tasks"]:
            def of_one(
                index: Int[Array, ""], z: Float[Array, "points features"], points: Batch
            ) -> Float[Array, ""]:
                view = for_task(eqx.combine(shared, own, fixed), index)
                return self.method.loss(from_features(view), Batch(z, points.y, points.weight))

            return jax.vmap(of_one)(tasks.index, z, points)

        z, to_body = jax.vjp(body, shared)
        copies = jnp.broadcast_to(z[None], (len(tasks.index), *z.shape))
        losses, to_heads = jax.vjp(losses_at, own, copies)
        stats = TaskStats(losses, in_batch(tasks), tasks.index)
        at_z = to_heads(jnp.ones_like(losses))[1]  # each loss depends on its own copy only
        gramian = gramian_of(at_z.reshape(len(at_z), -1))
        weights, state = self.method.weigh(gramian, stats, state, key=key)
        of_shared = to_body(mix(weights, at_z))[0]
        of_own = to_heads(even(stats.present).astype(losses.dtype))[0]
        return eqx.combine(of_shared, of_own), state, weighting_metrics(stats, weights)


def _check_shared(model: Model, tasks: Task) -> None:
    if not tasks.same_inputs:
        raise InputError(
            "AtRepresentation: each task has inputs of its own, at which gradients cannot be"
            " compared. Give several targets of the same rows (`ManyTargets`), or weight the tasks"
            " by their gradients at the parameters."
        )
    while isinstance(model, Kinds):
        model = model.model
    if not isinstance(model, SharedBody):
        raise InputError(
            f"AtRepresentation: the model is a {type(model).__name__}, but tasks must share one"
            " representation. Give a `SharedBody`, or weight the tasks by their gradients at the"
            " parameters."
        )
