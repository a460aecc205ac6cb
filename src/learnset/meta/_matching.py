"""Matching networks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import AbstractAdapter, Batch, cross_entropy, features, InputError, Loss, Model, settled
from ..models import Headed
from ..transfer import ABSENT, AbstractSimilarity, Cosine, encoder
from ._through import AbstractMetaLearner

State = tuple[Float[Array, "features"], Float[Array, "features"]]


class WithFullContext(eqx.Module):
    """A model with networks that put each point into the context of the support set ("full context
    embeddings"): a bidirectional LSTM over the support set, and an LSTM with attention to it that
    reads it several times for each query.

    **Arguments:**

    - `model`: has `features`, or is `Headed`. `size`: the number of features.
    - `reads`: number of times that a query reads the support set (K).

    **Raises:** `InputError` for fewer than one read.

    Source: Vinyals et al. 2016, *Matching Networks for One Shot Learning*, appendix A.

    >>> import jax.random as jr, learnset as ls
    >>> model = ls.MLP(1, 1, width=8, key=jr.key(0))
    >>> ls.meta.WithFullContext(model, 8, reads=5, key=jr.key(1)).reads
    5
    """

    model: Any
    forward: eqx.nn.LSTMCell
    backward: eqx.nn.LSTMCell
    reader: eqx.nn.LSTMCell
    reads: int = eqx.field(static=True)

    def __init__(self, model: Any, size: int, *, reads: int, key: Key[Array, ""]):
        if reads < 1:
            raise InputError(
                f"WithFullContext: `reads={reads}`, but a query must read the support set at least"
                " once."
            )
        keys = jr.split(key, 3)
        self.model, self.reads = model, reads
        self.forward, self.backward = (eqx.nn.LSTMCell(size, size, key=k) for k in keys[:2])
        self.reader = eqx.nn.LSTMCell(2 * size, size, key=keys[2])

    def of_support(
        self, values: Float[Array, "points features"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """Support features plus the outputs of both LSTMs over the points in their order."""
        forward = _run(self.forward, values, weight)
        return values + forward + _run(self.backward, values[::-1], weight[::-1])[::-1]

    def of_query(
        self,
        value: Float[Array, "features"],
        support: Float[Array, "points features"],
        log_weight: Float[Array, "points"],
    ) -> Float[Array, "features"]:
        """Features of one query after it has read the support set `reads` times."""

        def read(state: State, _: None) -> tuple[State, None]:
            attended = jax.nn.softmax(support @ state[0] + log_weight) @ support
            hidden, cell = self.reader(jnp.concatenate([value, attended]), state)
            return (hidden + value, cell), None

        return jax.lax.scan(read, (value, jnp.zeros_like(value)), length=self.reads)[0][0]


def _run(
    cell: eqx.nn.LSTMCell, values: Float[Array, "points features"], weight: Float[Array, "points"]
) -> Float[Array, "points features"]:
    """The output of an LSTM at each point; points without weight are skipped."""

    def step(state: State, point: tuple[Array, Array]) -> tuple[State, Array]:
        value, weight = point
        new = jax.tree.map(
            lambda after, before: jnp.where(weight > 0, after, before), cell(value, state), state
        )
        return new, new[0]

    zeros = jnp.zeros_like(values[0])
    return jax.lax.scan(step, (zeros, zeros), (values, weight))[1]


class MatchingNetwork(AbstractMetaLearner):
    """Matching network: learns features in which a query is similar to the support points of its
    class. The label is an average of the support labels, weighted by attention to their points.

    **Arguments:**

    - `similarity`: attention is its softmax; default: the cosine, as in the paper. A `Cosine` of a
      larger `scale` allows odds above e² to one for a single point.

    The model is any with features; `WithFullContext` for full context embeddings, which depend on
    the order of the support points.

    Source: Vinyals et al. 2016, *Matching Networks for One Shot Learning*, §2.1 and appendix A.
    Different from there: the first hidden state of the LSTM with attention is the features of the
    query.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.Headed(ls.MLP(2, 2, key=jr.key(0)), None)
    >>> ls.MatchingNetwork().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy
    similarity: AbstractSimilarity = eqx.field(default_factory=lambda: Cosine(1.0))

    @property
    def adapter(self) -> "Matching":
        return Matching(self.similarity)


class Matching(AbstractAdapter):
    """The adapter of `MatchingNetwork`: classifies by attention to the support points.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model, support = ls.MLP(2, 2, key=jr.key(0)), ls.Batch(jnp.eye(2), jnp.eye(2))
    >>> int(ls.meta.Matching().adapt(model, support)(jnp.array([1.0, 0.0])).argmax())
    0
    """

    similarity: AbstractSimilarity = eqx.field(default_factory=lambda: Cosine(1.0))

    def adapt(self, model: Model, support: Batch) -> Headed:
        context = model if isinstance(model, WithFullContext) else None
        model = settled(model if context is None else context.model, support)
        values = features(model, support.x, support.weight)
        values = values if context is None else context.of_support(values, support.weight)
        # The model inside the context networks is the encoder already, and is not kept twice.
        context = None if context is None else eqx.tree_at(lambda c: c.model, context, None)
        return Headed(
            encoder(model),
            Attention(Batch(values, support.y, support.weight), self.similarity, context),
        )


class Attention(eqx.Module):
    """The head of a matching network: log-probabilities by attention to support features."""

    support: Batch
    similarity: AbstractSimilarity
    context: WithFullContext | None

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        weight = self.support.weight
        log_weight = jnp.where(weight > 0, jnp.log(jnp.where(weight > 0, weight, 1)), ABSENT)
        if self.context is not None:
            x = self.context.of_query(x, self.support.x, log_weight)
        attention = jax.nn.log_softmax(self.similarity(x, self.support.x) + log_weight)
        member = (self.support.y > 0) & (weight > 0)[:, None]
        of_class = jax.nn.logsumexp(jnp.where(member, attention[:, None], ABSENT), axis=0)
        return jnp.where(member.any(axis=0), of_class, ABSENT)
