"""A transformer that learns a task by reading its support set."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import Batch, cross_entropy, features, Loss, settled
from ..models import AttentionBlock, Headed, Linear
from ..transfer import ABSENT, classes_there
from ._cnp import Amortised
from ._through import AbstractMetaLearner


class InContext(AbstractMetaLearner):
    """Trains a network which reads the support set to predict the query set: learning is a forward pass. The model is an
    `InContextClassifier`.

    Source: Mishra et al. 2018, *A Simple Neural Attentive Meta-Learner*, §3 (learning by attention to the support set).
    Different from there: no causal convolutions, because a support set has no order.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.meta.InContextClassifier(ls.MLP(2, 2, width=8, key=jr.key(0)), size=8, width=8, key=jr.key(1))
    >>> ls.meta.InContext().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy

    @property
    def adapter(self) -> Amortised:
        return Amortised()


class InContextClassifier(eqx.Module):
    """A transformer over the support set, the same for any number of classes and in whatever order they come.

    Each class is read by itself: a support token is its features plus what it is, of this class or of another; the last
    token of a query becomes the logit of the class. Support points attend to each other, a query to them alone.

    **Arguments:**

    - `encoder`: as in `Headed`; `size`: how many features it has, its own `size` unless said otherwise.
    - `width`, `heads`, `depth`: of the transformer.
    """

    encoder: Any
    read: Linear
    kinds: Float[Array, "3 width"]  # of this class, of another, asked
    blocks: tuple[AttentionBlock, ...]
    normalisation: eqx.nn.LayerNorm
    answer: eqx.nn.Linear

    def __init__(
        self,
        encoder: Any,
        *,
        size: int | None = None,
        width: int = 64,
        heads: int = 4,
        depth: int = 2,
        key: Key[Array, ""],
    ):
        read_key, kind_key, answer_key, *keys = jr.split(key, depth + 3)
        self.encoder = encoder
        self.read = Linear(encoder.size if size is None else size, width, key=read_key)
        self.kinds = jr.normal(kind_key, (3, width), jnp.result_type(float))
        self.blocks = tuple(AttentionBlock(width, heads=heads, key=k) for k in keys)
        # No biases here: what is added to the logits of all classes changes nothing.
        self.normalisation = eqx.nn.LayerNorm(width, use_bias=False)
        self.answer = eqx.nn.Linear(width, "scalar", use_bias=False, key=answer_key)

    def condition(self, support: Batch) -> Headed:
        """The predictor for one task, in which points of weight zero have no part."""
        encoder = settled(self.encoder, support)
        tokens = jax.vmap(self.read)(features(encoder, support.x, support.weight))
        there = support.weight > 0
        contexts = jax.vmap(lambda member: self.contexts(tokens, member, there), in_axes=1)(
            support.y
        )
        return Headed(encoder, Reader(self, contexts, there, classes_there(support)))

    def contexts(
        self,
        tokens: Float[Array, "points width"],
        member: Float[Array, "points"],
        there: Bool[Array, "points"],
    ) -> tuple[Float[Array, "points width"], ...]:
        """What each block sees of the support set, for one class."""
        tokens = tokens + member[:, None] * self.kinds[:1] + (1 - member)[:, None] * self.kinds[1:2]
        contexts = [tokens]
        for block in self.blocks[:-1]:
            contexts.append(block(contexts[-1], contexts[-1], there))
        return tuple(contexts)


class Reader(eqx.Module):
    """Answers for the features of one query from what the support set became."""

    model: InContextClassifier
    contexts: tuple[Float[Array, "classes points width"], ...]
    there: Bool[Array, "points"]
    classes: Bool[Array, "classes"]

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        asked = self.model.read(x) + self.model.kinds[2]
        return jnp.where(
            self.classes,
            jax.vmap(lambda contexts: self.logit(asked, contexts))(self.contexts),
            ABSENT,
        )

    def logit(
        self, token: Float[Array, "width"], contexts: tuple[Float[Array, "points width"], ...]
    ) -> Array:
        """How much speaks for one class."""
        for block, context in zip(self.model.blocks, contexts, strict=True):
            token = block(token[None], context, self.there)[0]
        return self.model.answer(self.model.normalisation(token))
