"""The one place where a predictor, which takes one input, meets many points."""

from typing import Any

import jax
from jaxtyping import Array, Int, PyTree, Shaped

from ._types import Model, Predictor


def predict(predictor: Predictor, xs: Shaped[Array, "points *in"]) -> PyTree[Shaped[Array, "points ..."]]:
    """Predictions for many points from a predictor of one.

    The mapped axis is named `points`, so that a layer which wants statistics of the batch has to ask for them by that
    name: nothing is shared between points silently.

    **Returns:** the predictor's outputs, stacked on a leading `points` axis.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.predict(lambda x: 2 * x, jnp.ones((3, 1))).shape
    (3, 1)
    """
    return jax.vmap(predictor, axis_name="points")(xs)


def for_task(model: Model, index: Int[Array, ""]) -> Any:
    """The model as task number `index` sees it: `model.for_task(index)` for a model that has parts for each task, and
    the model itself otherwise. Losses, balancers and adapters therefore never hear of heads.

    **Returns:** a model of one task.
    """
    return model.for_task(index) if hasattr(model, "for_task") else model
