"""What a comparison on the rows of a table found: each recipe's predictions for rows that were not trained on."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import stdtrit
from scipy.stats import rankdata

from ..core import finite, interval
from ._recipe import Setting


class Rows(eqx.Module):
    """The rows that all recipes are scored on, for each seed's division of the table.

    `y` are targets as they are predicted (scaled, or one-hot), `there` says which points there are, and `row` which rows of
    the table they are. `std` are the units of the targets.
    """

    y: Float[np.ndarray, "seeds tasks points out"]
    there: Bool[np.ndarray, "seeds tasks points"]
    row: Int[np.ndarray, "seeds tasks points"]
    std: Float[np.ndarray, "seeds tasks"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    pooled: bool  # whether rows of all tasks have one target, so that its variance is one number

    @property
    def measure(self) -> str:
        """What is told of predictions."""
        if self.classes:
            return "ROC-AUC" if len(self.classes) == 2 else "accuracy"
        return "explained variance"

    def score(
        self, answers: Float[np.ndarray, "seeds tasks points out"]
    ) -> Float[np.ndarray, "seeds"]:
        """The measure of each seed, higher is better: explained variance (of all rows together where they have one target,
        and the mean over targets otherwise), the mean over tasks of ROC-AUC, or the accuracy."""
        if not self.classes and self.pooled:
            error, total = self._squares(answers)
            return 1 - error.sum(axis=1) / np.maximum(total, 1e-30)
        if self.measure == "accuracy":
            right = self._right(answers)
            return np.array([r[t].mean() for r, t in zip(right, self.there, strict=True)])
        return np.nanmean(self.of_tasks(answers), axis=1)

    def of_tasks(
        self, answers: Float[np.ndarray, "seeds tasks points out"]
    ) -> Float[np.ndarray, "seeds tasks"]:
        """The measure of each task; NaN where it means nothing, such as ROC-AUC of one class."""
        if not self.classes:
            weight = self.there[..., None]
            count = np.maximum(self.there.sum(axis=2), 1)
            mean = np.where(weight, self.y, 0).sum(axis=(2, 3)) / count
            total = np.where(weight, (self.y - mean[..., None, None]) ** 2, 0).sum(axis=(2, 3))
            error = self._squares(answers)[0]
            return np.where(total > 0, 1 - error / np.maximum(total, 1e-30), np.nan)
        if self.measure == "accuracy":
            right = np.where(self.there, self._right(answers), 0).sum(axis=2)
            return right / np.where(self.there.any(axis=2), self.there.sum(axis=2), np.nan)
        leaning = answers[..., 1] - answers[..., 0]
        return np.array(
            [
                [
                    roc_auc(self.y[s, t, there, 1], leaning[s, t, there])
                    for t, there in enumerate(tasks)
                ]
                for s, tasks in enumerate(self.there)
            ]
        )

    def errors(
        self, answers: Float[np.ndarray, "seeds tasks points out"]
    ) -> Float[np.ndarray, "seeds tasks"]:
        """Of each task: the root of the mean squared error in units of the target; of classes the part that is wrong."""
        count = np.maximum(self.there.sum(axis=2), 1)
        if self.classes:
            return np.where(self.there, ~self._right(answers), 0).sum(axis=2) / count
        return np.sqrt(self._squares(answers)[0] / count) * self.std

    def gains(
        self,
        better: Float[np.ndarray, "seeds tasks points out"],
        base: Float[np.ndarray, "seeds tasks points out"],
    ) -> tuple[Float[np.ndarray, "tasks"], Float[np.ndarray, "tasks"]]:
        """What each task gains, and half the 95 % interval of it, Student's.

        Of numbers: squared error less of it, per row, in units of the target's variance; a row that several seeds score is
        one row, with the mean of what it gains. Of classes: the measure more, over seeds.
        """
        if self.classes:
            apart = self.of_tasks(better) - self.of_tasks(base)
            return _student([column[np.isfinite(column)] for column in apart.T])
        gain = ((self.y - base) ** 2 - (self.y - better) ** 2).sum(axis=-1)
        return _student(
            [_by_row(self.row[:, t], gain[:, t], self.there[:, t]) for t in range(gain.shape[1])]
        )

    def _squares(self, answers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of squared errors of each task, and of squared distances to the mean of all."""
        weight = self.there[..., None]
        error = np.where(weight, (self.y - answers) ** 2, 0).sum(axis=(2, 3))
        mean = np.where(weight, self.y, 0).sum(axis=(1, 2, 3)) / np.maximum(
            self.there.sum(axis=(1, 2)), 1
        )
        total = np.where(weight, (self.y - mean[:, None, None, None]) ** 2, 0).sum(axis=(1, 2, 3))
        return error, total

    def _right(self, answers: np.ndarray) -> np.ndarray:
        return answers.argmax(axis=-1) == self.y.argmax(axis=-1)


class RowOutcome(eqx.Module):
    """One recipe's predictions for the rows that are scored, each seed's candidate chosen on validation rows."""

    name: str
    setting: Setting
    source: str
    validation: Float[np.ndarray, "seeds candidates"]  # the measure on validation rows
    answers: Float[np.ndarray, "seeds tasks points out"]
    chosen: tuple[str, ...]  # the candidate of each seed, in words
    seconds: float  # of all candidates and seeds, compilation included
    joint: bool = True  # tasks are learnt together, and yet told apart

    @property
    def best_validation(self) -> Float[np.ndarray, "seeds"]:
        return np.nanmax(np.where(np.isfinite(self.validation), self.validation, -np.inf), axis=1)


class RowComparison(eqx.Module):
    """The outcomes of all recipes on the same rows."""

    rows: Rows
    outcomes: tuple[RowOutcome, ...]
    failures: dict[str, str] = eqx.field(default_factory=dict)

    def __iter__(self):
        return iter(self.outcomes)

    def __getitem__(self, name: str) -> RowOutcome:
        return next(outcome for outcome in self.outcomes if outcome.name == name)

    def score(self, outcome: RowOutcome) -> tuple[float, float]:
        """The measure on the scored rows, and half its 95 % interval over seeds."""
        return interval(self.rows.score(outcome.answers)[:, None])

    def difference(self, outcome: RowOutcome, base: RowOutcome) -> tuple[float, float]:
        """By how much the measure is higher than that of another recipe, paired by seed, and half the interval."""
        return interval((self.rows.score(outcome.answers) - self.rows.score(base.answers))[:, None])

    def best_of(self, name: str, outcomes: Sequence[RowOutcome]) -> RowOutcome:
        """Of several recipes the one that is best on validation rows, chosen for each seed apart."""
        outcomes = list(outcomes)
        validation = np.stack([outcome.best_validation for outcome in outcomes], axis=1)
        which = validation.argmax(axis=1)
        answers = np.stack([outcomes[i].answers[seed] for seed, i in enumerate(which)])
        chosen = tuple(outcomes[i].name for i in which)
        return RowOutcome(
            name, outcomes[0].setting, "", validation, answers, chosen, 0.0, outcomes[0].joint
        )

    def alone(self) -> RowOutcome:
        """One model for each task."""
        return self.best_of("one model each", [o for o in self if o.setting is Setting.SCRATCH])

    def pooled(self) -> RowOutcome:
        """One model for all tasks."""
        return self.best_of("pooled", [o for o in self if o.setting is Setting.TRANSFER])

    def together(self) -> RowOutcome:
        """Tasks that are learnt together, and yet told apart."""
        return self.best_of("together", [o for o in self if o.setting is Setting.MULTI_TASK])

    def records(self) -> list[dict[str, Any]]:
        """The tidy table: one row for each recipe and seed, and one over all seeds."""
        alone, found = self.alone(), []
        for outcome in self:
            common = {
                "recipe": outcome.name,
                "setting": outcome.setting.value,
                "tasks": "seen",
                "measure": self.rows.measure,
            }
            for seed, value in enumerate(self.rows.score(outcome.answers)):
                found.append(
                    common
                    | {
                        "seed": seed,
                        "score": finite(float(value)),
                        "candidate": outcome.chosen[seed],
                    }
                )
            mean, half = self.score(outcome)
            apart = self.difference(outcome, alone)
            found.append(
                common
                | {
                    "seed": None,
                    "score": finite(mean),
                    "ci95": finite(half),
                    "seconds": round(outcome.seconds, 2),
                }
                | {"difference": finite(apart[0]), "difference_ci95": finite(apart[1])}
            )
        return found

    def of_tasks(self) -> list[dict[str, Any]]:
        """One row for each task: errors of one model each, of the pooled model and of learning together, and the gain."""
        found = {
            o.name: self.rows.errors(o.answers).mean(axis=0)
            for o in (self.alone(), self.pooled(), self.together())
        }
        gain, half = self.rows.gains(self.together().answers, self.alone().answers)
        count = self.rows.there.sum(axis=2).mean(axis=0)
        error = "wrong" if self.rows.classes else "rmse"
        return [
            {"task": name, "scored_rows": round(float(count[i]), 1)}
            | {f"{error}, {who}": finite(float(values[i])) for who, values in found.items()}
            | {"gain": finite(float(gain[i])), "gain_ci95": finite(float(half[i]))}
            for i, name in enumerate(self.rows.names)
        ]


def roc_auc(positive: Float[np.ndarray, "points"], score: Float[np.ndarray, "points"]) -> float:
    """The probability that a positive scores higher than a negative, ties counting half; NaN where one of them is not there.

    >>> import numpy as np
    >>> roc_auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    yes = positive > 0.5
    ups, downs = int(yes.sum()), int((~yes).sum())
    if not ups or not downs or not np.isfinite(score).all():
        return float("nan")
    return float((rankdata(score)[yes].sum() - ups * (ups + 1) / 2) / (ups * downs))


def _by_row(row: np.ndarray, value: np.ndarray, there: np.ndarray) -> np.ndarray:
    """The mean value of each row that is there, over all seeds that have it."""
    _, which = np.unique(row[there], return_inverse=True)
    return np.bincount(which, value[there]) / np.maximum(np.bincount(which), 1)


def _student(groups: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Mean of each group, and half its 95 % interval; infinite for a group of one."""
    mean = np.array([group.mean() if len(group) else np.nan for group in groups])
    half = [
        stdtrit(len(group) - 1, 0.975) * group.std(ddof=1) / np.sqrt(len(group))
        if len(group) > 1
        else np.inf
        for group in groups
    ]
    return mean, np.array(half)
