"""What a comparison found, and the two promised benefits in numbers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..core import finite, interval, Loss, Model, mse
from ._recipe import Recipe, Setting


class Outcome(eqx.Module):
    """One recipe's errors on held-out tasks, with what it cost."""

    recipe: Recipe
    shots: tuple[int, ...]
    errors: Float[np.ndarray, "shots seeds tasks watched"]
    watched: tuple[int, ...]  # after which steps of adaptation errors are known: 0 is before any
    chosen: tuple[
        tuple[int, int], ...
    ]  # candidate and its steps, chosen on validation tasks, for each number of shots
    stored_bytes: int  # what is needed to solve a new task: the model
    train_seconds: float  # of all seeds together, without compilation
    compile_seconds: float
    adapt_seconds: float  # for one task, in a batch of many
    calibration: tuple[
        float, ...
    ] = ()  # expected calibration error for each number of shots; of classes alone
    models: Model = None  # what was scored, one for each seed
    transductive: bool = False  # the prediction for one query depends on the others

    @property
    def steps(self) -> int:
        """Gradient steps of adaptation; 0 for a closed form or none at all."""
        return self.watched[-1]

    @property
    def tasks(self) -> str:
        return "seen" if self.recipe.on_seen else "new"

    def at(self, shots: int, step: int | None = None) -> Float[np.ndarray, "seeds tasks"]:
        """Errors after `step` steps, which must be `watched`, or after the last one if there are fewer; after the number of
        steps that was chosen on validation tasks, for `None`."""
        step = self.chosen_steps(shots) if step is None else min(step, self.steps)
        return self.errors[self.shots.index(shots), :, :, self.watched.index(step)]

    def chosen_steps(self, shots: int) -> int:
        """The number of steps chosen on validation tasks."""
        return self.chosen[self.shots.index(shots)][1]

    def curve(self, shots: int) -> Float[np.ndarray, "watched"]:
        """Mean error before adaptation and after each step that is watched."""
        return self.errors[self.shots.index(shots)].mean(axis=(0, 1))


class Benefit(eqx.Module):
    """How much a recipe needs to do as well as learning from scratch does in the end: less of it is the benefit.

    `reached` is `None` where the recipe never does as well. A value at the edge of what was tried is a bound.
    """

    target: float  # the error of scratch, with all its steps or shots
    scratch: float  # what scratch needs for it: steps or shots
    reached: float | None  # what the recipe needs
    at_most: bool = False  # it may need less than could be tried

    @property
    def ratio(self) -> float | None:
        """How many times less than scratch; steps count as one at least, so that the ratio stays finite."""
        return None if self.reached is None else self.scratch / max(self.reached, 1.0)

    def __str__(self) -> str:
        if self.ratio is None or self.reached is None:
            return "never"
        return f"{'≤ ' if self.at_most else ''}{self.reached:.3g}  ({'≥ ' if self.at_most else ''}{self.ratio:.3g}×)"


class Comparison(eqx.Module):
    """The outcomes of all recipes. Iterating goes through them."""

    outcomes: tuple[Outcome, ...]
    shots: tuple[int, ...]
    seeds: int
    failures: dict[str, str] = eqx.field(
        default_factory=dict
    )  # recipes that diverged, and at which step
    metric: Loss = mse  # what errors are

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __getitem__(self, name: str) -> Outcome:
        return next(outcome for outcome in self.outcomes if outcome.recipe.name == name)

    def baseline(self, outcome: Outcome) -> Outcome | None:
        """Learning without other tasks on the same tasks: what `outcome` is paired with."""
        same = [
            o
            for o in self.outcomes
            if o.recipe.setting is Setting.SCRATCH and o.tasks == outcome.tasks
        ]
        return same[0] if same else None

    def difference(
        self, outcome: Outcome, shots: int, step: int | None = None
    ) -> tuple[float, float] | None:
        """Mean paired difference in error to scratch at its best, and half its 95 % interval."""
        baseline = self.baseline(outcome)
        if baseline is None:
            return None
        return interval(outcome.at(shots, step) - baseline.at(shots))

    def acceleration(self, outcome: Outcome, shots: int) -> Benefit | None:
        """Gradient steps to reach the error that scratch has at its best."""
        baseline = self.baseline(outcome)
        if baseline is None or outcome.recipe.on_seen:
            return None
        target = float(baseline.at(shots).mean())
        scratch, reached = (
            first_step(o.curve(shots), target, o.watched) for o in (baseline, outcome)
        )
        return Benefit(target, float(scratch or 0), reached)

    def sample_efficiency(self, outcome: Outcome) -> Benefit | None:
        """Shots to reach the error that scratch has with most shots, each at its best."""
        baseline = self.baseline(outcome)
        if baseline is None or outcome.recipe.on_seen or len(self.shots) < 2:
            return None
        target = float(baseline.at(self.shots[-1]).mean())
        errors = np.array([outcome.at(shots).mean() for shots in self.shots])
        return Benefit(
            target,
            self.shots[-1],
            shots_needed(self.shots, errors, target),
            bool(errors[0] <= target),
        )

    def rows(self) -> list[dict[str, Any]]:
        """The tidy table: one row for each recipe, number of shots, number of steps and seed; `seed` is `None` in rows
        over all seeds, which also carry the paired difference to scratch."""
        return [row for outcome in self.outcomes for row in self._rows(outcome)]

    def _rows(self, outcome: Outcome) -> Iterator[dict[str, Any]]:
        name, setting = outcome.recipe.name, outcome.recipe.setting.value
        for shots in outcome.shots:
            shown = shown_steps(outcome.steps, outcome.chosen_steps(shots))
            for step in (step for step in outcome.watched if step in shown):
                common = {
                    "recipe": name,
                    "setting": setting,
                    "tasks": outcome.tasks,
                    "shots": shots,
                    "steps": step,
                }
                common["chosen"] = step == outcome.chosen_steps(shots)
                errors = outcome.at(shots, step)
                for seed, values in enumerate(errors):
                    yield common | {"seed": seed, **_error(values[None])}
                difference = self.difference(outcome, shots, step)
                paired = {} if difference is None else {"difference": finite(difference[0])}
                paired |= {} if difference is None else {"difference_ci95": finite(difference[1])}
                yield common | {"seed": None, **_error(errors), **paired}

    def recipes(self, shots: int) -> list[dict[str, Any]]:
        """What each recipe needs, costs and keeps; benefits at this number of shots."""
        return [self._recipe(outcome, shots) for outcome in self.outcomes]

    def _recipe(self, outcome: Outcome, shots: int) -> dict[str, Any]:
        recipe = outcome.recipe
        return {
            "recipe": recipe.name,
            "setting": recipe.setting.value,
            "source": recipe.source,
            "tasks": outcome.tasks,
            "keeps_past_data": recipe.setting.keeps_data,
            "stored_bytes": outcome.stored_bytes,
            "train_seconds": round(outcome.train_seconds, 3),
            "compile_seconds": round(outcome.compile_seconds, 3),
            "adapt_seconds": outcome.adapt_seconds,
            "transductive": outcome.transductive,
            "calibration_error": dict(
                zip(map(str, outcome.shots), outcome.calibration, strict=False)
            ),
            "adapters": {
                str(shots): {"adapter": repr(recipe.candidates[i]), "steps": step}
                for shots, (i, step) in zip(outcome.shots, outcome.chosen, strict=True)
            },
            "acceleration": _benefit(self.acceleration(outcome, shots)),
            "sample_efficiency": _benefit(self.sample_efficiency(outcome)),
        }


def shown_steps(steps: int, chosen: int) -> list[int]:
    """Steps that the table has a row for: the first ten, then fewer and fewer, the chosen one, and the last.

    >>> shown_steps(60, 37)
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 37, 50, 60]
    """
    sparse = {digit * 10**power for power in range(1, 7) for digit in (1, 2, 5)}
    return [s for s in range(steps + 1) if s <= 10 or s in sparse or s in (chosen, steps)]


def first_step(
    curve: Float[np.ndarray, "watched"], target: float, watched: Sequence[int]
) -> float | None:
    """The first step of those watched at which a curve is at the target or below it.

    >>> import numpy as np
    >>> first_step(np.array([4.0, 3.0, 2.0, 1.0]), 2.0, (0, 1, 5, 10))
    5.0
    """
    below = np.flatnonzero(curve <= target)
    return float(watched[below[0]]) if len(below) else None


def shots_needed(
    shots: tuple[int, ...], errors: Float[np.ndarray, "shots"], target: float
) -> float | None:
    """The number of shots at which the error comes down to the target, logarithmically between those that were tried.

    >>> import numpy as np
    >>> shots_needed((5, 20), np.array([3.0, 1.0]), 2.0)
    10.0
    """
    below = np.flatnonzero(errors <= target)
    if not len(below):
        return None
    i = below[0]
    if i == 0:
        return float(shots[0])
    part = (errors[i - 1] - target) / (errors[i - 1] - errors[i])
    return float(
        round(math.exp(math.log(shots[i - 1]) + part * math.log(shots[i] / shots[i - 1])), 6)
    )


def _error(values: Float[np.ndarray, "seeds tasks"]) -> dict[str, Any]:
    mean, half = interval(values)
    return {"error": finite(mean), "ci95": finite(half), "num_tasks": int(values.size)}


def _benefit(benefit: Benefit | None) -> dict[str, Any] | None:
    if benefit is None:
        return None
    fields = {
        "target": benefit.target,
        "scratch": benefit.scratch,
        "reached": benefit.reached,
        "ratio": benefit.ratio,
    }
    return {name: None if value is None else finite(value) for name, value in fields.items()} | {
        "at_most": benefit.at_most
    }
