"""A conditional neural process that classifies."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Key

from ..core import Batch, features, settled
from ..models import Headed, MLP
from ..transfer import ABSENT, class_means


class NeuralProcessClassifier(eqx.Module):
    """Averages a code of the support points of each class; a decoder makes the logit of a class from the features of a
    query, the code of the class and the mean code of all classes. It is a model of `CNP(cross_entropy)`, the same for
    any number of classes and in whatever order they come.

    Source: Garnelo et al. 2018, *Conditional Neural Processes*, §4.3. Different from there: the decoder answers for one
    class at a time, where theirs is given the codes of all classes side by side, in their order.

    **Arguments:**

    - `encoder`: as in `Headed`; `size`: how many features it has, its own `size` unless said otherwise.
    - `width`, `depth`: of the networks that code and decode.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.meta.NeuralProcessClassifier(ls.MLP(2, 2, width=8, key=jr.key(0)), size=8, key=jr.key(1))
    >>> ls.CNP(ls.cross_entropy).adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))(jnp.ones(2)).shape
    (2,)
    """

    encoder: Any
    code: MLP
    decoder: MLP
    answer: eqx.nn.Linear

    def __init__(
        self,
        encoder: Any,
        *,
        size: int | None = None,
        width: int = 64,
        depth: int = 2,
        key: Key[Array, ""],
    ):
        code_key, decoder_key, answer_key = jr.split(key, 3)
        size = encoder.size if size is None else size
        self.encoder = encoder
        # Weights that keep the size of what goes through: smaller ones let the codes of classes fade on their way.
        shape = {
            "width": width,
            "depth": depth,
            "activation": jax.nn.gelu,
            "initialiser": jax.nn.initializers.he_normal(),
        }
        self.code = MLP(size, width, **shape, key=code_key)
        self.decoder = MLP(size + 2 * width, width, **shape, key=decoder_key)
        # No bias here: what is added to the logits of all classes changes nothing.
        self.answer = eqx.nn.Linear(width, "scalar", use_bias=False, key=answer_key)

    def condition(self, support: Batch) -> Headed:
        """The predictor for one task, in which points of weight zero have no part."""
        encoder = settled(self.encoder, support)
        codes, there = class_means(
            jax.vmap(self.code)(features(encoder, support.x, support.weight)), support
        )
        mean = jnp.where(there[:, None], codes, 0).sum(axis=0) / jnp.maximum(there.sum(), 1).astype(
            codes.dtype
        )
        return Headed(encoder, CodedHead(self.decoder, self.answer, codes, mean, there))


class CodedHead(eqx.Module):
    """A decoder with the codes of one task's classes."""

    decoder: MLP
    answer: eqx.nn.Linear
    codes: Float[Array, "classes width"]
    mean: Float[Array, "width"]
    there: Bool[Array, "classes"]

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        def logit(code: Float[Array, "width"]) -> Array:
            return self.answer(jax.nn.gelu(self.decoder(jnp.concatenate([x, code, self.mean]))))

        return jnp.where(self.there, jax.vmap(logit)(self.codes), ABSENT)
