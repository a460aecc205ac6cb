"""DAN: features whose distributions in source and target have the same kernel mean."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Shaped

from ..core import Batch, cross_entropy, features, Loss, Model, weight_of_points
from ._unlabelled import AbstractUnlabelled

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)  # of the kernels, in mean squared distances


class DAN(AbstractUnlabelled):
    """DAN (deep adaptation network): adds the maximum mean discrepancy between the features of
    source and target, with five Gaussian kernels.

    **Arguments:**

    - `loss`: of the labelled source. `strength`: of the discrepancy.

    Source: Long et al. 2015, *Learning Transferable Features with Deep Adaptation Networks*, §3,
    with equal weights for all kernels, and for the input of the head only.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.Sinusoids().draw(4, ls.Split.TRAIN, key=jr.key(0))
    >>> model = ls.MLP(1, 1, key=jr.key(1))
    >>> metrics = ls.transfer.DAN(ls.mse).gradient(model, tasks, None, key=jr.key(2))[2]
    >>> sorted(metrics)
    ['discrepancy', 'loss', 'source']
    """

    loss: Loss = cross_entropy
    strength: float | Float[Array, ""] = 1.0

    def discrepancy(
        self,
        model: Model,
        source: Batch,
        target: Shaped[Array, "points *in"],
        weight: Float[Array, "points"],
    ) -> Float[Array, ""]:
        known = weight_of_points(source.weight)
        return kernel_discrepancy(
            features(model, source.x, known), features(model, target, weight), known, weight
        )


def kernel_discrepancy(
    left: Float[Array, "left features"],
    right: Float[Array, "right features"],
    left_weight: Float[Array, "left"],
    right_weight: Float[Array, "right"],
) -> Float[Array, ""]:
    """The squared distance between the kernel means of two weighted sets of points, for the sum of
    five Gaussian kernels whose widths follow the points.

    >>> x, all_points = jnp.array([[0.0], [1.0]]), jnp.ones(2)
    >>> float(kernel_discrepancy(x, x, all_points, all_points))
    0.0
    """
    points = jnp.concatenate([left, right])
    share = jnp.concatenate(
        [
            left_weight / jnp.maximum(left_weight.sum(), 1e-9),
            -right_weight / jnp.maximum(right_weight.sum(), 1e-9),
        ]
    )
    squares = (points**2).sum(axis=1)
    distance = jnp.maximum(squares[:, None] + squares[None] - 2 * points @ points.T, 0)
    pairs = jnp.abs(share[:, None] * share[None]) * (1 - jnp.eye(len(points), dtype=points.dtype))
    width = lax.stop_gradient((pairs * distance).sum() / jnp.maximum(pairs.sum(), 1e-9))
    scaled = distance / jnp.maximum(width, 1e-9)
    return share @ sum(jnp.exp(-scaled / wide) for wide in WIDTHS) @ share
