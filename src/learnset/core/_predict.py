"""The one place where a predictor, which takes one input, meets many points."""

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
    """Predictions for many points from a predictor of one.

    The mapped axis is named `points`, so that a layer which wants statistics of the batch has to ask for them by that
    name: nothing is shared between points silently. A predictor which answers for all points together, because its
    layers are normalised by statistics of a batch, say, has a method `together(xs, weight)`, which is called instead;
    points without weight have no part in it.

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
    """What the head of a model sees of many points: `model.embed(xs, weight)` where points go together, and
    `model.features(x)` of each otherwise.

    **Raises:** `InputError` for a model with neither.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> features(ls.MLP(1, 1, width=40, key=jr.key(0)), jnp.ones((3, 1))).shape
    (3, 40)
    """
    if hasattr(model, "embed"):
        return model.embed(xs, _of_points(weight, xs))
    if not hasattr(model, "features"):
        raise InputError(
            f"{type(model).__name__} has no method `features(x)`, what its `head` sees. Add one."
        )
    return jax.vmap(model.features, axis_name="points")(xs)


def settled(model: Any, support: Batch) -> Any:
    """The model with the statistics of the support set in it, `model.settle(xs, weight)`, where its layers are
    normalised by them: what it predicts for one query then depends on no other. The model itself otherwise.

    **Returns:** a model.
    """
    return (
        model.settle(support.x, _of_points(support.weight, support.x))
        if hasattr(model, "settle")
        else model
    )


def is_transductive(model: Any) -> bool:
    """Whether a layer of the model is normalised by whatever comes together, so that queries see each other."""
    parts = jax.tree.leaves(
        model, is_leaf=lambda part: getattr(part, "transductive", None) is not None
    )
    return any(getattr(part, "transductive", False) is True for part in parts)


def _of_points(weight: Array | None, xs: Array) -> Float[Array, "points"]:
    """One weight a point, which is there if any of its labels is."""
    if weight is None:
        return jnp.ones(xs.shape[0], jnp.result_type(float))
    return weight.reshape(xs.shape[0], -1).max(axis=1)


def for_task(model: Model, index: Int[Array, ""]) -> Any:
    """The model as task number `index` sees it: `model.for_task(index)` for a model that has parts for each task, and
    the model itself otherwise. Losses, balancers and adapters therefore never hear of heads.

    **Returns:** a model of one task.
    """
    return model.for_task(index) if hasattr(model, "for_task") else model
