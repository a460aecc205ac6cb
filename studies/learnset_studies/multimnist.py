"""Two digits laid over each other: one network reads the left one and the right one, balanced in
several ways.

Source: Sener & Koltun 2018, *Multi-Task Learning as Multi-Objective Optimization*, §5.1; the images
are after Sabour et al. 2017, *Dynamic Routing Between Capsules*, §6.
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from learnset.comparison import (
    Accuracy,
    Budget,
    ByGradient,
    compare,
    NewTasks,
    Recipe,
    Setting,
)
from learnset.core import (
    AbstractMethod,
    Batch,
    cross_entropy,
    InputError,
    interval,
    Split,
    stack,
    Task,
)
from learnset.data import data_folder, read_arrays, reading
from learnset.models import Convolution, Headed, Linear, Separate, SharedBody
from learnset.multitask import AtRepresentation, GradNorm, Mean, MGDA, PCGrad, UPGrad, UW
from learnset.report import Page
from learnset.tasks import AbstractTasks

from ._agents import answered
from ._multimnist_page import draw_accuracies, draw_images, page
from ._study import SHARED

SOURCE = (
    "Sener & Koltun 2018, Multi-Task Learning as Multi-Objective Optimization, §5.1 (at second"
    " hand: two summaries of the paper print the same values)"
)
PUBLISHED = {  # accuracy of the left and of the right digit, per cent
    "single task": (97.23, 95.90),
    "uniform": (96.46, 94.99),
    "UW": (96.47, 95.29),
    "GradNorm": (96.27, 94.84),
    "MGDA-UB": (97.26, 95.90),
}
SIDE, SHIFT = 28, 8  # pixels of a digit, and from one digit to the other


@dataclasses.dataclass(frozen=True)
class MultiMNISTStudy:
    """The study's sizes, for one core of a CPU; the paper trains on 60 000 images for 100 epochs.

    **Arguments:**

    - `steps`: of Adam, with `batch` images each, made anew from the 9 000 digits to train on.
    - `lrs`: step sizes to choose from on validation images, for each method and seed.
    - `seeds`: repetitions. `scored`: images to score on.
    """

    steps: int = 400
    batch: int = 64
    lrs: tuple[float, ...] = (0.001, 0.003)
    seeds: int = 2
    scored: int = 2000

    reads: ClassVar[frozenset[str]] = SHARED | {"seed", "steps", "resume"}

    def __post_init__(self):
        for name in ("steps", "batch", "seeds", "scored"):
            if getattr(self, name) < 2:
                raise InputError(
                    f"multimnist: `{name}={getattr(self, name)}`, but it must be at least 2."
                )

    def quick(self) -> "MultiMNISTStudy":
        """A fast run, whose networks have not learnt much."""
        return MultiMNISTStudy(3, 4, (0.003,), 2, 20)

    def with_steps(self, steps: int) -> "MultiMNISTStudy":
        """The same study with another length of training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `compare`.

        **Returns:** two rows for each method, one for each digit, and a few images.
        """
        tasks = overlaid(self.batch)
        question = NewImages(
            tasks,
            Accuracy(),
            seeds=self.seeds,
            shots=(1,),  # which no network reads
            queries=self.scored,
            validation_tasks=2,
            test_tasks=2,
            chooses_steps=False,
        )
        compared = compare(
            [self._recipe(name, method) for name, method in methods().items()],
            network,
            question,
            key=key,
            budget=Budget(self.steps, tasks_per_step=2),
            out=folder / "learnt",
            **options,
        )
        result = answered(compared)
        by_seed = {outcome.name: outcome.at(1) for outcome in result}
        rows = [
            row
            for outcome in result
            for row in self._rows(
                outcome.name,
                by_seed[outcome.name],
                [self.lrs[choice.learner] for choice in outcome.chosen[0]],
            )
        ]
        for row in rows:
            gain = 100 * (by_seed[row["method"]] - by_seed["uniform"]).mean(axis=1)
            row["to_uniform"], row["to_uniform_ci95"] = interval(gain[:, None])
        digits_to_train_on = len(tasks.digits[0])
        figures = {"images": examples(tasks, key)}
        return {"rows": rows, "digits_to_train_on": digits_to_train_on, "figures": figures}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `images` and `accuracies`."""
        draw_images(result["figures"]["images"], folder)
        draw_accuracies(result["rows"], folder)

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        return page(result, SOURCE)

    def _recipe(self, name: str, method: AbstractMethod) -> Recipe:
        single = name == "single task"
        setting = Setting.SCRATCH if single else Setting.MULTI_TASK

        def optimiser(lr: Any) -> optax.GradientTransformation:
            return optax.adam(optax.cosine_decay_schedule(lr, self.steps))

        start = one_each if single else shared
        learners = (ByGradient(method, start, lr=lr, optimiser=optimiser) for lr in self.lrs)
        return Recipe(name, setting, tuple(learners))

    def _rows(
        self, name: str, accuracy: Float[np.ndarray, "seeds 2"], lrs: list[float]
    ) -> list[dict[str, Any]]:
        rows = []
        for side, digit in enumerate(("left", "right")):
            value, half = interval(100 * accuracy[:, side : side + 1])
            row = {"method": name, "digit": digit, "measure": "accuracy (%)"}
            row |= {"value": value, "ci95": half, "lrs": lrs}
            row["by_seed"] = [round(100 * float(a), 2) for a in accuracy[:, side]]
            if name in PUBLISHED:
                row |= {"published": PUBLISHED[name][side], "source": SOURCE}
            rows.append(row)
        return rows


def methods() -> dict[str, AbstractMethod]:
    """The methods that are compared, by name."""
    loss = cross_entropy
    return {
        "single task": Mean(loss),  # with a network for each
        "uniform": Mean(loss),
        "UW": UW(loss, num_tasks=2, classification=True),
        "GradNorm": GradNorm(loss, num_tasks=2),
        "MGDA-UB": AtRepresentation(MGDA(loss)),
        "MGDA": MGDA(loss),
        "PCGrad": PCGrad(loss),
        "UPGrad": UPGrad(loss),
    }


class Overlaid(AbstractTasks):
    """Two tasks on the same images: which digit is up on the left, and which down on the right.
    Images are made as they are drawn, of two digits of the split at random, and are as large as one
    digit.
    """

    # To train on, to choose settings on, to score on.
    digits: tuple[Float[Array, "images rows columns"], ...]
    classes: tuple[Int[Array, "images"], ...]
    shots: int = 32
    queries: int = 32

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        which, key = jr.split(key)
        both = self.draw(2, split, key=key)
        return jax.tree.map(lambda leaf: leaf[jr.randint(which, (), 0, 2)], both)

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        digits, classes = self.digits[split.value], self.classes[split.value]
        pairs = jr.randint(split.fold(key), (self.shots + self.queries, 2), 0, len(digits))
        images = jax.vmap(lambda pair: overlay(digits[pair[0]], digits[pair[1]]))(pairs)[..., None]

        def of_one(index: Int[Array, ""]) -> Task:
            y = jax.nn.one_hot(classes[pairs[:, index]], 10, dtype=images.dtype)
            support, query = (
                Batch(images[part], y[part])
                for part in (slice(self.shots), slice(self.shots, None))
            )
            return Task(support, query, index, same_inputs=True)

        return jax.vmap(of_one)(jnp.arange(num_tasks) % 2)


def overlay(left: Float[Array, "28 28"], right: Float[Array, "28 28"]) -> Float[Array, "28 28"]:
    """One digit up on the left and one down on the right, the brighter pixel of both, shrunk to the
    size of one."""
    first, second = jnp.pad(left, (0, SHIFT)), jnp.pad(right, (SHIFT, 0))
    return jax.image.resize(jnp.maximum(first, second), (SIDE, SIDE), "linear")


def overlaid(batch: int) -> Overlaid:
    """MNIST's digits, from `$LEARNSET_DATA/mnist`: 1 000 a class of the training set, of which
    every tenth chooses settings.

    **Raises:** `InputError` if the environment variable is unset, or the file is missing or
    damaged.
    """
    path = data_folder("mnist") / "mnist_10k_train_10k_test.npz"
    arrays = read_arrays(path)
    with reading(path):
        images, labels, test, of_test = (
            arrays[f"{part}_{kind}"] for part in ("train", "test") for kind in ("images", "labels")
        )
    chosen = np.arange(len(images)) % 10 == 0
    parts = ((images[~chosen], labels[~chosen]), (images[chosen], labels[chosen]), (test, of_test))
    digits = tuple(jnp.asarray(pixels / 255.0, jnp.float32) for pixels, _ in parts)
    return Overlaid(
        digits, tuple(jnp.asarray(of, jnp.int32) for _, of in parts), batch - batch // 2, batch // 2
    )


def examples(tasks: Overlaid, key: Key[Array, ""], number: int = 6) -> dict[str, Any]:
    """A few test images for a figure: pixels from 0 to 255, and their left and right digits."""
    query = tasks.draw(2, Split.TEST, key=jr.fold_in(key, 2)).query
    pixels = np.asarray(255 * query.x[0, :number, ..., 0]).round().astype(int)
    digits = np.asarray(query.y[:, :number].argmax(-1))
    return {"pixels": pixels.tolist(), "left": digits[0].tolist(), "right": digits[1].tolist()}


class LeNet(eqx.Module):
    """The body: two 5 x 5 convolutions with stride two, of 10 and 20 filters, and 50 units."""

    first: Convolution
    second: Convolution
    last: Linear

    def __init__(self, *, key: Key[Array, ""]):
        keys = jr.split(key, 3)
        self.first = Convolution(1, 10, kernel=5, stride=2, key=keys[0])
        self.second = Convolution(10, 20, kernel=5, stride=2, key=keys[1])
        self.last = Linear(20 * (SIDE // 4) ** 2, 50, key=keys[2])

    def embed(
        self, xs: Float[Array, "points 28 28 1"], weight: Float[Array, "points"]
    ) -> Float[Array, "points 50"]:
        del weight
        maps = jax.nn.relu(self.second(jax.nn.relu(self.first(xs))))
        return jax.nn.relu(jax.vmap(self.last)(maps.reshape(len(xs), -1)))

    def features(self, x: Float[Array, "28 28 1"]) -> Float[Array, "50"]:
        return self.embed(x[None], jnp.ones(1, x.dtype))[0]


class NewImages(NewTasks):
    """Both digits of images that no network was trained on."""

    tasks: ClassVar[str] = "seen"


def network(key: Key[Array, ""]) -> Headed:
    """A body with a head for ten classes."""
    body_key, head_key = jr.split(key)
    return Headed(LeNet(key=body_key), Linear(50, 10, key=head_key))


def shared(model: Headed, key: Key[Array, ""]) -> SharedBody:
    """One body, and a head for each digit."""
    return SharedBody(model, num_tasks=2, key=key)


def one_each(model: Headed, key: Key[Array, ""]) -> Separate:
    """A network for each digit, both with the same initial weights."""
    del key
    return Separate(stack([model, model]))
