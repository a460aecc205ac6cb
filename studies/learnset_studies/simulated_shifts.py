"""Four ways in which a target can differ from its source, and alignments chosen without labels."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Key

from learnset.core import InputError, interval
from learnset.data import data_folder
from learnset.report import Page
from learnset.transfer import (
    AbstractAlignment,
    Aligned,
    CORAL,
    importance_weighted_validation,
    KMM,
    LinearTransport,
    reverse_validation,
    SubspaceAlignment,
    TCA,
    Unaligned,
)

from ._simulated_shifts import Shifted, shifted, SHIFTS
from ._simulated_shifts_page import BOUND, BY_LABELS, draw_gains, page

SOURCE = "Lalou et al. 2024, SKADA-Bench, stored results of its simulated data"
REVERSE, WEIGHTED = "reverse", "importance-weighted"
SCORERS = {  # the published rules that ours are nearest to
    BY_LABELS: "supervised",
    REVERSE: "circular_validation",
    WEIGHTED: "importance_weighted",
}


class Centred(AbstractAlignment):
    """Another alignment about the means of both places, which it makes equal."""

    of: AbstractAlignment

    def align(self, source: Any, labels: Any, target: Any) -> Aligned:
        mean = target.mean(axis=0)
        aligned = self.of.align(source - source.mean(axis=0), labels, target - mean)
        return Aligned(aligned.source + mean, aligned.target + mean, aligned.weight)


class ThroughOrigin(AbstractAlignment):
    """Another alignment that leaves the origin where it is: that of points and their mirror images,
    whose means are zero."""

    of: AbstractAlignment

    def align(self, source: Any, labels: Any, target: Any) -> Aligned:
        both = (np.concatenate([points, -points]) for points in (source, target))
        aligned = self.of.align(next(both), np.concatenate([labels, labels]), next(both))
        first, weight = aligned.source[: len(source)], aligned.weight[: len(source)]
        return Aligned(first, aligned.target[: len(target)], weight)


LINEAR = tuple(LinearTransport(l2=l2) for l2 in (1e-8, 0.1, 1.0, 10.0))
TOLERANCE = 1e-3  # of KMM; the squared distance of means of 800 points is known to 2.5e-3
METHODS: dict[str, tuple[AbstractAlignment, ...]] = {  # candidates, by the published names
    "Train Src": (Unaligned(),),
    "CORAL": (CORAL(l2=1e-3), Centred(CORAL(l2=1e-3))),
    "LinOT": (*LINEAR, *map(ThroughOrigin, LINEAR)),
    "SA": tuple(SubspaceAlignment(size) for size in (1, 2)),
    "TCA": (TCA(2, l2=10.0, gamma=0.5),),
    "KMM": tuple(KMM(gamma=gamma, tolerance=TOLERANCE) for gamma in (0.1, 1.0, 10.0)),
}


@dataclasses.dataclass(frozen=True)
class SimulatedShiftsStudy:
    """The study's sizes.

    **Arguments:**

    - `seeds`: sets of points for each shift, those of the benchmark first.
    - `folds`: parts of the source, in validation without target labels.
    - `shifts`: their names.
    """

    seeds: int = 5
    folds: int = 2
    shifts: tuple[str, ...] = SHIFTS

    reads: ClassVar[frozenset[str]] = frozenset()

    def quick(self) -> "SimulatedShiftsStudy":
        """One shift and two sets of points."""
        return SimulatedShiftsStudy(2, 2, ("concept_drift",))

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Aligns, trains a support vector machine on the aligned source, and scores.

        **Returns:** a row for each shift, method and way to choose its setting.
        """
        del folder, key, options
        table, rows = published(), []
        for shift in self.shifts:
            sets = [shifted(shift, seed) for seed in range(self.seeds)]
            for name, candidates in METHODS.items():
                accuracy = _accuracies(candidates, sets)
                for rule, choices in self._choices(candidates, sets, accuracy).items():
                    values = accuracy[np.arange(len(sets)), choices]
                    rows.append(_row(shift, name, rule, values, table))
            bound = np.array([_in_itself(points) for points in sets])
            rows.append(_row(shift, BOUND, BY_LABELS, bound, table))
        return {
            "rows": rows,
            "points": {shift: len(shifted(shift, 0).truth) for shift in self.shifts},
        }

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `gains`."""
        draw_gains(result, folder)

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        return page(result, SOURCE)

    def _choices(
        self,
        candidates: Sequence[AbstractAlignment],
        sets: Sequence[Shifted],
        accuracy: np.ndarray,
    ) -> dict[str, np.ndarray]:
        """The number of the candidate that each rule chooses, for each set of points."""
        choices = {BY_LABELS: accuracy.argmax(axis=1)}
        if len(candidates) == 1:
            return choices | {REVERSE: choices[BY_LABELS], WEIGHTED: choices[BY_LABELS]}
        scores: dict[str, list[list[float]]] = {REVERSE: [], WEIGHTED: []}
        for points in sets:
            importance = KMM(tolerance=TOLERANCE).align(*points[:3]).weight
            parts, folds = (support_vectors, *points[:3]), self.folds
            scores[REVERSE].append(
                [reverse_validation(one, *parts, folds=folds) for one in candidates]
            )
            options = {"folds": folds, "importance": importance}
            scores[WEIGHTED].append(
                [importance_weighted_validation(one, *parts, **options) for one in candidates]
            )
        return choices | {rule: np.argmax(values, axis=1) for rule, values in scores.items()}


def support_vectors(points: Any, labels: Any, weight: Any, others: Any) -> np.ndarray:
    """Classes of other points by a support vector machine with a Gaussian kernel, scikit-learn's
    defaults, as in the benchmark; the only class that has weight, where the others have none."""
    from sklearn.svm import SVC

    classes = np.unique(labels if weight is None else labels[weight > 0])
    if len(classes) == 1:
        return np.full(len(others), classes[0])
    return SVC().fit(points, labels, sample_weight=weight).predict(others)


def published() -> dict[tuple[str, str], dict[str, float]]:
    """Published accuracies of each shift, by rule and method.

    They are read from `$LEARNSET_DATA/skada/skada_simulated_accuracy.csv`.
    """
    path = data_folder("skada") / "skada_simulated_accuracy.csv"
    if not path.exists():
        raise InputError(f"{path} is missing: the published accuracies. Restore it.")
    with path.open(newline="") as file:
        return {
            (row["scorer"], row["estimator"]): {shift: float(row[shift]) for shift in SHIFTS}
            for row in csv.DictReader(file)
        }


def _accuracies(candidates: Sequence[AbstractAlignment], sets: Sequence[Shifted]) -> np.ndarray:
    """In per cent, "sets candidates", on all points of the target."""
    accuracy = np.zeros((len(sets), len(candidates)))
    for number, points in enumerate(sets):
        for place, candidate in enumerate(candidates):
            aligned = candidate.align(points.source, points.labels, points.target)
            guess = support_vectors(aligned.source, points.labels, aligned.weight, aligned.target)
            accuracy[number, place] = 100 * (guess == points.truth).mean()
    return accuracy


def _in_itself(points: Shifted) -> float:
    """The accuracy on every fifth point of the target, after training on its others."""
    left_out = np.arange(len(points.truth)) % 5 == 0
    rest = points.target[~left_out], points.truth[~left_out]
    guess = support_vectors(*rest, None, points.target[left_out])
    return float(100 * (guess == points.truth[left_out]).mean())


def _row(
    shift: str, name: str, rule: str, values: np.ndarray, table: dict[Any, dict[str, float]]
) -> dict[str, Any]:
    mean, half = interval(values[:, None])
    row = {"shift": shift, "method": name, "chosen_by": rule, "measure": "accuracy (%)"}
    row |= {"value": mean, "ci95": half, "by_seed": [round(float(v), 2) for v in values]}
    known = table.get((SCORERS[rule], name)) or table.get((SCORERS[BY_LABELS], name))
    if not known:
        return row
    agrees = abs(mean - known[shift]) <= half
    return row | {"published": known[shift], "source": SOURCE, "agrees": agrees}
