"""One table, one forward pass: a network that has learnt to learn tables, against what is usually
done with a table, tuned."""

import dataclasses
import time
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, Shaped

from learnset.comparison import interval_of_divisions, Setting
from learnset.core import Batch, InputError, needs, predict
from learnset.meta import InContextTable, TablePFN
from learnset.models import TableTransformer

from ._in_context_tables_page import draw, IN_CONTEXT, page
from ._table_means import mean_of
from ._table_rivals import answers, FOREST, rivals, tuned
from ._table_sets import ALL, made, TableSet

MEASURES = {True: "ROC AUC", False: "R²"}


@dataclasses.dataclass(frozen=True)
class InContextTablesStudy:
    """The study's sizes.

    **Arguments:** `sets`: their names. `rows`: of a set, at most. `folds`: of its cross-validation.
    `trees`: of a forest, and rounds of boosting.
    """

    sets: tuple[str, ...] = ALL
    rows: int = 500
    folds: int = 5
    trees: int = 100

    reads: ClassVar[frozenset[str]] = frozenset({"seed"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        least = {"rows": 30, "folds": 2, "trees": 1}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise InputError(
                    f"in-context-tables: `{name}={getattr(self, name)}`, but it must be at least"
                    f" {value}."
                )
        if unknown := set(self.sets) - set(ALL):
            raise InputError(
                f"in-context-tables: there is no set {sorted(unknown)[0]!r}. Choose from"
                f" {', '.join(ALL)}."
            )

    def quick(self) -> "InContextTablesStudy":
        """Two small sets in two folds."""
        return InContextTablesStudy(("iris", "Friedman 1"), 60, 2, 10)

    def run(
        self, folder: Path, key: Key[Array, ""], *, network: TableTransformer | None = None
    ) -> dict[str, Any]:
        """Scores all recipes on the same folds.

        **Arguments:** `network`: default: the one that comes with learnset.

        **Returns:** rows, of each recipe on each set and over all sets; and the sets.
        """
        del folder
        network = TablePFN.pretrained().network if network is None else network
        sets, missing = made(self.sets, self.rows)
        seed = int(jax.random.randint(key, (), 0, 2**31 - 1))
        rows = [row for one in sets for row in self.of_set(one, network, seed)]
        about = [
            {"name": one.name, "rows": len(one.x), "inputs": one.x.shape[1], "classes": one.classes}
            for one in sets
        ]
        return {"rows": rows + means(rows), "sets": about, "missing": missing}

    def of_set(self, one: TableSet, network: TableTransformer, seed: int) -> list[dict[str, Any]]:
        """A row for each recipe."""
        classes = one.classes > 0
        folds = divided(one, self.folds, seed)
        found = {IN_CONTEXT: read(network, one, folds)}
        sizes = {"rows": len(folds[0][0]), "trees": self.trees}
        for name, rival in rivals(classes=classes, **sizes).items():
            found[name] = []
            for train, test in folds:
                began = time.perf_counter()
                fitted = tuned(rival, one.x[train], one.y[train], classes=classes)
                between = time.perf_counter()
                answer = answers(fitted, one.x[test], classes=classes)
                seconds = (between - began, time.perf_counter() - between)
                found[name].append(Fold(score(answer, one.y[test]), *seconds))
        overlap = 1 / (self.folds - 1)  # of scored rows to the others
        forest = np.array([fold.score for fold in found[FOREST]])
        rows = []
        for name, of_folds in found.items():
            scores = np.array([fold.score for fold in of_folds])
            value, half = interval_of_divisions(scores, overlap)
            gain, gain_half = interval_of_divisions(scores - forest, overlap)
            setting = Setting.META if name == IN_CONTEXT else Setting.SCRATCH
            rows.append(
                {"part": "sets", "set": one.name, "measure": MEASURES[classes]}
                | {"recipe": name, "setting": setting.value, "value": value, "ci95": half}
                | {"difference": gain, "difference_ci95": gain_half}
                | {"by_fold": [round(float(fold), 4) for fold in scores]}
                | {
                    f"{what}_seconds": float(np.mean([getattr(f, what) for f in of_folds]))
                    for what in ("fit", "predict")
                }
            )
        return rows


class Fold(NamedTuple):
    """The score of one fold, and the seconds that it took."""

    score: float
    fit: float
    predict: float


def divided(
    one: TableSet, folds: int, seed: int
) -> list[tuple[Shaped[np.ndarray, "train"], Shaped[np.ndarray, "test"]]]:
    """The rows to learn from and those to score on, of each fold; of classes in equal shares."""
    with needs("tables"):
        from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if one.classes else KFold
    return list(kind(folds, shuffle=True, random_state=seed).split(one.x, one.y))


def read(
    network: TableTransformer, one: TableSet, folds: list[tuple[np.ndarray, np.ndarray]]
) -> list[Fold]:
    """The network's folds. It is compiled once for all of them, which does not count."""
    table = InContextTable(network, classes=one.classes > 0)
    most = [max(len(fold[part]) for fold in folds) for part in (0, 1)]
    targets = np.eye(one.classes)[one.y] if one.classes else one.y[:, None]
    program, found = None, []
    for train, test in folds:
        support = Batch(
            padded(one.x[train], most[0]),
            padded(targets[train], most[0]),
            padded(np.ones(len(train)), most[0]),
        )
        given = (table, support, padded(one.x[test], most[1]))
        program = program or passed.lower(*given).compile()  # pyright: ignore[reportFunctionMemberAccess]
        began = time.perf_counter()
        answer = np.asarray(program(*given), np.float64)[: len(test)]
        seconds = time.perf_counter() - began
        answer = answer if one.classes else answer[:, 0]
        found.append(Fold(score(answer, one.y[test]), 0.0, seconds))
    return found


@eqx.filter_jit
def passed(table: InContextTable, support: Batch, x: Float[Array, "rows in"]) -> Array:
    """Probabilities of classes, or numbers, in one forward pass."""
    answer = predict(table.adapt(support), x)
    return jax.nn.softmax(answer) if table.classes else answer


def padded(values: np.ndarray, rows: int) -> Array:
    """The values and zeros after them, so that all folds have the same shape."""
    more = [(0, rows - len(values))] + [(0, 0)] * (values.ndim - 1)
    return jnp.asarray(np.pad(values, more), jnp.result_type(float))


def score(answer: Float[np.ndarray, "rows ..."], y: Shaped[np.ndarray, "rows"]) -> float:
    """The area under the ROC curve of probabilities, of several classes the mean of each against
    the others; R² of numbers.

    >>> score(np.array([[0.8, 0.2], [0.4, 0.6]]), np.array([0, 1]))
    1.0
    """
    with needs("tables"):
        from sklearn.metrics import r2_score, roc_auc_score

    if answer.ndim == 1:
        return float(r2_score(y, answer))
    if answer.shape[1] == 2:
        return float(roc_auc_score(y, answer[:, 1]))
    answer = answer / answer.sum(axis=1, keepdims=True)  # to one, in double precision
    return float(roc_auc_score(y, answer, multi_class="ovr"))


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each measure and recipe over all sets, which are taken as they are: the chance is
    that of folds."""
    found = []
    for measure in dict.fromkeys(row["measure"] for row in rows):
        of_measure = [row for row in rows if row["measure"] == measure]
        sets = list(dict.fromkeys(row["set"] for row in of_measure))
        best = {
            one: max((row["value"], row["recipe"]) for row in of_measure if row["set"] == one)[1]
            for one in sets
        }
        for name in dict.fromkeys(row["recipe"] for row in of_measure):
            own = [row for row in of_measure if row["recipe"] == name]
            found.append(
                {"part": "means", "measure": measure, "recipe": name, "setting": own[0]["setting"]}
                | mean_of(own, "value", "ci95")
                | mean_of(own, "difference", "difference_ci95")
                | {"num_sets": len(sets), "best_on": list(best.values()).count(name)}
            )
    return found
