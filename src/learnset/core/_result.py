"""Results as values that print themselves."""

import math

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float


class Evaluation(eqx.Module):
    """Errors of an adapter on held-out tasks, for each task and each step of adaptation.

    >>> import jax.numpy as jnp, learnset as ls
    >>> print(ls.Evaluation(jnp.array([[2.0, 1.0], [4.0, 1.0]]), jnp.array([True, True])))
    error after 0 steps 3 ± 1.39, after 1 step 1 ± 0 (mean over 2 tasks, 95 % interval)
    """

    errors: Float[Array, "*seeds tasks steps"]  # before any step, and after each
    counted: Bool[Array, "*seeds tasks"]  # a task whose query set has no weight is left out

    @property
    def mean(self) -> Float[Array, "steps"]:
        """Mean over tasks, and over seeds."""
        return jnp.asarray(np.mean([errors.mean(axis=0) for errors in self._of_seeds()], axis=0))

    @property
    def ci95(self) -> Float[Array, "steps"]:
        """Half the width of the 95 % interval of the mean: 1.96 standard errors, as in the code of
        MAML; of several seeds Student's, over their means."""
        each = self._of_seeds()
        if len(each) > 1:
            means = np.stack([errors.mean(axis=0) for errors in each])
            return jnp.asarray([interval(line[:, None])[1] for line in means.T], means.dtype)
        return jnp.asarray(1.96 * each[0].std(axis=0) / np.sqrt(len(each[0])))

    def _of_seeds(self) -> list[np.ndarray]:
        """The errors of the tasks that count, for each seed."""
        errors, counted = np.asarray(self.errors), np.asarray(self.counted)
        if errors.ndim == 2:
            return [errors[counted]]
        return [one[counts] for one, counts in zip(errors, counted, strict=True)]

    @property
    def num_tasks(self) -> int:
        return int(self.counted.sum())

    @property
    def steps(self) -> int:
        """Steps of adaptation."""
        return self.errors.shape[-1] - 1

    def __str__(self) -> str:
        shown = sorted({0, 1, 5, 10, self.steps} & set(range(self.steps + 1)))
        each = [f"{_after(s)} {self.mean[s]:.3g} ± {self.ci95[s]:.3g}" for s in shown]
        seeds = f" of {len(self.errors)} seeds" if self.errors.ndim == 3 else ""
        return f"error {', '.join(each)} (mean over {self.num_tasks} tasks{seeds}, 95 % interval)"


def _after(step: int) -> str:
    return f"after {step} step{'' if step == 1 else 's'}"


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half the width of its 95 % interval, from values of seeds and tasks.

    Each seed trained its own model and met its own tasks, so seed means are independent, and their
    spread includes both sources of chance: the interval is Student's over seed means. With one seed
    it is over tasks, and says nothing about training.

    **Arguments:**

    - `values`: "seeds tasks"; NaN for entries that do not count.

    >>> import numpy as np
    >>> mean, half = interval(np.array([[1.0, 3.0], [3.0, 5.0], [2.0, 4.0]]))
    >>> round(mean, 3), round(half, 3)
    (3.0, 2.484)
    """
    # Errors that diverged make an infinite mean, and no interval.
    with np.errstate(invalid="ignore"):
        return _interval(np.asarray(values, np.float64))


def _interval(values: np.ndarray) -> tuple[float, float]:
    if len(values) > 1:
        from scipy.special import stdtrit  # here and not above: the import takes 0.4 s

        means = np.nanmean(values, axis=1)
        half = stdtrit(len(means) - 1, 0.975) * means.std(ddof=1) / np.sqrt(len(means))
        return float(means.mean()), float(half)
    present = values[~np.isnan(values)]
    return float(present.mean()), float(1.96 * present.std() / np.sqrt(len(present)))


def calibration_error(sure: np.ndarray, right: np.ndarray, bins: int = 15) -> float:
    """The expected calibration error, from 0 to 1: the mean distance, over predictions, between
    their confidence and the accuracy among predictions of about the same confidence.

    **Arguments:**

    - `sure`: confidences from 0 to 1; `right`: 1 where the prediction was right, 0 where it was
      wrong. NaN in both for predictions that do not count.

    Source: Guo et al. 2017, *On Calibration of Modern Neural Networks*, equation 3, with 15 bins.

    >>> import numpy as np
    >>> round(calibration_error(np.full(4, 0.8), np.array([1.0, 1.0, 1.0, 0.0])), 3)
    0.05
    """
    counted = np.isfinite(sure)
    sure, right = sure[counted].astype(np.float64), right[counted].astype(np.float64)
    bin_of = np.minimum((sure * bins).astype(int), bins - 1)
    gap = np.bincount(bin_of, sure, bins) - np.bincount(bin_of, right, bins)
    return float(np.abs(gap).sum() / max(len(sure), 1))


def finite(value: float) -> float | None:
    """The value for JSON, which has no infinity: an error that diverged becomes `null`.

    >>> finite(1.5), finite(float("inf"))
    (1.5, None)
    """
    return value if math.isfinite(value) else None
