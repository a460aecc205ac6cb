"""Data of people who learn which of three keys belongs to each picture of a set, in block after
block with new pictures."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from ..core import InputError
from ..data import data_folder, read_arrays, reading


@dataclasses.dataclass(frozen=True)
class StimulusAction:
    """Trials of a stimulus-action task: each block has a new set of pictures, and one of three keys
    is right for each. Chance is a third."""

    person: Int[np.ndarray, "trials"]
    block: Int[np.ndarray, "trials"]
    set_size: Int[np.ndarray, "trials"]  # pictures in the block
    stimulus: Int[np.ndarray, "trials"]
    repetition: Int[np.ndarray, "trials"]  # from one: how often this picture has been shown
    correct: Float[np.ndarray, "trials"]  # 1 or 0; NaN where no key was pressed

    def by_repetition(self, set_size: int) -> Float[np.ndarray, "problems repetitions"]:
        """A row for each picture of each person, in the order of blocks, as `percent_correct` needs
        it; NaN where a picture was not shown that often, or no key was pressed."""
        rows = np.flatnonzero(self.set_size == set_size)
        if not len(rows):
            sizes = ", ".join(map(str, np.unique(self.set_size)))
            raise InputError(
                f"There is no block with `set_size={set_size}`. Choose one of {sizes}."
            )
        problems = np.stack([self.block, self.person, self.stimulus], axis=1)[rows]
        _, problem = np.unique(problems, axis=0, return_inverse=True)
        table = np.full((problem.max() + 1, self.repetition[rows].max()), np.nan)
        table[problem.ravel(), self.repetition[rows] - 1] = self.correct[rows]
        return table


def read_stimulus_action(experiment: int = 1) -> StimulusAction:
    """The trials of one experiment: 1, 2, 3, 5, 12 or 16. Of the real data here, they come closest
    to a learning-set curve.

    **Raises:** `InputError` if the environment variable LEARNSET_DATA is unset, if the file is
    missing or damaged, or if there is no such experiment.

    Source: data sets of A. Collins (MIT); experiment 1 is Collins & Frank 2012, *How much of
    reinforcement learning is working memory, not reinforcement learning?* The data are not part of
    this package.
    """
    path = data_folder("human_stimulus_action") / "rlwm_trials.npz"
    arrays = read_arrays(path)
    if f"expe{experiment}" not in arrays:
        numbers = ", ".join(name.removeprefix("expe") for name in arrays if name != "columns")
        raise InputError(f"There is no experiment {experiment} in {path}. Choose one of {numbers}.")
    with reading(path):
        columns = dict(
            zip(arrays["columns"].tolist(), arrays[f"expe{experiment}"].T.astype(int), strict=True)
        )
        correct = np.where(columns["correct"] < 0, np.nan, columns["correct"])
        return StimulusAction(
            *(columns[name] for name in ("subject", "block", "set_size", "stimulus", "iteration")),
            correct=correct,
        )
