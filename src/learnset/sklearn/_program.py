"""The compiled programs: one that trains and one that answers, for all data of about the same
shape."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
from jaxtyping import Array, Bool, Float, Key

from ..core import all_finite, Batch, for_task, Model
from ..models import MLP, separate, SharedBody
from ..multitask import EarlyStopping
from ..tasks import FiniteTasks
from ..training import train

BODY, ALL, NONE = "body", "all", "none"  # the parts that tasks share


@eqx.filter_jit
def trained(
    method: Any,
    sharing: str,
    sizes: tuple[int, ...],
    points: Batch,
    learning_rate: Float[Array, ""],
    l2: Float[Array, ""],
    key: Key[Array, ""],
    early_stopping: bool,
) -> tuple[Model, Float[Array, "steps"], Bool[Array, ""]]:
    """A model of these tasks, initialised and trained in one program; the loss of each step; and
    whether all parameters are finite. With early stopping a tenth of the points is kept aside, and
    the model is the one that predicts them best on the way."""
    width, depth, steps, batch = sizes
    model_key, head_key, train_key = jr.split(key, 3)
    ins, outs, count = points.x.shape[-1], points.y.shape[-1], len(points.weight)

    def network(key: Key[Array, ""]) -> MLP:
        activation = _relu if depth else as_it_is
        return MLP(ins, outs, width=width, depth=max(depth, 1), activation=activation, key=key)

    if sharing == NONE:
        model = separate(network, count, key=model_key)
    else:
        model = SharedBody(network(model_key), num_tasks=count, key=head_key)
    if early_stopping:
        weight = points.weight
        aside = jr.uniform(jr.fold_in(key, 3), weight.shape) < 0.1
        # Rows that weigh next to nothing say nothing of the others: then all stop it.
        enough = jnp.where(aside, weight, 0).sum() > 0.02 * weight.sum()
        held_out, points = (
            eqx.tree_at(lambda p: p.weight, points, jnp.where(enough & left_out, 0, weight))
            for left_out in (~aside, aside)
        )
        method = EarlyStopping(method, held_out, method.loss, max(1, steps // 100))
    tasks = FiniteTasks(points, points, shots=batch - batch // 2, queries=batch // 2)
    optimiser = optax.chain(
        optax.add_decayed_weights(l2), optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
    )
    run = train(method, model, tasks, optimiser, steps=steps, key=train_key, tasks_per_step=count)
    model = method.best(run.model, run.state) if early_stopping else run.model
    return model, run.metrics["loss"], all_finite(run.model)


@eqx.filter_jit
def answers(
    model: Model, x: Any, group: Any, groups: int, columns: int, final: Any
) -> Float[Array, "rows columns out"]:
    """The answer for each row: that of its group, or the mean over all groups for a group of -1."""

    def of_one(both: tuple[Array, Array]) -> Float[Array, "columns out"]:
        x, group = both
        outputs = jax.vmap(lambda index: for_task(model, index)(x))(jnp.arange(groups * columns))
        of_groups = jax.vmap(final)(outputs.reshape(groups, columns, -1))
        return jnp.where(group < 0, of_groups.mean(axis=0), of_groups[group])

    return jax.lax.map(of_one, (x, group), batch_size=256)


class Probabilities(eqx.Module):
    """The probabilities of the classes that each column has, from logits."""

    possible: Array

    def __call__(self, logits: Float[Array, "columns classes"]) -> Float[Array, "columns classes"]:
        return jax.nn.softmax(jnp.where(self.possible, logits, -jnp.inf))


def _relu(x: Array) -> Array:  # joblib can store functions that have a name in a module
    return jax.nn.relu(x)


def as_it_is(x: Array) -> Array:
    return x
