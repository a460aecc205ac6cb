"""Networks of single tasks, merged in the space of their weights, against one network that learns
all tasks: six sets of ten classes, and one pretrained network to start from.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float, Int, Key

from learnset.core import AbstractMethod, at, Batch, cross_entropy, error_rate, head, interval
from learnset.data import digits, glyphs
from learnset.models import (
    AbstractMerging,
    Arithmetic,
    DARE,
    Linear,
    MLP,
    SharedBody,
    TaskVectors,
    TIES,
)
from learnset.multitask import Mean, PCGrad, UPGrad
from learnset.tasks import FiniteTasks, PooledClasses, SameClasses
from learnset.training import train
from learnset.transfer import FineTune, greedy_soup, Pooled, soup

from ._images import batches, divisions, generator, mnist, pixels, sign_digits
from ._merging_page import difference, draw, EQUAL, page, SEPARATE, START, SUM
from ._study import StepsAndSeeds

SIDE, WIDTH = 14, 64  # pixels of an image, and units of both layers of a network
FIT, VALIDATION, TEST = 40, 10, 30  # images of a class
SOURCE = (150, 16)  # characters to pretrain on, and images of each at least
BATCH = 32  # images of each task in a step
LRS = (0.001, 0.003)  # of Adam
SCALES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0, 1.4)
PARTS = ("validation", "test")
OF_LRS = [{"lr": lr} for lr in LRS]
SOUPS = ("uniform soup", "greedy soup")
PROBE = FineTune(cross_entropy, 0.01, 200, where=head, optimiser=optax.adam)
JOINT: dict[str, AbstractMethod] = {
    EQUAL: Mean(cross_entropy),
    "PCGrad": PCGrad(cross_entropy),
    "UPGrad": UPGrad(cross_entropy),
}
MERGED: dict[str, Callable[[Any], AbstractMerging]] = {
    SUM: Arithmetic,
    "TIES, 20 % kept": lambda scale: TIES(scale, keep=0.2),
    "TIES, 50 % kept": lambda scale: TIES(scale, keep=0.5),
    "DARE, 90 % dropped": lambda scale: DARE(Arithmetic(scale), drop=0.9),
    "DARE, 50 % dropped": lambda scale: DARE(Arithmetic(scale), drop=0.5),
}


def plain(x: np.ndarray) -> np.ndarray:
    """As it is."""
    return x


def turned(x: np.ndarray) -> np.ndarray:
    """By a quarter."""
    return np.rot90(x, axes=(1, 2))


def negative(x: np.ndarray) -> np.ndarray:
    """Black is white."""
    return 1 - x


SETS = {  # images, and the tasks that are made of them, none of which shares an image with another
    "digits": (mnist, {"digits": plain, "turned digits": turned, "negative digits": negative}),
    "small digits": (digits, {"small digits": plain}),
    "hands": (sign_digits, {"hand signs": plain, "turned hand signs": turned}),
}
TASKS = tuple(name for _, made in SETS.values() for name in made)


@dataclasses.dataclass(frozen=True)
class MergingStudy(StepsAndSeeds):
    """The study's sizes.

    **Arguments:** `steps`: of Adam, from the pretrained network on; twice as many pretrain it.
    `seeds`: of the networks and of the division of images.
    """

    steps: int = 300
    seeds: int = 5

    name: ClassVar[str] = "merging"
    draw = staticmethod(draw)
    page = staticmethod(page)

    def quick(self) -> "MergingStudy":
        """A few steps, and two seeds."""
        return MergingStudy(5, 2)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains a network for each task, merges them, trains one for all tasks, and scores.

        **Returns:** a row for each recipe; for the figure, accuracy against the scale of task
        vectors.
        """
        del folder, options
        points = divide(generator(key), self.seeds)
        keys = jr.split(jr.fold_in(key, 1), self.seeds)
        start = probed(pretrained(generator(key), 2 * self.steps, keys), points["fit"])

        def learnt(method: AbstractMethod, models: Any) -> Any:
            return trained(method, models, points, jnp.asarray(LRS), keys, self.steps)

        shared = eqx.filter_vmap(lambda vectors: vectors.merged(Arithmetic(0.0)))(start)
        each = learnt(Mean(cross_entropy), start)
        rows = [
            row(START, "start", np.asarray(scored(shared, points))[None], [{}]),
            row(SEPARATE, "alone", np.asarray(scored_at_lrs(each, points)), OF_LRS),
        ]
        for name, method in JOINT.items():
            values = scored_at_lrs(learnt(method, shared), points)
            rows.append(row(name, "together", np.asarray(values), OF_LRS))
        for name, values in soups(each, points).items():
            rows.append(row(name, "merged", values, OF_LRS))
        curves = {}
        for name, way in MERGED.items():
            values = np.asarray(scored_at_scales(way, each, points))
            settings = [{"scale": scale} | of_lr for scale in SCALES for of_lr in OF_LRS]
            rows.append(row(name, "merged", np.concatenate(values), settings))
            curves[name] = [row(name, "merged", at_scale, OF_LRS)["value"] for at_scale in values]
        for row_of_one in rows:
            gain = difference(rows, row_of_one["recipe"], SEPARATE)
            row_of_one |= dict(zip(("difference", "difference_ci95"), gain, strict=True))
        return {"rows": rows, "figures": {"scales": {"scales": SCALES, "curves": curves}}}


# From images to networks


def divide(rng: np.random.Generator, seeds: int) -> dict[str, Batch]:
    """The images of each part, "seeds tasks points"."""
    counts = (FIT, VALIDATION, TEST)
    tasks = []
    for read, made in SETS.values():
        images = read()
        x = pixels(images.x, SIDE)
        numbers = divisions(images, counts * len(made), seeds, rng)
        for place, change in enumerate(made.values()):
            of_task = numbers[len(counts) * place :][: len(counts)]
            flat = change(x).reshape(len(x), -1)
            tasks.append([batches(flat, part) for part in of_task])
    together = [
        jax.tree.map(lambda *of: jnp.stack(of, axis=1), *part) for part in zip(*tasks, strict=True)
    ]
    return dict(zip(("fit", *PARTS), together, strict=True))


def pretrained(rng: np.random.Generator, steps: int, keys: Key[Array, "seeds"]) -> Any:
    """Networks that have learnt to tell Latin letters in many fonts apart, one for each key."""
    letters = glyphs.characters().of_groups(["Latin"]).of_size(SOURCE[1])
    letters = letters.subset(rng.permutation(len(letters))[: SOURCE[0]])
    x = pixels(letters.x, SIDE).reshape(len(letters.x), -1)
    small = dataclasses.replace(letters, x=x)
    classes = SameClasses(small, small, small, ways=2, shots=1, queries=1)
    tasks = PooledClasses(classes, BATCH, BATCH)

    @eqx.filter_jit
    def learnt(keys: Key[Array, "seeds"]) -> Any:
        def one(key: Key[Array, ""]) -> Any:
            model_key, train_key = jr.split(key)
            model = MLP(SIDE**2, len(small), width=WIDTH, depth=2, key=model_key)
            options: dict[str, Any] = {"steps": steps, "tasks_per_step": 1, "key": train_key}
            return train(Pooled(cross_entropy), model, tasks, optax.adam(0.003), **options).model

        return eqx.filter_vmap(one)(keys)

    return learnt(keys)


@eqx.filter_jit
def probed(models: Any, fit: Batch) -> TaskVectors:
    """For each task a network whose body is the pretrained one, and whose head has learnt the
    task's images."""

    def one(model: MLP, fit: Batch) -> TaskVectors:
        base = eqx.tree_at(head, model, Linear(WIDTH, fit.y.shape[-1], key=jr.key(0)))
        each = eqx.filter_vmap(lambda points: PROBE.adapt(base, points))(fit)
        start = TaskVectors(base, num_tasks=len(TASKS))
        return eqx.tree_at(lambda vectors: vectors.models, start, each)

    return eqx.filter_vmap(one)(models, fit)


@eqx.filter_jit
def trained(
    method: AbstractMethod,
    models: Any,
    points: dict[str, Batch],
    lrs: Float[Array, "lrs"],
    keys: Key[Array, "seeds"],
    steps: int,
) -> Any:
    """The models of all seeds after training of their bodies on all tasks, for each step size."""

    def one(lr: Float[Array, ""], model: Any, fit: Batch, key: Key[Array, ""]) -> Any:
        tasks = FiniteTasks(fit, fit, BATCH // 2, BATCH // 2)
        optimiser = optax.chain(optax.adam(lr), optax.masked(optax.set_to_zero(), heads))
        options: dict[str, Any] = {"steps": steps, "tasks_per_step": len(TASKS), "key": key}
        return train(method, model, tasks, optimiser, **options).model

    of_seeds = eqx.filter_vmap(one, in_axes=(None, eqx.if_array(0), 0, 0))
    of_lrs = eqx.filter_vmap(of_seeds, in_axes=(0, None, None, None))
    return of_lrs(lrs, models, points["fit"], keys)


def heads(params: Any) -> Any:
    """Which parameters are those of heads, for Optax."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "head" in jax.tree_util.keystr(path), params
    )


# From networks to rows


@eqx.filter_jit
def scored(models: Any, points: dict[str, Batch]) -> Float[Array, "seeds parts tasks"]:
    """The accuracy of the models of all seeds on each task, in percent: on validation images and on
    test images."""

    def one(model: Any, points: dict[str, Batch]) -> Float[Array, "parts tasks"]:
        def right(number: Array, points: Batch) -> Float[Array, ""]:
            return 100 * (1 - error_rate(model.for_task(number), points))

        numbers = jnp.arange(len(TASKS))
        return jnp.stack([jax.vmap(right)(numbers, points[part]) for part in PARTS])

    return eqx.filter_vmap(one)(models, points)


@eqx.filter_jit
def scored_at_lrs(models: Any, points: dict[str, Batch]) -> Float[Array, "lrs seeds parts tasks"]:
    """As `scored`, for each step size."""
    return eqx.filter_vmap(scored, in_axes=(eqx.if_array(0), None))(models, points)


@eqx.filter_jit
def scored_at_scales(
    way: Callable[[Any], AbstractMerging], vectors: TaskVectors, points: dict[str, Batch]
) -> Float[Array, "scales lrs seeds parts tasks"]:
    """As `scored`, for the merged vectors of each step size, at each scale."""

    def at_scale(scale: Float[Array, ""]) -> Array:
        merged = eqx.filter_vmap(eqx.filter_vmap(lambda v: v.merged(way(scale))))
        return scored_at_lrs(merged(vectors), points)

    return lax.map(at_scale, jnp.asarray(SCALES))


class One(AbstractMerging):
    """The vector of one task."""

    number: Int[Array, ""]

    def merge(self, vectors: Float[Array, "tasks params"]) -> Float[Array, "params"]:
        return vectors[self.number]


def soups(
    vectors: TaskVectors, points: dict[str, Batch]
) -> dict[str, Float[np.ndarray, "lrs seeds parts tasks"]]:
    """As `scored`, for the mean of all bodies, and for that of those that make it no worse on the
    validation images of all tasks."""

    @eqx.filter_jit
    def alone(vectors: TaskVectors) -> list[SharedBody]:
        return [vectors.merged(One(jnp.asarray(number))) for number in range(len(TASKS))]

    def accuracy(model: SharedBody, points: dict[str, Batch]) -> Float[Array, "parts tasks"]:
        return scored(*jax.tree.map(lambda leaf: leaf[None], (model, points)))[0]

    def of_one(vectors: TaskVectors, points: dict[str, Batch]) -> list[Float[Array, "parts tasks"]]:
        several = alone(vectors)
        greedy = greedy_soup(several, lambda model: float(accuracy(model, points)[0].mean()))
        return [accuracy(model, points) for model in (soup(several), greedy)]

    seeds = range(len(points["fit"].weight))
    found = [
        [of_one(at(at(vectors, lr), seed), at(points, seed)) for seed in seeds]
        for lr in range(len(LRS))
    ]
    return dict(zip(SOUPS, np.moveaxis(np.asarray(found), 2, 0), strict=True))


def row(
    name: str,
    kind: str,
    values: Float[np.ndarray, "settings seeds parts tasks"],
    settings: list[dict[str, float]],
) -> dict[str, Any]:
    """The accuracies of the settings that are best on validation images, for each seed."""
    best = values[:, :, 0].mean(axis=-1).argmax(axis=0)
    test = values[best, np.arange(len(best)), 1]
    mean, half = interval(test.mean(axis=1, keepdims=True))
    about = {"kind": kind, "recipe": name, "measure": "accuracy (%)", "value": mean, "ci95": half}
    about["by_seed"] = test.mean(axis=1).round(3).tolist()
    about["by_task"] = {
        task: dict(zip(("value", "ci95"), interval(of[:, None]), strict=True))
        for task, of in zip(TASKS, test.T, strict=True)
    }
    return about | {"chosen": [settings[number] for number in best]}
