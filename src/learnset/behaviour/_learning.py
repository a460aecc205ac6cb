"""Measures of learning from trial to trial."""

import numpy as np
from jaxtyping import Float

from ..core import InputError


def savings(by_trial: Float[np.ndarray, "*tasks trials"]) -> Float[np.ndarray, "*tasks"]:
    """The savings from one trial: the latency (or path, or error) of the first trial minus that of
    the second, in their unit.

    One-trial learning is a saving from the first to the second trial of a new place, on days on
    which the first trial gives no hint.

    >>> savings(np.array([[60.0, 20.0, 15.0, 15.0], [30.0, 30.0, 30.0, 30.0]]))
    array([40.,  0.])
    """
    by_trial = np.asarray(by_trial, np.float64)
    if by_trial.shape[-1] < 2:
        raise InputError(f"savings: at least two trials are needed, not {by_trial.shape[-1]}.")
    return by_trial[..., 0] - by_trial[..., 1]


def percent_correct(
    correct: Float[np.ndarray, "problems trials"], stages: int = 1
) -> Float[np.ndarray, "stages trials"]:
    """The percentage correct by trial, in successive stages of training.

    A learning set shows in the later stages: performance on the second trial of a new problem rises
    to the level of the last.

    **Arguments:**

    - `correct`: 1 or 0 for each trial of each problem, problems in the order of training; missing
      trials are NaN, and are left out.
    - `stages`: the number of runs of problems, as equal as possible, that training is divided into.

    Source: Harlow 1949, *The formation of learning sets*, figure 2.

    >>> percent_correct(np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), stages=2)
    array([[ 50.,  50.],
           [ 50., 100.]])
    """
    correct = np.asarray(correct, np.float64)
    if not 1 <= stages <= len(correct):
        raise InputError(
            f"percent_correct: `stages={stages}`, but there are {len(correct)} problems to divide."
            " Each stage needs one."
        )
    parts = np.array_split(correct, stages)
    right, counted = np.stack(
        [(np.nansum(p, axis=0), np.isfinite(p).sum(axis=0)) for p in parts], axis=1
    )
    return np.where(counted > 0, 100 * right / np.maximum(counted, 1), np.nan)
