"""Alignments chosen without labels of the target."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped

from ..core import InputError
from ._alignment import AbstractAlignment, Points
from ._kmm import KMM

# Of source points, their labels and weights, and of other points: the labels of the latter.
Classifier = Callable[[Any, Any, Any, Any], Any]
Validation = Callable[..., float]


class Choice(NamedTuple):
    """The alignment with the best validated accuracy, its number, and the accuracies of all."""

    alignment: AbstractAlignment
    number: int
    accuracies: tuple[float, ...]


def choose_alignment(
    candidates: Sequence[AbstractAlignment],
    classifier: Classifier,
    source: Points,
    labels: Shaped[np.ndarray, "source"],
    target: Points,
    *,
    validation: Validation | None = None,
    folds: int = 5,
    seed: int = 0,
) -> Choice:
    """Chooses an alignment without labels of the target.

    **Arguments:**

    - `candidates`: alignments, of which the first of the best is taken.
    - `classifier`: of source points, their labels and weights, and target points: the labels of the
      latter.
    - `validation`: `reverse_validation` (default) or `importance_weighted_validation`.
    - `folds`: parts of the source, each of which is left out once; `seed` divides it.

    **Raises:** `InputError` for no candidate, and for fewer points than folds.

    >>> import numpy as np
    >>> from learnset.transfer import nearest_neighbour, Unaligned
    >>> random = np.random.default_rng(0)
    >>> source, labels = random.normal(size=(40, 2)), np.arange(40) % 2
    >>> source = source + 4 * labels[:, None]
    >>> def classifier(points, labels, weight, others):
    ...     return nearest_neighbour(points, labels, others)
    >>> choose_alignment([Unaligned()], classifier, source, labels, source + 0.1).number
    0
    """
    if not candidates:
        raise InputError("choose_alignment: there is no candidate. Give at least one.")
    score = reverse_validation if validation is None else validation
    options = {"folds": folds, "seed": seed}
    accuracies = tuple(
        score(candidate, classifier, source, labels, target, **options) for candidate in candidates
    )
    best = int(np.argmax(accuracies))
    return Choice(candidates[best], best, accuracies)


def reverse_validation(
    alignment: AbstractAlignment,
    classifier: Classifier,
    source: Points,
    labels: Shaped[np.ndarray, "source"],
    target: Points,
    *,
    folds: int = 5,
    seed: int = 0,
) -> float:
    """The accuracy of the way back: a part of the source labels the target, which, with these
    labels, then labels the rest of the source.

    Source: Zhong et al. 2010, *Cross Validation Framework to Choose amongst Models and Datasets for
    Transfer Learning*, §3.
    """
    labels, right = np.asarray(labels), []
    for left_out in divided(len(labels), folds, seed):
        known = np.setdiff1d(np.arange(len(labels)), left_out)
        there = alignment.align(source[known], labels[known], target)
        guess = np.asarray(classifier(there.source, labels[known], there.weight, there.target))
        if len(np.unique(guess)) < 2:  # a constant classifier is no way back
            right.append(guess[0] == labels[left_out])
            continue
        back = alignment.align(target, guess, source)
        again = classifier(back.source, guess, back.weight, back.target[left_out])
        right.append(np.asarray(again) == labels[left_out])
    return float(np.concatenate(right).mean())


def importance_weighted_validation(
    alignment: AbstractAlignment,
    classifier: Classifier,
    source: Points,
    labels: Shaped[np.ndarray, "source"],
    target: Points,
    *,
    folds: int = 5,
    seed: int = 0,
    importance: Float[np.ndarray, "source"] | None = None,
) -> float:
    """The accuracy on left-out source points, weighted by `KMM` as points like them are frequent in
    the target. It is right where only the frequency of inputs differs.

    **Arguments:** `importance`: the weights; default: those of `KMM()`.

    The alignment sees the inputs of all source points; of an alignment that reads labels, such as
    `JDA`, it is an optimistic estimate.

    Source: Sugiyama, Krauledat & Müller 2007, *Covariate Shift Adaptation by Importance Weighted
    Cross Validation*, equation 8.
    """
    labels = np.asarray(labels)
    if importance is None:
        importance = KMM().align(source, labels, target).weight
    aligned = alignment.align(source, labels, target)
    right = np.zeros(len(labels))
    for left_out in divided(len(labels), folds, seed):
        known = np.setdiff1d(np.arange(len(labels)), left_out)
        parts = aligned.source[known], labels[known], aligned.weight[known]
        right[left_out] = (
            np.asarray(classifier(*parts, aligned.source[left_out])) == labels[left_out]
        )
    return float(np.average(right, weights=importance))


def divided(points: int, folds: int, seed: int) -> list[Int[np.ndarray, "part"]]:
    """The numbers of points in parts at random."""
    if not 2 <= folds <= points:
        raise InputError(f"`folds={folds}`, but it must be from 2 to the {points} source points.")
    return np.array_split(np.random.default_rng(seed).permutation(points), folds)
