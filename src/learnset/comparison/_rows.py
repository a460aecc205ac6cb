"""Rows that recipes are scored on, next to each other for all tasks and seeds."""

from collections.abc import Sequence

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Int

LEAST = 0.01  # of the mean count: what a prediction below it is taken for


class Rows(eqx.Module):
    """The rows that all recipes are scored on, for each seed's division of a set of tasks.

    `y` are targets as they are predicted (scaled, or one-hot), `present` says which points there
    are, and `row` which rows of the table they are. `std` are the units of the targets.
    `zero` is what a count of none is, where targets are counts.
    """

    y: Float[np.ndarray, "seeds tasks points out"]
    present: Bool[np.ndarray, "seeds tasks points"]
    row: Int[np.ndarray, "seeds tasks points"]
    std: Float[np.ndarray, "seeds tasks"]
    names: tuple[str, ...]
    classes: tuple[str, ...]
    one_target: bool  # whether rows of all tasks have one target: its variance is one number
    group: Int[np.ndarray, "rows"] | None = (
        None  # of each row of the table, those that belong together
    )
    zero: Float[np.ndarray, "seeds tasks"] | None = None

    @property
    def unit(self) -> Int[np.ndarray, "seeds tasks points"]:
        """The unit of chance that each point belongs to: its row, or its group of rows."""
        return self.row if self.group is None else self.group[self.row]

    @property
    def count(self) -> Int[np.ndarray, "seeds tasks"]:
        """How many rows of each task there are."""
        return self.present.sum(axis=2)

    @property
    def unit_of_gains(self) -> str:
        """The unit of a hundred times the gains."""
        if self.classes:
            return "hundredths of log loss"
        return "% of the variance of the target" if self.zero is None else "hundredths of deviance"

    def errors(
        self, predictions: Float[np.ndarray, "seeds tasks points out"]
    ) -> Float[np.ndarray, "seeds tasks"]:
        """Of each task: the root of the mean squared error in units of the target; of classes the
        part that is wrong."""
        count = np.maximum(self.count, 1)
        if self.classes:
            return np.where(self.present, ~self.right(predictions), 0).sum(axis=2) / count
        return np.sqrt(self.squares(predictions)[0] / count) * self.std

    def gains(
        self,
        better: Float[np.ndarray, "seeds tasks points out"],
        base: Float[np.ndarray, "seeds tasks points out"],
        *,
        simultaneous: bool = False,
    ) -> tuple[Float[np.ndarray, "tasks"], Float[np.ndarray, "tasks"]]:
        """The gain of each task, and half its 95 % interval, Student's: of numbers squared error
        less of it, in units of the target's variance; of counts Poisson deviance less of it; of
        classes log loss. A row that several seeds score counts once, with its mean gain; of rows
        that belong together all count as one.

        **Arguments:** `simultaneous`: an interval that holds for all tasks at once (Bonferroni).
        """
        if self.classes:
            gain = log_losses(base, self.y) - log_losses(better, self.y)
        elif self.zero is not None:
            gain = self.std[..., None] * (self.deviances(base) - self.deviances(better))
        else:
            gain = ((self.y - base) ** 2 - (self.y - better) ** 2).sum(axis=-1)
        tasks = range(gain.shape[1])
        level = 1 - 0.05 / len(tasks) if simultaneous else 0.95
        return mean_and_half(
            [by_unit(self.unit[:, t], gain[:, t], self.present[:, t]) for t in tasks], level
        )

    def squares(self, predictions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums of squared errors of each task, and of squared distances to the mean of all
        tasks."""
        weight = self.present[..., None]
        error = np.where(weight, (self.y - predictions) ** 2, 0).sum(axis=(2, 3))
        count = np.maximum(self.present.sum(axis=(1, 2)), 1)
        mean = np.where(weight, self.y, 0).sum(axis=(1, 2, 3)) / count
        total = np.where(weight, (self.y - mean[:, None, None, None]) ** 2, 0).sum(axis=(1, 2, 3))
        return error, total

    def deviances(
        self, predictions: Float[np.ndarray, "seeds tasks points out"]
    ) -> Float[np.ndarray, "seeds tasks points"]:
        """The Poisson deviance of each point, where targets are counts, over the unit of its
        target. A prediction of less than a hundredth of the mean count is taken for that."""
        assert self.zero is not None
        zero = self.zero[..., None]
        rate = np.maximum(predictions[..., 0] - zero, LEAST * -zero)
        return poisson_deviance(np.maximum(self.y[..., 0] - zero, 0), rate)

    def squares_within(self) -> Float[np.ndarray, "seeds tasks"]:
        """Sums of squared distances to the mean of each task."""
        weight = self.present[..., None]
        mean = np.where(weight, self.y, 0).sum(axis=(2, 3)) / np.maximum(self.count, 1)
        return np.where(weight, (self.y - mean[..., None, None]) ** 2, 0).sum(axis=(2, 3))

    def right(self, predictions: np.ndarray) -> Bool[np.ndarray, "seeds tasks points"]:
        """Whether the most likely class is right."""
        return predictions.argmax(axis=-1) == self.y.argmax(axis=-1)


def log_losses(
    logits: Float[np.ndarray, "*rows out"], y: Float[np.ndarray, "*rows out"]
) -> Float[np.ndarray, "*rows"]:
    """Minus the logarithm of the probability of the class of each row."""
    low = logits - logits.max(axis=-1, keepdims=True)
    return np.log(np.exp(low).sum(axis=-1)) - (low * y).sum(axis=-1)


def poisson_deviance(
    count: Float[np.ndarray, "*rows"], rate: Float[np.ndarray, "*rows"]
) -> Float[np.ndarray, "*rows"]:
    """Twice the log-likelihood that a count has at its best, less that of the rate.

    >>> poisson_deviance(np.array([0.0, 2.0]), np.array([1.0, 2.0])).tolist()
    [2.0, 0.0]
    """
    from scipy.special import xlogy

    return 2 * (xlogy(count, np.where(count > 0, count, 1) / rate) - count + rate)


def roc_auc(
    positive: Float[np.ndarray, "points"], score: Float[np.ndarray, "points"], enough: int = 1
) -> float:
    """The area under the ROC curve: the probability that a positive scores higher than a negative,
    ties counting half. NaN where there are fewer than `enough` positives or negatives.

    >>> import numpy as np
    >>> roc_auc(np.array([0.0, 0.0, 1.0, 1.0]), np.array([0.1, 0.4, 0.35, 0.8]))
    0.75
    """
    from scipy.stats import rankdata

    yes = positive > 0.5
    ups, downs = int(yes.sum()), int((~yes).sum())
    if min(ups, downs) < enough or not np.isfinite(score).all():
        return float("nan")
    return float((rankdata(score)[yes].sum() - ups * (ups + 1) / 2) / (ups * downs))


def by_unit(unit: np.ndarray, value: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The mean value of each unit of chance (a row, or a task) over wherever it is present."""
    _, which = np.unique(unit[present], return_inverse=True)
    return np.bincount(which, value[present]) / np.maximum(np.bincount(which), 1)


def mean_and_half(
    groups: Sequence[np.ndarray], level: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """The mean of each group, and half its interval; infinite for a group of one."""
    from scipy.special import stdtrit

    mean = np.array([group.mean() if len(group) else np.nan for group in groups])
    half = [
        stdtrit(len(group) - 1, (1 + level) / 2) * group.std(ddof=1) / np.sqrt(len(group))
        if len(group) > 1
        else np.inf
        for group in groups
    ]
    return mean, np.array(half)
