"""Random keys and models as users of JAX and Equinox bring them."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Key

from ._errors import InputError


def as_key(owner: str, key: Any) -> Key[Array, "*seeds"]:
    """A random key, or several: those of `jax.random.PRNGKey` become keys of `jax.random.key`.

    **Raises:** `InputError` for anything else.

    >>> import jax
    >>> as_key("train", jax.random.PRNGKey(0)).dtype
    key<fry>
    """
    dtype = getattr(key, "dtype", None)
    if is_key(key):
        return key
    if dtype == jnp.uint32 and key.shape[-1:] == (2,):
        return jr.wrap_key_data(jnp.asarray(key))
    raise InputError(f"{owner}: `key={key!r}`, but it must be a random key: `jax.random.key(0)`.")


def is_key(value: Any) -> bool:
    """Whether a value is an array of random keys, as `jax.random.key` makes them."""
    dtype = getattr(value, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def check_stateless(owner: str, model: Any) -> None:
    """Raises `InputError` for a model with layers that need more than an input at each call."""
    kinds = (eqx.nn.StateIndex, eqx.nn.State, eqx.nn.Dropout)
    for layer in jax.tree.leaves(model, is_leaf=lambda part: isinstance(part, kinds)):
        if isinstance(layer, eqx.nn.Dropout) and not layer.inference and layer.p > 0:
            raise InputError(
                f"{owner}: the model has `equinox.nn.Dropout`, which needs a random key at each"
                " call, but a model here is a function of its input. Turn it off"
                " (`equinox.nn.inference_mode`), and use weight decay (`optax.adamw`) instead."
            )
        if isinstance(layer, eqx.nn.StateIndex | eqx.nn.State):
            raise InputError(
                f"{owner}: the model has a layer with a state, such as `equinox.nn.BatchNorm`, but"
                " a model here is a function of its input. Use `learnset.models.BatchNorm`,"
                " `GroupNorm` or `SupportNorm` instead, and the model without its state."
            )
