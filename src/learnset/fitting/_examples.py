"""Few-shot classifiers in use: what was learnt from many classes, and a classifier of new ones."""

import dataclasses
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import softmax

from ..core import (
    AbstractAdapter,
    AbstractIterativeAdapter,
    Batch,
    few,
    InputError,
    Model,
    predict,
    Predictor,
)
from ..data import Labelled
from ..meta import AbstractMetaLearner
from ..models import Backbone
from ..training import Features
from ..transfer import AbstractDescent, AbstractRenewed
from ._format import as_floats, Format
from ._on_backbone import on_backbone

SIZES = (1, 8, 64)  # of batches: few lengths, and so few compiled programs
MOST_CLASSES = 1000
MOST_EXAMPLES = 20_000  # that a classifier is learnt from at once


class AfterSteps(AbstractAdapter):
    """An adapter that ends after a number of steps, which was chosen on validation tasks."""

    adapter: AbstractAdapter
    steps: int

    def __check_init__(self):
        inner, steps = self._inner, getattr(self._inner, "steps", self.steps)
        iterative = isinstance(inner, AbstractIterativeAdapter)
        if (
            iterative
            and not isinstance(inner, AbstractDescent | AbstractRenewed)
            and steps != self.steps
        ):
            raise InputError(
                f"{type(inner).__name__} was best after {self.steps} of {steps} steps, where it"
                " cannot be stopped. Give it fewer steps."
            )

    @property
    def _inner(self) -> Any:
        adapter = self.adapter
        while isinstance(adapter, AbstractMetaLearner):
            adapter = adapter.adapter
        return adapter

    def adapt(self, model: Model, support: Batch) -> Predictor:
        adapter = self._inner
        if isinstance(adapter, AbstractRenewed):
            model, adapter = adapter.renewed(model, support), adapter.descent
        if not isinstance(adapter, AbstractDescent):
            return adapter.adapt(model, support)
        start, step, finish = adapter.plan(model, support)
        return finish(jax.lax.fori_loop(0, self.steps, lambda _, carry: step(carry), start))


class Settings(NamedTuple):
    """What was chosen for a number of examples of each class: the recipe, its model (a number) and
    adapter, and the temperature of its logits."""

    shots: int
    recipe: str
    model: int
    adapter: AfterSteps
    temperature: float
    any_ways: bool  # whether it takes any number of classes, or that of its training alone


class Classified(NamedTuple):
    """Answers for examples: their names, the number of the predicted class, and calibrated
    probabilities of `classes`. `notes` are for people."""

    examples: list[str]
    predicted: np.ndarray
    probabilities: Float[np.ndarray, "examples classes"]
    classes: tuple[str, ...]
    notes: tuple[str, ...]

    def records(self) -> list[dict[str, Any]]:
        """A line for each example, as a table has it."""
        names = [f"probability of {name}" for name in self.classes]
        return [
            {"example": example, "predicted": self.classes[int(best)]}
            | dict(zip(names, map(float, chances), strict=True))
            for example, best, chances in zip(
                self.examples, self.predicted, self.probabilities, strict=True
            )
        ]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class FittedExamples:
    """What was learnt from many classes of images or arrays, ready to learn new ones from a few
    examples of each. `fit_examples` makes one, and `learnset.load` reads one.

    - `models`: that were trained. `settings`: by the number of examples of a class, rising.
    - `ways`: how many classes a task of training had. `format`: of an example.
    - `card`: what it was learnt from and how well it did.
    - `network`: the pretrained network whose features all settings see, with its name.
    """

    models: tuple[Any, ...]
    settings: tuple[Settings, ...]
    ways: int
    format: Format
    card: dict[str, Any]
    network: tuple[str, Backbone] | None = None

    def __repr__(self) -> str:
        recipes = few(dict.fromkeys(one.recipe for one in self.settings), 3)
        shape = "×".join(map(str, self.format.shape))
        return f"FittedExamples({recipes}, {self.card['data']['classes']} classes, {shape})"

    def adapt(self, classes: Labelled | str | Path) -> "Classifier":
        """A classifier of these classes, learnt from a few examples of each: a folder of class
        folders, an .npz file with `x` and `y`, or `Labelled`. The examples are not kept.

        **Raises:** `InputError` for one class alone, examples of another shape or type, and another
        number of classes than a recipe with a head of its own can take. It warns where settings are
        those of another number of examples or classes.
        """
        classifier = self.adapted(classes)
        for note in classifier.card["adapted"]["remarks"]:
            warnings.warn(note, stacklevel=2)
        return classifier

    def adapted(self, classes: Labelled | str | Path) -> "Classifier":
        """`adapt`, which has its warnings as `remarks` in the card."""
        classes = classes if isinstance(classes, Labelled) else self.format.classes(Path(classes))
        self.format.check(classes.x, "`classes`")
        count, sizes = len(classes), classes.sizes
        if count < 2:
            raise InputError(
                f"There is one class, {classes.names[0]!r}: a classifier tells at least two apart."
            )
        if count > MOST_CLASSES or len(classes.x) > MOST_EXAMPLES:
            raise InputError(
                f"There are {count} classes with {len(classes.x)} examples, more than"
                f" {MOST_CLASSES} or {MOST_EXAMPLES:,}. Give fewer."
            )
        best = self.at(int(sizes.min()))
        if count != self.ways and not best.any_ways:
            raise InputError(
                f"There are {count} classes, but the head of {best.recipe} has {self.ways}. Give"
                f" {self.ways} classes, or fit a recipe that takes any number, such as ProtoNet."
            )
        targets = jnp.eye(count)[jnp.asarray(classes.labels)]
        support = Batch(jnp.asarray(self._seen(classes.x), targets.dtype), targets)
        known = self.card["classes_of_training"]
        adapted = {
            "classes": [[n, int(s)] for n, s in zip(classes.names, sizes, strict=True)],
            "shots": best.shots,
            "recipe": best.recipe,
            "in_training": sorted(set(classes.names) & set(known)),
            "notes": list(classes.skipped),
            "remarks": self._remarks(sizes, best, count),
        }
        predictor = eqx.filter_jit(best.adapter.adapt)(self.models[best.model], support)
        if self.network is not None:
            predictor = on_backbone(*self.network, None, predictor)
        return Classifier(
            predictor,
            best.temperature,
            classes.names,
            self.format._replace(ranges=classes.ranges),
            self.card | {"adapted": adapted},
        )

    def _seen(self, x: np.ndarray) -> np.ndarray:
        """Examples as the settings see them."""
        if self.network is None:
            return as_floats(x)
        name, backbone = self.network
        with Features(backbone, name, len(x)) as features:
            return features.of(x)

    def at(self, shots: int) -> Settings:
        """The settings for the number of examples that is nearest, the smaller one of two."""
        return min(self.settings, key=lambda one: (abs(one.shots - shots), one.shots))

    def _remarks(self, sizes: np.ndarray, best: Settings, count: int) -> list[str]:
        notes, low, high = [], int(sizes.min()), int(sizes.max())
        if not low == high == best.shots:
            have = f"{low}" if low == high else f"{low} to {high}"
            notes.append(
                f"Classes have {have} examples: settings and confidence are those chosen for"
                f" {best.shots}."
            )
        if count != self.ways:
            notes.append(
                f"Confidence was calibrated on tasks of {self.ways} classes; there are {count}."
            )
        return notes

    def save(self, path: str | Path) -> None:
        """Writes the model as one file, which `learnset.load` reads."""
        _save(self, path)

    def __reduce__(self) -> Any:
        return _reduced(self)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """A classifier of a few classes, which `FittedExamples.adapt` makes: it needs neither the
    examples nor the data of training."""

    predictor: Any
    temperature: float
    classes: tuple[str, ...]
    format: Format
    card: dict[str, Any]

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.format.shape))
        return f"Classifier({few(self.classes, 5)}; {shape})"

    def predict(self, *sources: str | Path | bytes | np.ndarray) -> Classified:
        """The class of each example, with calibrated probabilities: of image files, folders of
        images, bytes of an image, .npz files with an array `x`, or arrays of examples as those that
        were learnt from.

        **Raises:** `InputError` for what cannot be read, and examples of another shape or type.
        """
        if not sources:
            raise InputError("Nothing was given to predict: name images, folders or .npz files.")
        names, parts, notes = [], [], []
        for source in sources:
            if isinstance(source, np.ndarray):
                source = source if source.dtype == np.uint8 else source.astype(np.float32)
                self.format.check(source, "The array")
                each, x, said = [f"row {i}" for i in range(len(source))], as_floats(source), ()
            else:
                source = source if isinstance(source, bytes) else Path(source)
                each, x, said = self.format.examples(source)
            names += each
            notes += [f"{source}: {n}" if isinstance(source, Path) else n for n in said]
            parts.append(self.probabilities(x))
        chances = np.concatenate(parts)
        best = chances.argmax(axis=1)
        return Classified(names, best, chances, self.classes, tuple(notes))

    def probabilities(
        self, x: Float[np.ndarray, "examples *in"]
    ) -> Float[np.ndarray, "examples classes"]:
        """Calibrated probabilities of the classes, from examples as a network reads them."""
        x = x.astype(np.dtype(jnp.result_type(float)))
        parts = [np.zeros((0, len(self.classes)))]
        for start in range(0, len(x), SIZES[-1]):
            part = x[start : start + SIZES[-1]]
            size = next(size for size in SIZES if size >= len(part))
            padded = np.concatenate([part, np.zeros((size - len(part), *x.shape[1:]), x.dtype)])
            parts.append(np.asarray(_logits(self.predictor, padded), np.float64)[: len(part)])
        logits = np.concatenate(parts)
        if not np.isfinite(logits).all():
            row = int(np.argwhere(~np.isfinite(logits))[0, 0])
            raise InputError(
                f"The answer for example {row + 1} is not finite: look at its numbers."
            )
        return softmax(logits / self.temperature, axis=1)

    def save(self, path: str | Path) -> None:
        """Writes the classifier as one file, which `learnset.load` reads."""
        _save(self, path)

    def __reduce__(self) -> Any:
        return _reduced(self)


@eqx.filter_jit
def _logits(predictor: Predictor, x: Any) -> Array:
    return predict(predictor, jnp.asarray(x))


def _save(fitted: Any, path: str | Path) -> None:
    from ._saving import save

    save(fitted, Path(path))


def _reduced(fitted: Any) -> Any:
    from ._saving import from_bytes, to_bytes

    return from_bytes, (to_bytes(fitted),)
