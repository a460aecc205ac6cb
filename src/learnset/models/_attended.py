"""What queries read of several contexts together, in arrays that stay in a processor's cache."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Many = tuple[Array, ...]


def each(function: Callable[..., Array], *arrays: Any) -> Array:
    """A function of each entry of the first axes, as by `jax.vmap`: one after the other on a
    processor, in whose cache one of them fits."""
    if jax.default_backend() == "cpu":
        return jax.lax.map(lambda entry: function(*entry), arrays)
    return jax.vmap(function)(*arrays)


def attended(
    queries: Float[Array, "tokens size"],
    keys: tuple[Float[Array, "_ size"], ...],
    values: tuple[Float[Array, "_ size"], ...],
    there: tuple[Bool[Array, "_"], ...],
) -> Float[Array, "tokens size"]:
    """Softmax attention of one head to several contexts as if they were one, of which at least one
    token is there.

    Neither the contexts nor their weights are put together, and no weights are kept for the
    gradient: they are computed again.

    Source: Dao et al. 2022, *FlashAttention*, §3.1 (the gradient from the normaliser).

    >>> import jax.numpy as jnp
    >>> rows = jnp.eye(2)
    >>> attended(rows, (rows, rows), (rows, -rows), (jnp.ones(2, bool), jnp.zeros(2, bool))).shape
    (2, 2)
    """
    return _attended(queries * queries.shape[-1] ** -0.5, keys, values, there)


@jax.custom_vjp
def _attended(queries: Array, keys: Many, values: Many, there: Many) -> Array:
    return _forwards(queries, keys, values, there)[0]


def _scores(queries: Array, keys: Many, there: Many) -> list[Array]:
    return [
        jnp.where(known[None], queries @ key.astype(queries.dtype).T, -jnp.inf)
        for key, known in zip(keys, there, strict=True)
    ]


def _forwards(queries: Array, keys: Many, values: Many, there: Many) -> tuple[Array, Any]:
    scores = _scores(queries, keys, there)
    most = functools.reduce(jnp.maximum, (score.max(axis=1, initial=-jnp.inf) for score in scores))
    read = jnp.zeros((len(queries), 1 + values[0].shape[1]), queries.dtype)
    for score, value in zip(scores, values, strict=True):
        # The last column sums the weights.
        with_one = jnp.pad(value.astype(queries.dtype), ((0, 0), (0, 1)), constant_values=1)
        read += jnp.exp(score - most[:, None]) @ with_one
    read, total = read[:, :-1] / read[:, -1:], most + jnp.log(read[:, -1])
    return read, (queries, keys, values, there, read, total)


def _backwards(kept: Any, grad: Array) -> tuple[Array, Many, Many, None]:
    queries, keys, values, there, read, total = kept
    along = (grad * read).sum(axis=1, keepdims=True)
    of_queries, of_keys, of_values = jnp.zeros_like(queries), [], []
    scores = _scores(queries, keys, there)
    for score, key, value in zip(scores, keys, values, strict=True):
        weight = jnp.exp(score - total[:, None])
        of_score = weight * (grad @ value.astype(grad.dtype).T - along)
        of_queries += of_score @ key.astype(grad.dtype)
        of_keys.append((of_score.T @ queries).astype(key.dtype))
        of_values.append((weight.T @ grad).astype(value.dtype))
    return of_queries, tuple(of_keys), tuple(of_values), None


_attended.defvjp(_forwards, _backwards)
