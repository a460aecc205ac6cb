"""Images that studies of transfer share, their division into parts, and accuracy on them."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int, Key, Shaped, UInt8

from learnset.core import AbstractAdapter, Batch, error_rate
from learnset.data import area_averaged, data_folder, Labelled, read_arrays, reading
from learnset.models import classifier, Conv4, GroupNorm, Headed


def sign_digits() -> Labelled:
    """Photographs of hands that show the digits 0 to 9: 2 062 grey images of 32×32 pixels, read
    from `$LEARNSET_DATA/sign_digits/sign_digits_32_gray.npz`.

    **Raises:** `InputError` if the environment variable is unset, or the file is missing or
    damaged.
    """
    path = data_folder("sign_digits") / "sign_digits_32_gray.npz"
    arrays = read_arrays(path)
    with reading(path):
        return Labelled.from_arrays(arrays["images"], arrays["labels"])


def mnist() -> Labelled:
    """Handwritten digits: 10 000 images of 28×28 pixels of the training set, read from
    `$LEARNSET_DATA/mnist/mnist_10k_train_10k_test.npz`.

    **Raises:** as `sign_digits`.
    """
    path = data_folder("mnist") / "mnist_10k_train_10k_test.npz"
    arrays = read_arrays(path)
    with reading(path):
        return Labelled.from_arrays(arrays["train_images"], arrays["train_labels"])


def pixels(
    x: UInt8[np.ndarray, "points height width channels"], side: int
) -> Float[np.ndarray, "points side side channels"]:
    """Images of another size, from 0 to 1."""
    return area_averaged(x, side, side).astype(np.float32) / 255


def parts_of(
    images: Labelled, counts: tuple[int, ...], rng: np.random.Generator
) -> list[Int[np.ndarray, "classes images"]]:
    """Numbers of images in parts at random: of each class as many as `counts` says in each part,
    and one more part of what the smallest class has left."""
    least = int(images.sizes.min())
    orders = np.array(
        [
            start + rng.permutation(size)[:least]
            for start, size in zip(images.starts, images.sizes, strict=True)
        ]
    )
    return np.split(orders, np.cumsum(counts), axis=1)


def divisions(
    images: Labelled, counts: tuple[int, ...], number: int, rng: np.random.Generator
) -> list[Int[np.ndarray, "divisions classes images"]]:
    """As `parts_of`, for several divisions: the numbers of images of each part."""
    each = [parts_of(images, counts, rng) for _ in range(number)]
    return [np.array(part) for part in zip(*each, strict=True)]


def generator(key: Key[Array, ""]) -> np.random.Generator:
    """Random numbers of NumPy that depend on a key."""
    return np.random.default_rng(np.asarray(jr.key_data(key)).tolist())


def convolutions(
    side: int, filters: int, classes: int, *, blocks: int = 4, key: Key[Array, ""]
) -> Headed:
    """A small network for grey images: blocks of a convolution and group normalisation, and a
    linear head."""
    encoder_key, head_key = jr.split(key)
    options: dict[str, Any] = {"strided": True, "normalisation": GroupNorm, "key": encoder_key}
    encoder = Conv4((side, side, 1), filters=filters, blocks=blocks, **options)
    return classifier(encoder, classes, key=head_key)


def batches(x: Shaped[np.ndarray, "images *in"], numbers: Int[np.ndarray, "*seeds"]) -> Batch:
    """A batch for each seed, from numbers of images "seeds classes count". The first `n` images of
    each class come first."""
    seeds, classes, count = numbers.shape
    labels = np.tile(np.eye(classes, dtype=np.float32), (seeds, count, 1))
    order = numbers.swapaxes(1, 2).reshape(seeds, -1)
    weight = np.ones(order.shape, np.float32)
    arrays: Any = (x[order].astype(np.float32), labels, weight)
    return Batch(*map(jnp.asarray, arrays))


@eqx.filter_jit
def adapted(adapter: AbstractAdapter, models: Any, supports: Batch) -> Any:
    """The models of all seeds, each adapted to its own points."""
    return eqx.filter_vmap(adapter.adapt)(models, supports)


@eqx.filter_jit
def right(models: Any, points: Batch) -> Float[Array, "seeds 1"]:
    """The share of points that the models of all seeds classify correctly, in percent."""
    wrong = eqx.filter_vmap(error_rate)(models, points)
    return 100 * (1 - wrong)[:, None]


def scored(
    models: Sequence[Any], points: dict[str, Batch], parts: Sequence[str]
) -> dict[str, Float[np.ndarray, "models seeds"]]:
    """Accuracies of models of all seeds on the points of each part."""
    return {
        part: np.stack([np.asarray(right(model, points[part]))[:, 0] for model in models])
        for part in parts
    }


def at_best(
    scores: Float[np.ndarray, "settings seeds"], best: Int[np.ndarray, "seeds"]
) -> Float[np.ndarray, "seeds"]:
    """The scores of the setting that was chosen for each seed."""
    return np.take_along_axis(scores, best[None], axis=0)[0]
