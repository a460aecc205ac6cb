"""Surgical fine-tuning: one block of a network is tuned. Which one suits which shift?

Source: Lee, Chen, Tajwar, Kumar, Yao, Liang & Finn 2023, *Surgical Fine-Tuning Improves Adaptation
to Distribution Shifts*, §3 and §4.
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from learnset.core import Batch, cross_entropy, interval, traced
from learnset.data import glyphs, Labelled
from learnset.models import Headed
from learnset.transfer import FineTune, Surgical

from ._images import (
    adapted,
    at_best,
    batches,
    convolutions,
    divisions,
    generator,
    pixels,
    right,
    scored,
    sign_digits,
)
from ._study import StepsAndSeeds
from ._surgical_page import ALL, AS_IT_IS, BLOCKS, CHOSEN, draw, page

SIDE = 14  # pixels of an image
GLYPHS = (20, 30)  # images of a character, and characters
FILTERS = 16
LRS = (0.001, 0.005, 0.02)  # of Adam
CHOOSING = ("validation", "test")
PARTS = {  # images of a class for the source, labelled ones of the target, and validation
    "sign digits": (100, 5, 5),
    "glyphs": (9, 3, 3),
}


@dataclasses.dataclass(frozen=True)
class SurgicalStudy(StepsAndSeeds):
    """The study's sizes.

    **Arguments:** `steps`: of Adam on the target; three times as many on the source. `seeds`: of
    the network, of the division of images and of what is drawn in a shift.
    """

    steps: int = 100
    seeds: int = 6

    name: ClassVar[str] = "surgical"
    draw = staticmethod(draw)
    page = staticmethod(page)

    def quick(self) -> "SurgicalStudy":
        """A few steps, and two seeds."""
        return SurgicalStudy(15, 2)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains on the source, tunes each block on each shifted target, and scores.

        **Returns:** a row for each data set, shift and block.
        """
        del folder, options
        rows, sources = [], {}
        for number, (name, images) in enumerate(data_sets().items()):
            own = jr.fold_in(key, number)
            found, sources[name] = self._of_images(name, images, own)
            rows += [{"data": name} | row for row in found]
        return {"rows": rows, "sources": sources}

    def _of_images(
        self, name: str, images: Labelled, key: Key[Array, ""]
    ) -> tuple[list[dict[str, Any]], dict[str, float]]:
        rng = generator(key)
        numbers = divisions(images, PARTS[name], self.seeds, rng)
        parts = dict(zip(("source", "target", "validation", "test"), numbers, strict=True))
        x = pixels(images.x, SIDE)
        start = eqx.filter_vmap(lambda key: network(len(images), key))(
            jr.split(jr.fold_in(key, 1), self.seeds)
        )
        learn = FineTune(cross_entropy, 0.003, 3 * self.steps, optimiser=optax.adam)
        source = adapted(learn, start, batches(x, parts["source"]))
        before = np.asarray(right(source, batches(x, parts["test"])))
        rows = []
        for shift, (kind, change) in SHIFTS.items():
            other, classes = change(x, len(images), rng)
            points = {
                part: relabelled(batches(other, numbers), classes)
                for part, numbers in parts.items()
                if part != "source"
            }
            own = self._tuned(source, points)
            rows += [{"shift": shift, "kind": kind} | row for row in own]
        mean, half = interval(before)
        return rows, {"value": mean, "ci95": half, "classes": len(images)}

    def _tuned(self, source: Headed, points: dict[str, Batch]) -> list[dict[str, Any]]:
        """A row for each block, whose step size is chosen on validation images for each seed, and
        one for the block that is chosen on them as well."""
        scores = {AS_IT_IS: scored([source], points, CHOOSING)}
        for block, layer in BLOCKS.items():
            pace = None if layer is None else Surgical(layer)
            tuned = [
                adapted(
                    traced(
                        FineTune(cross_entropy, lr, self.steps, optimiser=optax.adam, pace=pace)
                    ),
                    source,
                    points["target"],
                )
                for lr in LRS
            ]
            scores[block] = scored(tuned, points, CHOOSING)
        single = [block for block in BLOCKS if block != ALL]
        scores[CHOSEN] = {
            part: np.concatenate([scores[block][part] for block in single]) for part in CHOOSING
        }
        rows = []
        for block, (validation, test) in (
            (block, (of["validation"], of["test"])) for block, of in scores.items()
        ):
            best = validation.argmax(axis=0)
            values = at_best(test, best)
            mean, half = interval(values[:, None])
            row = {"block": block, "value": mean, "ci95": half, "by_seed": values.round(2).tolist()}
            if block == CHOSEN:
                counts = np.bincount(best // len(LRS), minlength=len(single))
                row["times"] = dict(zip(single, counts.tolist(), strict=True))
            elif block != AS_IT_IS:
                row["lr"] = [LRS[number] for number in best]
            rows.append(row)
        return rows


def data_sets() -> dict[str, Labelled]:
    """The images, by name: hands, and the characters that most fonts have a picture of."""
    images, classes = GLYPHS
    characters = glyphs.characters()
    enough = np.flatnonzero(characters.sizes >= images)[:classes]
    return {"sign digits": sign_digits(), "glyphs": characters.subset(enough)}


def network(classes: int, key: Key[Array, ""]) -> Headed:
    """The network that is tuned, of three blocks."""
    return convolutions(SIDE, FILTERS, classes, blocks=3, key=key)


# Shifts: the images of the target, and the class of the target for each class of the source.

Images = Float[np.ndarray, "images side side channels"]
Shifted = tuple[Images, Int[np.ndarray, "classes"]]


def inverted(x: Images, classes: int, rng: np.random.Generator) -> Shifted:
    """Black is white."""
    return 1 - x, np.arange(classes)


def faint(x: Images, classes: int, rng: np.random.Generator) -> Shifted:
    """A fifth of the contrast, about grey."""
    return 0.4 + 0.2 * x, np.arange(classes)


def noisy(x: Images, classes: int, rng: np.random.Generator) -> Shifted:
    """Normal noise on each pixel."""
    return x + rng.normal(scale=0.3, size=x.shape), np.arange(classes)


def blurred(x: Images, classes: int, rng: np.random.Generator) -> Shifted:
    """A Gaussian blur."""
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(x, (0, 1.2, 1.2, 0)), np.arange(classes)


def permuted(x: Images, classes: int, rng: np.random.Generator) -> Shifted:
    """Each class has the name of the next one."""
    return x, (np.arange(classes) + 1) % classes


def merged(x: Images, classes: int, rng: np.random.Generator) -> Shifted:
    """Two classes at random become one."""
    order = rng.permutation(classes)
    return x, np.argsort(order) // 2


INPUTS, OUTPUTS = "inputs", "outputs"
SHIFTS = {
    "inverted": (INPUTS, inverted),
    "faint": (INPUTS, faint),
    "noisy": (INPUTS, noisy),
    "blurred": (INPUTS, blurred),
    "permuted": (OUTPUTS, permuted),
    "merged": (OUTPUTS, merged),
}


def relabelled(points: Batch, classes: Int[np.ndarray, "classes"]) -> Batch:
    """Points whose labels are those of the target, as one-hot rows of the same length."""
    names = jnp.eye(len(classes))[jnp.asarray(classes)]
    return eqx.tree_at(lambda batch: batch.y, points, points.y @ names)
