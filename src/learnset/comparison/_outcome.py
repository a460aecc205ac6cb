"""An outcome: how one recipe answered."""

from typing import NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..core import Model
from ._recipe import Recipe


class Choice(NamedTuple):
    """The candidates and the number of steps that were chosen on validation tasks."""

    learner: int
    adapter: int
    steps: int


class Cost(NamedTuple):
    """What a recipe costs."""

    stored_bytes: int = 0  # what is needed to solve a new task: the model
    train_seconds: float = 0.0  # of all seeds and candidates, without compilation where it is known
    compile_seconds: float = 0.0
    adapt_seconds: float = 0.0  # for one task, in a batch of many


class Outcome(eqx.Module):
    """One recipe's answers to a question, each with the settings that were chosen for its seed and
    number of shots.

    `of_tasks` has a value for each task, `overall` one over all tasks, both after each step that is
    watched; `validation` is the value on validation tasks of what was chosen, by which recipes are
    chosen (`AbstractMeasure.choice`, lower where lower is better). `stopped` says how many
    adaptations were stopped, and of how many; None where none can be.
    """

    recipe: Recipe
    shots: tuple[int | None, ...]
    of_tasks: Float[np.ndarray, "shots seeds tasks watched"]
    overall: Float[np.ndarray, "shots seeds watched"]
    validation: Float[np.ndarray, "shots seeds"]
    watched: tuple[int, ...]  # 0 is before any step
    chosen: tuple[tuple[Choice, ...], ...]  # for each number of shots and each seed
    cost: Cost = Cost()
    calibration: tuple[float | None, ...] = ()  # expected calibration error, by number of shots
    of_rows: Float[np.ndarray, "seeds tasks points out"] | None = None  # predictions for rows
    models: Model = None  # those chosen for the largest number of shots, one for each seed
    stopped: tuple[tuple[int, int] | None, ...] = ()  # of the adaptations, by number of shots
    transductive: bool = False  # the prediction for one query depends on the others

    @property
    def name(self) -> str:
        return self.recipe.name

    @property
    def predictions(self) -> Float[np.ndarray, "seeds tasks points out"]:
        """The predictions for all rows, of a question that asks for them."""
        assert self.of_rows is not None, f"{self.name} was not asked for rows"
        return self.of_rows

    @property
    def steps(self) -> int:
        """Gradient steps of adaptation; 0 for a closed form or none at all."""
        return self.watched[-1]

    def chosen_steps(self, shots: int | None) -> tuple[int, ...]:
        """The number of steps that was chosen for each seed."""
        return tuple(choice.steps for choice in self.chosen[self.shots.index(shots)])

    def at(self, shots: int | None, step: int | None = None) -> Float[np.ndarray, "seeds tasks"]:
        """The value of each task after `step` steps, which must be `watched`, or after the last one
        if there are fewer; for `None` after the number of steps that was chosen for each seed."""
        return np.stack(
            [self.of_tasks[i, s, :, place] for i, s, place in self._places(shots, step)]
        )

    def overall_at(self, shots: int | None, step: int | None = None) -> Float[np.ndarray, "seeds"]:
        """The value over all tasks of each seed, after as many steps as `at` has it."""
        return np.array([self.overall[i, s, place] for i, s, place in self._places(shots, step)])

    def curve(self, shots: int | None) -> Float[np.ndarray, "watched"]:
        """The mean over seeds before adaptation and after each step that is watched."""
        return self.overall[self.shots.index(shots)].mean(axis=0)

    def _places(self, shots: int | None, step: int | None) -> list[tuple[int, int, int]]:
        index = self.shots.index(shots)
        steps = (
            self.chosen_steps(shots)
            if step is None
            else (min(step, self.steps),) * self.overall.shape[1]
        )
        return [(index, seed, self.watched.index(s)) for seed, s in enumerate(steps)]
