"""Scores of a model in the course of its training."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..core import InputError, Model


class Scoring(NamedTuple):
    """A score of the model, and the steps after which it is taken."""

    score: Callable[[Model], Any] | None
    at: frozenset[int]

    def take(self, step: int, model: Model, scores: dict[int, np.ndarray]) -> bool:
        """Adds the score of a step to `scores`, if it is wanted and not there yet.

        **Returns:** whether it was added.
        """
        if self.score is None or step not in self.at or step in scores:
            return False
        scores[step] = np.asarray(self.score(model))
        return True

    def check_resumed(self, step: int, scores: dict[int, np.ndarray], folder: Any) -> None:
        """Raises `InputError` where a run that goes on at `step` has missed a score."""
        missed = [at for at in sorted(self.at - scores.keys()) if at < step]
        if missed:
            raise InputError(
                f"train: `score_at` has {missed[0]:,}, but the run in {folder} is already at step"
                f" {step:,} and was not scored there. Leave it out, or begin again with"
                " `overwrite`."
            )


def scoring(score: Callable[[Model], Any] | None, at: Sequence[int], steps: int) -> Scoring:
    """The scoring that `train` was asked for.

    **Raises:** `InputError` if it cannot be.
    """
    if (score is None) != (not at):
        raise InputError("train: `score` and `score_at` belong together. Give both or neither.")
    bad = [step for step in at if not 0 <= step <= steps]
    if bad:
        raise InputError(
            f"train: `score_at` has {bad[0]}, but it must be from 0 to `steps={steps}`."
        )
    return Scoring(score, frozenset(map(int, at)))
