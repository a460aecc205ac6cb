"""MiniLM: a small BERT that turns sentences into vectors."""

from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import InputError

TEXT_FEATURES = 384
WIDTH, HEADS, LAYERS, WIDER, LONGEST, WORDS = TEXT_FEATURES, 12, 6, 1536, 512, 30522

States = Float[Array, "tokens width"]
Parts = dict[str, Array]


class Layer(eqx.Module):
    """A transformer layer: attention, then two dense layers, each added to its input and
    normalised."""

    query: Parts
    key: Parts
    value: Parts
    out: Parts
    first_norm: Parts
    wider: Parts
    narrower: Parts
    last_norm: Parts

    def __call__(self, x: States, present: Bool[Array, "tokens"]) -> States:
        split = (len(x), HEADS, WIDTH // HEADS)
        query, key, value = (
            dense(part, x).reshape(split) for part in (self.query, self.key, self.value)
        )
        scores = jnp.einsum("qhd,khd->hqk", query, key) * split[2] ** -0.5
        share = jax.nn.softmax(jnp.where(present[None, None], scores, -1e9))
        mixed = jnp.einsum("hqk,khd->qhd", share, value).reshape(x.shape)
        x = normalised(self.first_norm, x + dense(self.out, mixed))
        wide = jax.nn.gelu(dense(self.wider, x), approximate=False)
        return normalised(self.last_norm, x + dense(self.narrower, wide))


class MiniLM(eqx.Module):
    """MiniLM-L6: a BERT of 6 layers and 22 million parameters, whose 384 features of a text are of
    unit length, so that their product is a similarity.

    An input is a vector of at most 512 tokens, padded with zeros; `Backbone.named("minilm")` takes
    texts.

    **Arguments:** `arrays`: weights, by their names in the published file, as `read_safetensors`
    gives them. Default: random ones, from `key`.

    **Raises:** `InputError` for arrays of another network.

    Source: Wang et al. 2020, *MiniLM*; Devlin et al. 2019, *BERT*; mean over tokens and unit
    length: Reimers & Gurevych 2019, *Sentence-BERT*.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.models.MiniLM(key=jr.key(0)).features(jnp.array([101, 2023, 102, 0])).shape
    (384,)
    """

    words: Float[Array, "words width"]
    places: Float[Array, "places width"]
    kind: Float[Array, "width"]
    norm: Parts
    layers: tuple[Layer, ...]
    in_shape: tuple[int] = eqx.field(static=True)
    size: int = eqx.field(static=True)  # features

    def __init__(
        self,
        *,
        arrays: Mapping[str, np.ndarray] | None = None,
        key: Key[Array, ""] | None = None,
    ):
        if (arrays is None) is (key is None):
            raise InputError("MiniLM: give `arrays` or a `key`.")
        keys = iter(() if key is None else jr.split(key, 8 * LAYERS + 4))

        def array(name: str, *shape: int) -> Array:
            if arrays is None:
                if name.endswith("LayerNorm.weight"):
                    return jnp.ones(shape)
                return 0.02 * jr.normal(next(keys), shape) if len(shape) > 1 else jnp.zeros(shape)
            if name not in arrays or arrays[name].shape != shape:
                raise InputError(f"The arrays have no `{name}` of the shape {shape}.")
            return jnp.asarray(arrays[name])

        def part(name: str, *shape: int) -> Parts:
            return {
                "weight": array(f"{name}.weight", *shape),
                "bias": array(f"{name}.bias", shape[0]),
            }

        def layer(place: str) -> Layer:
            square = (WIDTH, WIDTH)
            return Layer(
                part(f"{place}attention.self.query", *square),
                part(f"{place}attention.self.key", *square),
                part(f"{place}attention.self.value", *square),
                part(f"{place}attention.output.dense", *square),
                part(f"{place}attention.output.LayerNorm", WIDTH),
                part(f"{place}intermediate.dense", WIDER, WIDTH),
                part(f"{place}output.dense", WIDTH, WIDER),
                part(f"{place}output.LayerNorm", WIDTH),
            )

        self.words = array("embeddings.word_embeddings.weight", WORDS, WIDTH)
        self.places = array("embeddings.position_embeddings.weight", LONGEST, WIDTH)
        self.kind = array("embeddings.token_type_embeddings.weight", 2, WIDTH)[0]
        self.norm = part("embeddings.LayerNorm", WIDTH)
        self.layers = tuple(layer(f"encoder.layer.{number}.") for number in range(LAYERS))
        self.in_shape, self.size = (LONGEST,), WIDTH

    def features(self, x: Int[Array, "tokens"]) -> Float[Array, "features"]:
        """The mean over tokens, of unit length."""
        present = x > 0
        states = self.words[x] + self.places[: len(x)] + self.kind[None]
        states = normalised(self.norm, states)
        for layer in self.layers:
            states = layer(states, present)
        weight = present.astype(states.dtype)
        mean = weight @ states / jnp.maximum(weight.sum(), 1)
        return mean / jnp.maximum(jnp.linalg.norm(mean), 1e-12)


def dense(part: Parts, x: States) -> States:
    """A linear layer, of weights as PyTorch stores them."""
    return x @ part["weight"].T + part["bias"][None]


def normalised(part: Parts, x: States) -> States:
    """Layer normalisation."""
    x = x - x.mean(axis=-1, keepdims=True)
    x = x * jax.lax.rsqrt((x**2).mean(axis=-1, keepdims=True) + 1e-12)
    return x * part["weight"][None] + part["bias"][None]
