"""People who learn which of three keys belongs to each of some pictures, and then to new ones."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from ..core import InputError
from ..data import data_folder, read_arrays, reading


@dataclasses.dataclass(frozen=True)
class StimulusAction:
    """Single trials: a new set of pictures in each block, one of three keys right for each. Chance is a third."""

    person: Int[np.ndarray, "trials"]
    block: Int[np.ndarray, "trials"]
    set_size: Int[np.ndarray, "trials"]  # pictures in the block
    stimulus: Int[np.ndarray, "trials"]
    repetition: Int[np.ndarray, "trials"]  # from one: how often this picture has been shown
    correct: Float[np.ndarray, "trials"]  # 1 or 0; NaN where no key was pressed

    def by_repetition(self, set_size: int) -> Float[np.ndarray, "problems repetitions"]:
        """A row for each picture of each person, in the order of blocks, as `percent_correct` takes it; NaN where a
        picture was not shown as often, or nothing was pressed."""
        mine = np.flatnonzero(self.set_size == set_size)
        if not len(mine):
            sizes = ", ".join(map(str, np.unique(self.set_size)))
            raise InputError(
                f"There is no block with `set_size={set_size}`. Choose one of {sizes}."
            )
        problems = np.stack([self.block, self.person, self.stimulus], axis=1)[mine]
        _, row = np.unique(problems, axis=0, return_inverse=True)
        table = np.full((row.max() + 1, self.repetition[mine].max()), np.nan)
        table[row.ravel(), self.repetition[mine] - 1] = self.correct[mine]
        return table


def read_stimulus_action(experiment: int = 1) -> StimulusAction:
    """The trials of one experiment: 1, 2, 3, 5, 12 or 16. The nearest that real data come to a learning-set curve.

    Raises `InputError` if the environment variable LEARNSET_DATA is unset, the file is missing or damaged, or there is
    no such experiment.

    Source: data sets of A. Collins (MIT); experiment 1 is Collins & Frank 2012, *How much of reinforcement learning is
    working memory, not reinforcement learning?* The data are read, and are no part of this package.
    """
    path = data_folder("human_stimulus_action") / "rlwm_trials.npz"
    arrays = read_arrays(path)
    if f"expe{experiment}" not in arrays:
        there = ", ".join(name.removeprefix("expe") for name in arrays if name != "columns")
        raise InputError(f"There is no experiment {experiment} in {path}. Choose one of {there}.")
    with reading(path):
        columns = dict(
            zip(arrays["columns"].tolist(), arrays[f"expe{experiment}"].T.astype(int), strict=True)
        )
        correct = np.where(columns["correct"] < 0, np.nan, columns["correct"])
        return StimulusAction(
            *(columns[name] for name in ("subject", "block", "set_size", "stimulus", "iteration")),
            correct=correct,
        )
