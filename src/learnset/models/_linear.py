"""A linear layer."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

Initialiser = Callable[..., Array]  # as in `jax.nn.initializers`: (key, shape, dtype) -> array


def truncated_normal(std: float) -> Initialiser:
    """An initialiser from a normal distribution that is truncated at two standard deviations, with
    biases of zero. MAML's is that with `std=0.01` (its code, `construct_fc_weights`)."""
    # JAX's rescales, so that `stddev` holds after truncation; TensorFlow's, which MAML used, does
    # not.
    return lambda key, shape, dtype: std * jr.truncated_normal(key, -2.0, 2.0, shape, dtype)


class Linear(eqx.Module):
    """A linear layer: `x @ weight + bias` for one input.

    Weights and biases start uniform in `± 1/sqrt(in_size)`, as in PyTorch and Equinox, or, if there
    is an `initialiser`, weights from it and biases at zero.
    """

    weight: Float[Array, "in out"]
    bias: Float[Array, "out"]

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        initialiser: Initialiser | None = None,
        key: Key[Array, ""],
    ):
        dtype = jnp.result_type(float)
        if initialiser is None:
            weight_key, bias_key = jr.split(key)
            bound = in_size**-0.5
            self.weight = jr.uniform(weight_key, (in_size, out_size), dtype, -bound, bound)
            self.bias = jr.uniform(bias_key, (out_size,), dtype, -bound, bound)
        else:
            self.weight = initialiser(key, (in_size, out_size), dtype)
            self.bias = jnp.zeros(out_size, dtype)

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return x @ self.weight + self.bias
