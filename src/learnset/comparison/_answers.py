"""The answers of a recipe, and where they are kept so that a run that was cut goes on."""

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, Key

from ..core import InputError, Model, precision, writing
from ..training import code_digest, digest, read_arrays, write_arrays
from ._learner import Budget
from ._outcome import Choice, Cost, Outcome
from ._question import AbstractQuestion
from ._recipe import Recipe, slug

KIND = "answers 2"


class Answers(NamedTuple):
    """What a recipe answered, with the settings that were chosen for it."""

    observed: list[np.ndarray]  # for each number of shots, "seeds tasks steps ..."
    chosen: list[tuple[Choice, ...]]
    validation: Float[np.ndarray, "shots seeds"]
    watched: tuple[int, ...]
    cost: Cost
    models: Model
    transductive: bool
    stopped: tuple[tuple[int, int] | None, ...]

    def outcome(self, recipe: Recipe, question: AbstractQuestion, asked: Any) -> Outcome:
        """The values of the answers. `asked` is what the measure knows of what was asked."""
        measure = question.measure
        places = [[self.watched.index(c.steps) for c in chosen] for chosen in self.chosen]
        calibration = [
            measure.calibration(observed, np.asarray(place))
            for observed, place in zip(self.observed, places, strict=True)
        ]
        rows = self.observed[-1].ndim == 5 and not measure.over_tasks
        return Outcome(
            recipe,
            question.shots,
            np.stack([measure.of_tasks(observed, asked) for observed in self.observed]),
            np.stack([measure.overall(observed, asked) for observed in self.observed]),
            self.validation,
            self.watched,
            tuple(self.chosen),
            self.cost,
            tuple(calibration),
            self.observed[-1][:, :, -1].astype(np.float64) if rows else None,
            self.models,
            self.stopped,
            self.transductive,
        )


class KeptAnswers:
    """Answers to a question, a file for each recipe in `recipes/`, for a second question in
    `recipes/2/`; about new tasks those of recipes that learn nothing before. (Trainings on the host
    have checkpoints of their own.) `asked`: the digests of questions before, to which this one is
    added."""

    def __init__(
        self,
        folder: Path | None,
        question: AbstractQuestion,
        models: Model,
        key: Key[Array, ""],
        budget: Budget,
        *,
        resume: bool,
        asked: list[str],
    ):
        self.folder, self.common = None, None
        self.question, self.models, self.resume = question, models, resume
        if folder is not None:
            other = () if precision() == "highest" else (precision(),)
            self.common = digest((question, models, key, budget, *other))
            if self.common not in asked:
                asked.append(self.common)
            number = asked.index(self.common)
            self.folder = folder / "recipes" / (str(number + 1) if number else "")
            with writing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)

    def read(self, recipe: Recipe) -> Answers | None:
        """The answers of an earlier run; None where there are none, or where they are damaged or
        of other code of a user, which a warning says.

        **Raises:** `InputError` if they are those of other data or settings.
        """
        path = self._path(recipe)
        if path is None or not self.resume or not path.is_file():
            return None
        try:
            about, arrays = read_arrays(path, KIND, f"{recipe.name} is run again.")
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)
            return None
        observed = [arrays[f"observed{i}"] for i in range(about["rounds"])]
        if about["identity"] != self._identity(recipe):
            raise InputError(
                f"{path} is of another table or other settings. Resume with those, or `overwrite`"
                " the run."
            )
        code = self._code(recipe)
        if about.get("code", code) != code:
            warnings.warn(f"The code of {recipe.name} has changed: it is run again.", stacklevel=2)
            return None
        return Answers(
            observed,
            [tuple(Choice(*choice) for choice in chosen) for chosen in about["chosen"]],
            arrays["validation"],
            tuple(about["watched"]),
            Cost(*about["cost"]),
            None,
            about["transductive"],
            tuple(pair and (pair[0], pair[1]) for pair in about["stopped"]),
        )

    def write(self, recipe: Recipe, answers: Answers) -> None:
        path = self._path(recipe)
        if path is None:
            return
        about = {
            "identity": self._identity(recipe),
            "code": self._code(recipe),
            "rounds": len(answers.observed),
            "chosen": answers.chosen,
            "watched": answers.watched,
            "cost": answers.cost,
            "transductive": answers.transductive,
            "stopped": answers.stopped,
        }
        observed: dict[str, Any] = {
            f"observed{i}": values for i, values in enumerate(answers.observed)
        }
        write_arrays(path, KIND, about, observed | {"validation": answers.validation})

    def _path(self, recipe: Recipe) -> Path | None:
        learns = recipe.learns and self.question.tasks == "new"
        if self.folder is None or learns:
            return None
        return self.folder / f"{slug(recipe.name)}.answers"

    def _code(self, recipe: Recipe) -> str:
        return code_digest((self.question, self.models, recipe))

    def _identity(self, recipe: Recipe) -> str:
        return digest((self.common, recipe))
