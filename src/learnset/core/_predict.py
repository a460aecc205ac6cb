"""Predictions for many points. A predictor takes one input; only here does it meet many."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PyTree, Shaped

from ._errors import InputError
from ._types import Batch, Model, Predictor


def predict(
    predictor: Predictor,
    xs: Shaped[Array, "points *in"],
    weight: Float[Array, "points *labels"] | None = None,
) -> PyTree[Shaped[Array, "points ..."]]:
    """Predictions for many points, from a predictor of one point.

    The mapped axis is named `points`, so that a layer that needs statistics of the batch has to ask
    for them by that name: nothing is shared between points silently. A predictor that answers for
    all points together (because statistics of the batch normalise its layers, say) has a method
    `together(xs, weight)`, which is called instead; points without weight have no part in it.

    **Returns:** the predictor's outputs, stacked on a leading `points` axis.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.predict(lambda x: 2 * x, jnp.ones((3, 1))).shape
    (3, 1)
    """
    if hasattr(predictor, "together"):
        return predictor.together(xs, _of_points(weight, xs))
    return jax.vmap(predictor, axis_name="points")(xs)


def features(
    model: Model,
    xs: Shaped[Array, "points *in"],
    weight: Float[Array, "points *labels"] | None = None,
) -> Float[Array, "points features"]:
    """The features of many points, which are the input of the model's head: `model.embed(xs,
    weight)` if the model takes points together, otherwise `model.features(x)` of each.

    **Raises:** `InputError` for a model with neither.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> features(ls.MLP(1, 1, width=40, key=jr.key(0)), jnp.ones((3, 1))).shape
    (3, 40)
    """
    if hasattr(model, "embed"):
        return model.embed(xs, _of_points(weight, xs))
    if not hasattr(model, "features"):
        raise InputError(
            f"{type(model).__name__} has no method `features(x)`, the input of its `head`. Add one."
        )
    return jax.vmap(model.features, axis_name="points")(xs)


def settled(model: Any, support: Batch) -> Any:
    """The model with the statistics of the support set stored in it, `model.settle(xs, weight)`, if
    statistics normalise its layers: its prediction for one query then depends on no other query.
    Otherwise the model itself.

    **Returns:** a model.
    """
    return (
        model.settle(support.x, _of_points(support.weight, support.x))
        if hasattr(model, "settle")
        else model
    )


def is_transductive(model: Any) -> bool:
    """Whether statistics of the batch normalise a layer of the model, so that queries influence
    each other."""
    parts = jax.tree.leaves(
        model, is_leaf=lambda part: getattr(part, "transductive", None) is not None
    )
    return any(getattr(part, "transductive", False) is True for part in parts)


def weight_of_points(weight: Float[Array, "points *#out"]) -> Float[Array, "points"]:
    """One weight for each point: the largest among its labels."""
    return weight.max(axis=tuple(range(1, weight.ndim)))


def _of_points(weight: Array | None, xs: Array) -> Float[Array, "points"]:
    if weight is None:
        return jnp.ones(xs.shape[0], jnp.result_type(float))
    return weight_of_points(weight)


def for_task(model: Model, index: Int[Array, ""]) -> Any:
    """The model as task number `index` sees it: `model.for_task(index)` if the model has parts for
    each task, otherwise the model itself. Losses, balancers and adapters therefore need not know
    about heads.

    **Returns:** a model of one task.
    """
    return model.for_task(index) if hasattr(model, "for_task") else model
