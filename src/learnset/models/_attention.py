"""Attention from points to a set of other points."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import InputError
from ._mlp import MLP


class AttentionBlock(eqx.Module):
    """A transformer block: adds to each token what it reads from a context, then the output of a
    small network. Tokens do not see each other, unless they are the context themselves; the order
    of the context does not matter.

    **Arguments:**

    - `width`: of a token. `heads`: of attention, a divisor of the width.

    **Raises:** `InputError` for a width that is not divisible by `heads`.

    Source: Vaswani et al. 2017, *Attention Is All You Need*, §3, normalised before each part as in
    Xiong et al. 2020, *On Layer Normalization in the Transformer Architecture*, §3.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> block = ls.models.AttentionBlock(8, heads=2, key=jr.key(0))
    >>> block(jnp.ones((3, 8)), jnp.ones((5, 8)), jnp.ones(5, bool)).shape
    (3, 8)
    """

    attention: eqx.nn.MultiheadAttention
    network: MLP
    before_attention: eqx.nn.LayerNorm
    before_network: eqx.nn.LayerNorm

    def __init__(self, width: int, *, heads: int = 4, key: Key[Array, ""]):
        if heads < 1 or width % heads:
            raise InputError(
                f"AttentionBlock: `width={width}` is not divisible by `heads={heads}`. Choose a"
                " divisor."
            )
        attention_key, network_key = jr.split(key)
        self.attention = eqx.nn.MultiheadAttention(heads, width, key=attention_key)
        self.network = MLP(
            width, width, width=4 * width, depth=1, activation=jax.nn.gelu, key=network_key
        )
        self.before_attention = eqx.nn.LayerNorm(width)
        self.before_network = eqx.nn.LayerNorm(width)

    def __call__(
        self,
        tokens: Float[Array, "tokens width"],
        context: Float[Array, "points width"],
        there: Bool[Array, "points"],
    ) -> Float[Array, "tokens width"]:
        """Tokens after reading the points of the context that are present (`there`)."""
        queries, keys = (jax.vmap(self.before_attention)(x) for x in (tokens, context))
        mask = jnp.broadcast_to(there, (len(tokens), len(there)))
        tokens = tokens + self.attention(queries, keys, keys, mask)
        return tokens + jax.vmap(lambda token: self.network(self.before_network(token)))(tokens)
