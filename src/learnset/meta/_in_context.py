"""A transformer that learns a task by reading its support set."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import Batch, cross_entropy, features, head_size, Loss, settled
from ..models import AttentionBlock, Headed, Linear
from ..transfer import ABSENT, classes_there, encoder
from ._cnp import Amortised
from ._through import AbstractMetaLearner


class InContext(AbstractMetaLearner):
    """In-context learning: a network that reads the support set learns to predict the query set, so
    that learning a task is a forward pass. The model is an `InContextClassifier`.

    Source: Mishra et al. 2018, *A Simple Neural Attentive Meta-Learner*, §3 (learning by attention
    to the support set). Different from there: no causal convolutions, because a support set has no
    order.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> encoder = ls.MLP(2, 2, width=8, key=jr.key(0))
    >>> model = ls.meta.InContextClassifier(encoder, size=8, width=8, key=jr.key(1))
    >>> ls.meta.InContext().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    loss: Loss = cross_entropy

    @property
    def adapter(self) -> Amortised:
        return Amortised()

    def prepare(self, model: Any, *, key: Key[Array, ""]) -> "InContextClassifier":
        return InContextClassifier(encoder(model), size=head_size(model), key=key)


class InContextClassifier(eqx.Module):
    """A transformer over the support set, the same for any number of classes in any order.

    Each class is read separately: a support token is the sum of its features and its kind, of this
    class or of another; the last token of a query gives the logit of the class. Support points
    attend to each other, a query only to them.

    **Arguments:**

    - `encoder`: as in `Headed`. `size`: the number of its features; default: `encoder.size`.
    - `width`, `heads`, `depth`: of the transformer.
    """

    encoder: Any
    read: Linear
    kinds: Float[Array, "3 width"]  # of this class, of another, a query
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
        # No biases here: a constant added to the logits of all classes changes nothing.
        self.normalisation = eqx.nn.LayerNorm(width, use_bias=False)
        self.answer = eqx.nn.Linear(width, "scalar", use_bias=False, key=answer_key)

    def condition(self, support: Batch) -> Headed:
        """The predictor for one task; points of weight zero do not influence it."""
        encoder = settled(self.encoder, support)
        tokens = jax.vmap(self.read)(features(encoder, support.x, support.weight))
        present = support.weight > 0
        of_class = jax.vmap(lambda member: self.contexts(tokens, member, present), in_axes=1)
        return Headed(encoder, Reader(self, of_class(support.y), present, classes_there(support)))

    def contexts(
        self,
        tokens: Float[Array, "points width"],
        member: Float[Array, "points"],
        there: Bool[Array, "points"],
    ) -> tuple[Float[Array, "points width"], ...]:
        """The context of each block, which is the support set as it sees it, for one class."""
        tokens = tokens + member[:, None] * self.kinds[:1] + (1 - member)[:, None] * self.kinds[1:2]
        contexts = [tokens]
        for block in self.blocks[:-1]:
            contexts.append(block(contexts[-1], contexts[-1], there))
        return tuple(contexts)


class Reader(eqx.Module):
    """The head of an in-context classifier: reads the contexts of the support set for one query."""

    model: InContextClassifier
    contexts: tuple[Float[Array, "classes points width"], ...]
    there: Bool[Array, "points"]
    classes: Bool[Array, "classes"]

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        token = self.model.read(x) + self.model.kinds[2]
        logits = jax.vmap(lambda contexts: self.logit(token, contexts))(self.contexts)
        return jnp.where(self.classes, logits, ABSENT)

    def logit(
        self, token: Float[Array, "width"], contexts: tuple[Float[Array, "points width"], ...]
    ) -> Array:
        """The logit of one class."""
        for block, context in zip(self.model.blocks, contexts, strict=True):
            token = block(token[None], context, self.there)[0]
        return self.model.answer(self.model.normalisation(token))
