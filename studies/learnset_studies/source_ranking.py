"""Which pretrained network suits a task? Rankings of sources by scores, against what they gave."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key, UInt8
from scipy.special import softmax

from learnset.core import Batch, cross_entropy, error_rate, features, InputError, interval, traced
from learnset.data import digits, glyphs, Labelled, omniglot
from learnset.models import Backbone, Headed, Raw
from learnset.tasks import PooledClasses, SameClasses
from learnset.training import Features, train
from learnset.transfer import (
    FineTune,
    FreshHead,
    h_score,
    judge_ranking,
    leave_one_out,
    leep,
    log_me,
    Logistic,
    n_leep,
    nce,
    Pooled,
)

from ._images import (
    at_best,
    batches,
    convolutions,
    divisions,
    generator,
    mnist,
    pixels,
    sign_digits,
)
from ._source_ranking_page import draw, ELSEWHERE, HEAD, page, TUNED

SIDE, FILTERS = 14, 32  # of the networks that are trained here
CLASSES, IMAGES = 20, 12  # of a target at most, and of each class
FIT, VALIDATION = 6, 2  # images of a class that a head learns from, and that choose its setting
TARGETS = {
    "glyphs": ("Greek", "Cyrillic", "Georgian"),
    "Omniglot": ("Korean", "Sanskrit", "Bengali"),
}
MOST = 300  # classes that a network is trained on
L2S = (0.003, 0.03)  # of the head, on features whose mean square length is 1
LRS = (0.001, 0.003)  # of fine-tuning by Adam
LITES = ("lite0", "lite1", "lite2")
JUDGED = ("tau", "tau_ci95", "regret", "regret_ci95", "chance")
Matrix = Float[np.ndarray, "points features"]


@dataclasses.dataclass(frozen=True)
class SourceRankingStudy:
    """The study's sizes.

    **Arguments:**

    - `steps`: of training each network on its source, 64 images each.
    - `tuning`: steps of fine-tuning on a target.
    - `divisions`: of the images of a target into those to learn from and to test on.
    """

    steps: int = 500
    tuning: int = 30
    divisions: int = 2

    reads: ClassVar[frozenset[str]] = frozenset({"seed", "steps"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        if min(self.steps, self.tuning) < 1 or self.divisions < 2:
            raise InputError("source-ranking needs at least one step and two divisions.")

    def quick(self) -> "SourceRankingStudy":
        """Networks that have learnt little."""
        return SourceRankingStudy(30, 3, 2)

    def with_steps(self, steps: int) -> "SourceRankingStudy":
        """The same study with another number of steps."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains the networks, scores all sources for all targets, and measures what they give.

        **Returns:** a row for each target and source, and one for each score.
        """
        del folder, options
        rng = generator(key)
        targets, sources = target_data(rng), self._sources(rng, key)
        rows = []
        for name, images in targets.items():
            division = divisions(images, (FIT, VALIDATION), self.divisions, rng)
            for source, what in sources.items():
                row = {"target": name, "source": source, "classes": len(images)}
                rows.append(row | self._of_pair(what, images, division))
        return {"rows": rows, "rankings": rankings(rows)}

    def _sources(self, rng: np.random.Generator, key: Key[Array, ""]) -> dict[str, "Source"]:
        sources = {name: pretrained(name) for name in LITES}
        for number, (name, data) in enumerate(source_data(rng).items()):
            model = trained(data, self.steps, jr.fold_in(key, number))
            sources[name] = own(model, classes=True)
        sources["random network"] = own(untrained(2, jr.fold_in(key, len(sources))), classes=False)
        return sources | {"raw pixels": Source(raw)}

    def _of_pair(
        self, source: "Source", images: Labelled, division: list[np.ndarray]
    ) -> dict[str, Any]:
        """The scores of a source for a target, and the accuracies that it gives."""
        values = source.features(images.x)
        parts = [batches(values, part) for part in division]
        row: dict[str, Any] = {HEAD: accuracy_of_head(*parts)}
        if source.tuned is not None:
            shown = [batches(pixels(images.x, SIDE), part) for part in division]
            row[TUNED] = accuracy_after_tuning(source.tuned, self.tuning, *shown)
        classes = None if source.head is None else probabilities(source.head, values)
        labels = images.labels
        order = division[0].reshape(self.divisions, -1)  # the images that the head learns from
        row["scores"] = {
            name: float(np.mean([of(values[one], labels[one]) for one in order]))
            for name, of in OF_FEATURES.items()
        }
        if classes is not None:
            row["scores"] |= {
                name: float(np.mean([of(classes[one], labels[one]) for one in order]))
                for name, of in OF_CLASSES.items()
            }
        return row


class Source(NamedTuple):
    """What a source gives: features of images as bytes; a head for its own classes, if it has any;
    and the model that is fine-tuned, where that is feasible."""

    features: Callable[[UInt8[np.ndarray, "points height width 1"]], Matrix]
    head: Any = None
    tuned: Headed | None = None


def pretrained(name: str) -> Source:
    """A network for photographs that was trained elsewhere. Its features are kept by contents."""
    backbone = Backbone.named(name)

    def values(x: np.ndarray) -> Matrix:
        with Features(backbone, name, len(x)) as kept:
            return kept.of(x)

    return Source(values, backbone.module.head)


def raw(x: UInt8[np.ndarray, "points height width 1"]) -> Matrix:
    """Pixels as features."""
    return pixels(x, SIDE).reshape(len(x), -1)


def own(model: Headed, *, classes: bool) -> Source:
    """A network that was made here, with or without classes of its own."""
    values = eqx.filter_jit(lambda model, x: features(model, x))
    return Source(
        lambda x: np.asarray(values(model, jnp.asarray(pixels(x, SIDE)))),
        model.head if classes else None,
        model,
    )


def untrained(classes: int, key: Key[Array, ""]) -> Headed:
    """A network with random weights."""
    return convolutions(SIDE, FILTERS, classes, key=key)


def trained(data: Labelled, steps: int, key: Key[Array, ""]) -> Headed:
    """A network that has learnt to tell classes apart."""
    model_key, train_key = jr.split(key)
    x = np.rint(255 * pixels(data.x, SIDE)).astype(np.uint8)
    small = dataclasses.replace(data, x=x)
    tasks = PooledClasses(SameClasses(small, small, small, ways=2, shots=1, queries=1))
    method, model = Pooled(cross_entropy), untrained(len(data), model_key)
    return train(method, model, tasks, optax.adam(1e-3), steps=steps, key=train_key).model


def source_data(rng: np.random.Generator) -> dict[str, Labelled]:
    """The images that networks are trained on, none of which is of a target."""
    scripts = glyphs.split().train
    alphabets = omniglot.background()
    others = sorted(set(alphabets.groups) - set(TARGETS["Omniglot"]))
    signs = sorted(set(scripts.groups) - {"Latin", "Modifier"})

    def some(images: Labelled) -> Labelled:
        return images.subset(rng.permutation(len(images))[:MOST])

    return {
        "Latin glyphs": some(scripts.of_groups(["Latin"])),
        "other signs": some(scripts.of_groups(signs)),
        "Omniglot": some(alphabets.of_groups(others)),
        "MNIST": mnist(),
        "8×8 digits": digits(),
    }


def target_data(rng: np.random.Generator) -> dict[str, Labelled]:
    """The tasks: a few images of each class."""
    kinds = {"glyphs": glyphs.characters(), "Omniglot": omniglot.background()}
    found = {"sign digits": sign_digits()} | {
        f"{name.replace('_', ' ')} ({kind})": kinds[kind].of_groups([name])
        for kind, names in TARGETS.items()
        for name in names
    }
    return {name: few(images, rng) for name, images in found.items()}


def few(images: Labelled, rng: np.random.Generator) -> Labelled:
    """Some classes, with as many images of each."""
    enough = rng.permutation(np.flatnonzero(images.sizes >= IMAGES))[:CLASSES]
    chosen = images.subset(np.sort(enough))
    rows = np.concatenate(
        [
            start + np.sort(rng.permutation(size)[:IMAGES])
            for start, size in zip(chosen.starts, chosen.sizes, strict=True)
        ]
    )
    return Labelled.from_arrays(chosen.x[rows], chosen.labels[rows], names=chosen.names)


# What a source gives


def accuracy_of_head(fit: Batch, validation: Batch, test: Batch) -> dict[str, float]:
    """Of a logistic head on frozen features, whose penalty validation images choose."""
    parts = [
        Batch(jnp.asarray(_spanned(np.asarray(part.x), np.asarray(fit.x))), part.y, part.weight)
        for part in (fit, validation, test)
    ]
    return _chosen(np.asarray(_head_scores(jnp.asarray(L2S), *parts)))


@eqx.filter_jit
def _head_scores(l2s: Array, fit: Batch, validation: Batch, test: Batch) -> Array:
    """Accuracies "penalties 2 divisions", on validation and on test images."""

    def one(l2: Array, fit: Batch, validation: Batch, test: Batch) -> Array:
        model = Logistic(l2, 6).adapt(Headed(Raw(), None), fit)
        return jnp.stack([1 - error_rate(model, part) for part in (validation, test)])

    of_divisions = jax.vmap(one, in_axes=(None, 0, 0, 0), out_axes=1)
    return jax.vmap(of_divisions, in_axes=(0, None, None, None))(l2s, fit, validation, test)


def _spanned(x: np.ndarray, fit: np.ndarray) -> np.ndarray:
    """Features in coordinates of those that a head learns from, which change no prediction: a
    penalised head has no part across them. Their mean square length is 1."""
    values = []
    for each, of in zip(x.astype(np.float64), fit.astype(np.float64), strict=True):
        mean = of.mean(axis=0)
        directions = np.linalg.svd(of - mean, full_matrices=False)[2]
        scale = np.sqrt(((of - mean) ** 2).sum(axis=1).mean())
        along = (each - mean) @ directions.T / scale
        values.append(np.pad(along, ((0, 0), (0, len(of) - along.shape[1]))))
    return np.array(values, np.float32)


def accuracy_after_tuning(
    model: Headed, steps: int, fit: Batch, validation: Batch, test: Batch
) -> dict[str, float]:
    """Of the whole network after fine-tuning with a new head, whose step size validation images
    choose."""
    scores = []
    for lr in LRS:
        descent = FineTune(cross_entropy, lr, steps, optimiser=optax.adam)
        scores.append(
            np.asarray(_tuned_scores(traced(FreshHead(descent)), model, fit, validation, test))
        )
    return _chosen(np.stack(scores))


@eqx.filter_jit
def _tuned_scores(
    adapter: FreshHead, model: Headed, fit: Batch, validation: Batch, test: Batch
) -> Array:
    """Accuracies "2 divisions", on validation and on test images."""

    def one(fit: Batch, validation: Batch, test: Batch) -> Array:
        tuned = adapter.adapt(model, fit)
        return jnp.stack([1 - error_rate(tuned, part) for part in (validation, test)])

    return jax.vmap(one, out_axes=1)(fit, validation, test)


def _chosen(scores: Float[np.ndarray, "settings 2 divisions"]) -> dict[str, Any]:
    """The mean accuracy on test images, in percent, of the settings that are best on validation
    images in each division."""
    best = scores[:, 0].argmax(axis=0)
    values = 100 * at_best(scores[:, 1], best)
    mean, half = interval(values[:, None])
    return {"value": mean, "ci95": half}


def probabilities(head: Any, values: Matrix) -> Matrix:
    """Probabilities of the source's classes."""
    logits = np.asarray(jax.vmap(head)(jnp.asarray(values)), np.float64)
    return softmax(logits, axis=1)


OF_FEATURES = {
    "LogME": log_me,
    "H-score": h_score,
    "leave-one-out ridge": leave_one_out,
    "N-LEEP": lambda values, labels: n_leep(values, labels, clusters=1),
}
OF_CLASSES = {
    "LEEP": leep,
    "NCE": lambda classes, labels: nce(classes.argmax(axis=1), labels),
}


def rankings(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How right each score was about each measure, of the sources that have both."""
    targets = list(dict.fromkeys(row["target"] for row in rows))
    of = {(row["target"], row["source"]): row for row in rows}
    every = list(dict.fromkeys(row["source"] for row in rows))
    found = []
    for measure in (HEAD, TUNED):
        for score in (*OF_FEATURES, *OF_CLASSES, ELSEWHERE):
            first = targets[0]
            sources = [
                name
                for name in every
                if measure in of[first, name]
                and (score == ELSEWHERE or score in of[first, name]["scores"])
            ]
            accuracy = np.array([[of[t, s][measure]["value"] for s in sources] for t in targets])
            if score == ELSEWHERE:
                scored = (accuracy.sum(axis=0)[None] - accuracy) / (len(targets) - 1)
            else:
                scored = np.array([[of[t, s]["scores"][score] for s in sources] for t in targets])
            judged = judge_ranking(scored, accuracy)
            about = {"score": score, "measure": measure, "sources": sources}
            found.append(about | {name: getattr(judged, name) for name in JUDGED})
    return found
