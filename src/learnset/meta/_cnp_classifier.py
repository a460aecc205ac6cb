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
    """A conditional neural process for classification: a model of `CNP(cross_entropy)`, the same
    for any number of classes in any order.

    It averages a code over the support points of each class. A decoder computes the logit of a
    class from the features of a query, the code of the class and the mean code of all classes.

    Source: Garnelo et al. 2018, *Conditional Neural Processes*, §4.3. Different from there: the
    decoder answers for one class at a time; theirs receives the codes of all classes concatenated
    in their order.

    **Arguments:**

    - `encoder`: as in `Headed`. `size`: the number of its features; default: `encoder.size`.
    - `width`, `depth`: of the networks that encode and decode.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> encoder = ls.MLP(2, 2, width=8, key=jr.key(0))
    >>> model = ls.meta.NeuralProcessClassifier(encoder, size=8, key=jr.key(1))
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
        in_size: int = encoder.size if size is None else size
        self.encoder = encoder
        # He's weights keep the scale of activations: smaller ones let the codes of classes fade.
        shape = {
            "width": width,
            "depth": depth,
            "activation": jax.nn.gelu,
            "initialiser": jax.nn.initializers.he_normal(),
        }
        self.code = MLP(in_size, width, **shape, key=code_key)
        self.decoder = MLP(in_size + 2 * width, width, **shape, key=decoder_key)
        # No bias here: a constant added to the logits of all classes changes nothing.
        self.answer = eqx.nn.Linear(width, "scalar", use_bias=False, key=answer_key)

    def condition(self, support: Batch) -> Headed:
        """The predictor for one task; points of weight zero do not influence it."""
        encoder = settled(self.encoder, support)
        values = features(encoder, support.x, support.weight)
        codes, present = class_means(jax.vmap(self.code)(values), support)
        count = jnp.maximum(present.sum(), 1).astype(codes.dtype)
        mean = jnp.where(present[:, None], codes, 0).sum(axis=0) / count
        return Headed(encoder, CodedHead(self.decoder, self.answer, codes, mean, present))


class CodedHead(eqx.Module):
    """The head of a neural process classifier: the decoder and the codes of the classes of one
    task."""

    decoder: MLP
    answer: eqx.nn.Linear
    codes: Float[Array, "classes width"]
    mean: Float[Array, "width"]
    there: Bool[Array, "classes"]

    def __call__(self, x: Float[Array, "features"]) -> Float[Array, "classes"]:
        def logit(code: Float[Array, "width"]) -> Array:
            return self.answer(jax.nn.gelu(self.decoder(jnp.concatenate([x, code, self.mean]))))

        return jnp.where(self.there, jax.vmap(logit)(self.codes), ABSENT)
