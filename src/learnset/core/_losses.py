"""Losses of a predictor on a batch. They take the predictor, which may offer more than a mean."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ._errors import InputError
from ._predict import predict
from ._types import Batch, Predictor

LARGEST = 30.0  # logarithm of a rate, whose square is a number in single precision
Loss = Callable[[Predictor, Batch], Float[Array, ""]]


def mse(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """Mean squared error over points and outputs. Points without weight are left out.

    **Returns:** a scalar, in squared units of `y`; zero for a batch in which nothing has weight.

    **Raises:** `InputError` if predictions and targets differ in shape.

    >>> import jax.numpy as jnp, learnset as ls
    >>> float(ls.mse(lambda x: x + 1, ls.Batch(jnp.zeros((4, 1)), jnp.zeros((4, 1)))))
    1.0
    """
    weight, prediction = point_weight(batch), predict(predictor, batch.x, batch.weight)
    _check_same("mse", prediction, batch.y)
    return weighted_mean((prediction - present(batch.y, weight)) ** 2, weight)


def gaussian_nll(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """Mean negative log-likelihood of the targets under a normal distribution for each output.

    The predictor gives it: `predictor.gaussian(x) -> (mean, standard deviation)`.

    **Returns:** a scalar, in nats per output.

    **Raises:** `InputError` if predictions and targets differ in shape.
    """
    mean, std = jax.vmap(predictor.gaussian, axis_name="points")(batch.x)
    _check_same("gaussian_nll", mean, batch.y)
    weight = point_weight(batch)
    score = (
        0.5 * ((present(batch.y, weight) - mean) / std) ** 2
        + jnp.log(std)
        + 0.5 * jnp.log(2 * jnp.pi)
    )
    return weighted_mean(score, weight)


def poisson_nll(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """Mean negative log-likelihood of counts under Poisson distributions, of whose rates the
    predictor has the logarithms; without what depends on the counts alone. Points without weight
    are left out.

    **Returns:** a scalar, in nats per point where counts are not scaled.

    **Raises:** `InputError` if predictions and targets differ in shape.

    >>> import jax.numpy as jnp
    >>> float(poisson_nll(lambda x: jnp.zeros(1), Batch(jnp.zeros((4, 1)), jnp.ones((4, 1)))))
    1.0
    """
    weight, log_rate = point_weight(batch), predict(predictor, batch.x, batch.weight)
    _check_same("poisson_nll", log_rate, batch.y)
    log_rate = jnp.minimum(log_rate, LARGEST)
    return weighted_mean(jnp.exp(log_rate) - present(batch.y, weight) * log_rate, weight)


def cross_entropy(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """Mean negative log-likelihood of one-hot targets under logits. Points without weight are left
    out.

    **Returns:** a scalar, in nats per point.

    **Raises:** `InputError` if predictions and targets differ in shape.

    >>> import jax.numpy as jnp, learnset as ls
    >>> batch = ls.Batch(jnp.zeros((4, 1)), jnp.eye(4))
    >>> round(float(ls.cross_entropy(lambda x: jnp.zeros(4), batch)), 4)  # log 4
    1.3863
    """
    logits = predict(predictor, batch.x, batch.weight)
    _check_same("cross_entropy", logits, batch.y)
    return weighted_mean(-(batch.y * jax.nn.log_softmax(logits)).sum(axis=1), batch.weight)


def error_rate(predictor: Predictor, batch: Batch) -> Float[Array, ""]:
    """The fraction of misclassified points: one minus the accuracy. Points without weight are left
    out.

    **Returns:** a scalar from 0 to 1.

    **Raises:** `InputError` if predictions and targets differ in shape.

    >>> import jax.numpy as jnp, learnset as ls
    >>> batch = ls.Batch(jnp.zeros((2, 1)), jnp.eye(2))
    >>> float(ls.error_rate(lambda x: jnp.array([1.0, 0.0]), batch))
    0.5
    """
    logits = predict(predictor, batch.x, batch.weight)
    _check_same("error_rate", logits, batch.y)
    wrong = logits.argmax(axis=1) != batch.y.argmax(axis=1)
    return weighted_mean(wrong.astype(batch.weight.dtype), batch.weight)


def confidence(predictor: Predictor, batch: Batch) -> Float[Array, "2 points"]:
    """The confidence of a classifier in its first choice, from 0 to 1, and whether that choice is
    right.

    NaN for points without weight.

    >>> import jax.numpy as jnp, learnset as ls
    >>> batch = ls.Batch(jnp.zeros((2, 1)), jnp.eye(2))
    >>> confidence(lambda x: jnp.zeros(2), batch).tolist()
    [[0.5, 0.5], [1.0, 0.0]]
    """
    logits = predict(predictor, batch.x, batch.weight)
    right = (logits.argmax(axis=1) == batch.y.argmax(axis=1)).astype(logits.dtype)
    sure = jnp.stack([jax.nn.softmax(logits).max(axis=1), right])
    return jnp.where(batch.weight[None] > 0, sure, jnp.nan)


def _check_same(
    owner: str, prediction: Float[Array, "points *out"], y: Float[Array, "points *out"]
) -> None:
    """Raises `InputError` if shapes differ: (10, 1) and (10,) would silently broadcast to (10,
    10)."""
    if prediction.shape != y.shape:
        raise InputError(
            f"{owner}: predictions have shape {prediction.shape} and targets {y.shape}. The output"
            " for one input must have the shape of one target; scalar targets have shape (points,"
            " 1) for a model with `out_size=1`."
        )


def point_weight(batch: Batch) -> Float[Array, "points *#out"]:
    """`batch.weight` with trailing axes of length one, so that it broadcasts against `y`."""
    return batch.weight.reshape(batch.weight.shape + (1,) * (batch.y.ndim - batch.weight.ndim))


def present(
    y: Float[Array, "points *out"], weight: Float[Array, "points *#out"]
) -> Float[Array, "points *out"]:
    """Targets with zeros in place of absent ones: NaN times a weight of zero would still be NaN,
    also in the gradient."""
    return jnp.where(weight > 0, y, 0)


def weighted_mean(
    values: Float[Array, "points *out"], weight: Float[Array, "points *#out"]
) -> Float[Array, ""]:
    """The weighted mean of the values; zero if none has weight.

    >>> import jax.numpy as jnp
    >>> float(weighted_mean(jnp.array([1.0, 5.0, 9.0]), jnp.array([1.0, 1.0, 0.0])))
    3.0
    """
    weight = jnp.broadcast_to(weight, values.shape)
    total = weight.sum()
    return (weight * values).sum() / jnp.where(total > 0, total, 1)
