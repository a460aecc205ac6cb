"""A comparison: the outcomes of all recipes, and the two promised benefits in numbers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from ..core import DivergedError, finite, InputError, interval
from ._measure import AbstractMeasure
from ._outcome import Choice, Cost, Outcome
from ._question import AbstractQuestion
from ._recipe import Recipe
from ._rows import by_unit, mean_and_half, Rows
from ._setting import Setting
from ._verdict import interval_of_divisions, Verdict


class Benefit(eqx.Module):
    """How much a recipe needs to do as well as the baseline does in the end: less is the benefit.

    `reached` is `None` where the recipe never does as well. A value at the edge of what was tried
    is a bound.
    """

    target: float  # the value of the baseline, with all its steps or shots
    baseline: float  # what the baseline needs for it: steps or shots
    reached: float | None  # what the recipe needs
    at_most: bool = False  # it may need less than could be tried

    @property
    def ratio(self) -> float | None:
        """How many times less than the baseline; steps count as one at least, so that the ratio
        stays finite."""
        return None if self.reached is None else self.baseline / max(self.reached, 1.0)

    def __str__(self) -> str:
        if self.ratio is None or self.reached is None:
            return "never"
        most, least = ("≤ ", "≥ ") if self.at_most else ("", "")
        return f"{most}{self.reached:.3g}  ({least}{self.ratio:.3g}×)"


class Comparison(eqx.Module):
    """The outcomes of all recipes. Iterating goes through them, and a name is an index; that of a
    recipe that diverged raises the `DivergedError`."""

    question: AbstractQuestion
    outcomes: tuple[Outcome, ...]
    failures: dict[str, str] = eqx.field(default_factory=dict)  # recipes that diverged, and where
    asked: Any = None  # what the measure knows of what was asked: the rows, for seen tasks

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def __getitem__(self, name: str) -> Outcome:
        if name in self.failures:
            raise DivergedError(self.failures[name])
        return next(outcome for outcome in self.outcomes if outcome.name == name)

    def __contains__(self, name: str) -> bool:
        return any(outcome.name == name for outcome in self.outcomes)

    def __str__(self) -> str:
        """A table: the value of each recipe with half its 95 % interval, for each number of
        shots."""
        times, unit = (100, " (%)") if self.measure.percent else (1, "")
        heads = [f"{s} shots" for s in self.shots if s is not None] or [self.measure.name + unit]
        lines = [["recipe", "setting", *heads]]
        for outcome in self.outcomes:
            values = [times * np.array(self.value(outcome, shots)) for shots in self.shots]
            cells = [f"{v:.4g} ± {h:.2g}" if math.isfinite(h) else f"{v:.4g}" for v, h in values]
            lines.append([outcome.name, outcome.recipe.setting.value, *cells])
        lines += [[name, "diverged", *[""] * len(heads)] for name in self.failures]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        text = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
        title = f"{self.measure.name}{unit}, {self.question.tasks} tasks, ± 95 % interval"
        return "\n".join([title, *text])

    @property
    def measure(self) -> AbstractMeasure:
        return self.question.measure

    @property
    def shots(self) -> tuple[int | None, ...]:
        return self.question.shots

    @property
    def rows(self) -> Rows:
        """The rows that were scored, of a question about seen tasks."""
        return self.asked

    def value(
        self, outcome: Outcome, shots: int | None = None, step: int | None = None
    ) -> tuple[float, float]:
        """The mean value and half its 95 % interval; NaN where there is one division of the rows,
        which says nothing about chance."""
        return self._interval(outcome.at(shots, step), outcome.overall_at(shots, step))

    def difference(
        self,
        outcome: Outcome,
        base: Outcome,
        shots: int | None = None,
        step: int | None = None,
    ) -> tuple[float, float]:
        """The mean paired difference to another recipe at its best, and half its 95 % interval."""
        return self._interval(
            outcome.at(shots, step) - base.at(shots),
            outcome.overall_at(shots, step) - base.overall_at(shots),
        )

    def verdict(self, outcome: Outcome, base: Outcome, shots: int | None = None) -> Verdict:
        """Whether a recipe is better than another, as far as can be told."""
        mean, half = self.difference(outcome, base, shots)
        spread = None
        if not self.measure.over_tasks:
            apart = outcome.overall_at(shots) - base.overall_at(shots)
            spread = float(np.nanstd(apart, ddof=1)) if (~np.isnan(apart)).sum() > 1 else None
        options = (self.measure.margin, self.question.seeds, spread, self.question.overlap)
        return Verdict(self.measure.sign * mean, half, *options)

    def _interval(
        self, of_tasks: Float[np.ndarray, "seeds tasks"], overall: Float[np.ndarray, "seeds"]
    ) -> tuple[float, float]:
        units = self.question.units
        if units is not None:
            mean, half = mean_and_half([by_unit(units, of_tasks, ~np.isnan(of_tasks))])
            return float(mean[0]), float(half[0]) if np.isfinite(half[0]) else math.nan
        if self.measure.over_tasks:
            mean, half = interval(of_tasks)
            return mean, math.nan if of_tasks.size == 1 else half
        return interval_of_divisions(overall, self.question.overlap)

    def baseline(self) -> Outcome | None:
        """What the others are compared with: of the baselines the best on validation tasks."""
        return self.best_of("baseline", [o for o in self.outcomes if o.recipe.baseline])

    def best_of(self, name: str, outcomes: Sequence[Outcome]) -> Outcome | None:
        """Of several outcomes the one that is best on validation tasks, for each seed and number of
        shots; the outcome itself if there is one alone, and None if there is none."""
        if len(outcomes) < 2:
            return outcomes[0] if outcomes else None
        validation = np.stack([outcome.validation for outcome in outcomes])
        if np.isnan(validation).any():
            names = ", ".join(outcome.name for outcome in outcomes)
            raise InputError(
                f"The best of {names} cannot be chosen: not all were asked on validation tasks."
                " Compare with one of them."
            )
        which = np.argmax(self.measure.sign * validation, axis=0)  # "shots seeds"
        picked = [[outcomes[i] for i in of_shots] for of_shots in which]
        return _picked(name, picked, validation, which)

    def recommended(
        self, shots: int | None = None, among: Sequence[Outcome] | None = None
    ) -> Outcome | None:
        """The recipe that is best on validation rows or tasks, over all seeds; None if there is no
        contestant. Nothing is chosen on what is scored.

        **Arguments:** `among`: contestants. Default: all outcomes but bounds.
        """
        everyone = self.outcomes if among is None else among
        contestants = [o for o in everyone if o.recipe.setting is not Setting.BOUND]
        worth = [
            self.measure.sign * float(o.validation[o.shots.index(shots)].mean())
            for o in contestants
        ]
        finite_worth = [w if math.isfinite(w) else -math.inf for w in worth]
        return contestants[int(np.argmax(finite_worth))] if contestants else None

    def saver(self) -> tuple[Outcome, int, Verdict] | None:
        """The recipe that saves most data: it needs the fewest shots to do, on validation tasks, as
        well as the baseline with most; that number, and how the two compare on test tasks. None
        where no recipe does."""
        baseline, tried = self.baseline(), [s for s in self.shots if s is not None]
        if baseline is None or len(tried) < 2:
            return None
        sign, target = self.measure.sign, float(np.mean(baseline.validation[-1]))
        enough = [
            (shots, -sign * float(outcome.validation[i].mean()), place)
            for place, outcome in enumerate(self.outcomes)
            if outcome.recipe.setting not in (Setting.BOUND, Setting.SCRATCH)
            for i, shots in enumerate(tried)
            if sign * float(outcome.validation[i].mean()) >= sign * target
        ]
        if not enough:
            return None
        shots, _, place = min(enough)
        outcome = self.outcomes[place]
        apart = outcome.at(shots) - baseline.at(tried[-1])
        mean, half = self._interval(apart, apart.mean(axis=1))
        return outcome, shots, Verdict(sign * mean, half, self.measure.margin, self.question.seeds)

    def acceleration(self, outcome: Outcome, shots: int | None) -> Benefit | None:
        """Gradient steps to reach the value that the baseline has at its best."""
        baseline = self.baseline()
        if baseline is None or self.question.tasks == "seen":
            return None
        sign, target = self.measure.sign, float(baseline.overall_at(shots).mean())
        needed, reached = (
            first_step(sign * o.curve(shots), sign * target, o.watched) for o in (baseline, outcome)
        )
        return Benefit(target, float(needed or 0), reached)

    def sample_efficiency(self, outcome: Outcome) -> Benefit | None:
        """Shots to reach the value that the baseline has with most shots, each at its best."""
        baseline = self.baseline()
        tried = tuple(shots for shots in self.shots if shots is not None)
        if baseline is None or len(tried) < 2:
            return None
        sign, target = self.measure.sign, float(baseline.overall_at(tried[-1]).mean())
        values = np.array([outcome.overall_at(shots).mean() for shots in tried])
        reached = shots_needed(tried, sign * values, sign * target)
        return Benefit(target, tried[-1], reached, bool(sign * values[0] >= sign * target))

    def gains(
        self, outcome: Outcome, base: Outcome, *, simultaneous: bool = False
    ) -> tuple[Float[np.ndarray, "tasks"], Float[np.ndarray, "tasks"]]:
        """The gain of each seen task over another recipe, and half its 95 % interval: of numbers
        squared error less of it, in units of the target's variance; of classes log loss less of
        it; infinite for one division. `simultaneous` intervals hold for all tasks at once."""
        options = {"simultaneous": simultaneous}
        gain, half = self.rows.gains(outcome.predictions, base.predictions, **options)
        return gain, half if self.question.seeds > 1 else np.full_like(half, np.inf)

    def records(self) -> list[dict[str, Any]]:
        """The tidy table, rows of `result.json`: one for each recipe, number of shots, number of
        steps and seed. `seed` is None in rows over all seeds, which carry the paired difference to
        the baseline as well; `steps` is None in those in which each seed has its chosen number."""
        return [record for outcome in self.outcomes for record in self._records(outcome)]

    def _records(self, outcome: Outcome) -> Iterator[dict[str, Any]]:
        baseline = self.baseline()
        recipe = outcome.recipe
        common = {
            "recipe": recipe.name,
            "setting": recipe.setting.value,
            "tasks": self.question.tasks,
            "measure": self.measure.name,
        }
        for shots in outcome.shots:
            steps = [None, *shown_steps(outcome.watched)] if outcome.steps else [None]
            for step in steps:
                about = common | {"shots": shots, "steps": step, "chosen": step is None}
                for seed, value in enumerate(outcome.overall_at(shots, step)):
                    yield about | {"seed": seed, "value": finite(float(value))}
                mean, half = self.value(outcome, shots, step)
                record = about | {"seed": None, "value": finite(mean), "ci95": finite(half)}
                units = self.question.units
                tasks = outcome.at(shots, step) if units is None else np.unique(units)
                record["num_tasks"] = int(tasks.size)
                if baseline is not None:
                    difference = self.difference(outcome, baseline, shots, step)
                    record["difference"], record["difference_ci95"] = map(finite, difference)
                yield record

    def recipes(self, shots: int | None) -> list[dict[str, Any]]:
        """What each recipe needs, costs and keeps; benefits at this number of shots."""
        return [self._recipe(outcome, shots) for outcome in self.outcomes]

    def _recipe(self, outcome: Outcome, shots: int | None) -> dict[str, Any]:
        recipe = outcome.recipe
        return {
            "recipe": recipe.name,
            "setting": recipe.setting.value,
            "source": recipe.source,
            "tasks": self.question.tasks,
            "keeps_past_data": recipe.setting.keeps_data,
            **{name: _rounded(cost) for name, cost in outcome.cost._asdict().items()},
            "transductive": outcome.transductive,
            "calibration_error": [
                {"shots": s, "value": value}
                for s, value in zip(outcome.shots, outcome.calibration, strict=True)
                if value is not None
            ],
            "stopped": [
                {"shots": s, "stopped": pair[0], "of": pair[1]}
                for s, pair in zip(outcome.shots, outcome.stopped, strict=False)
                if pair is not None
            ],
            "chosen": [
                {"shots": s, "seed": seed, **described(recipe, choice)}
                for s, choices in zip(outcome.shots, outcome.chosen, strict=True)
                for seed, choice in enumerate(choices)
            ],
            "acceleration": _benefit(self.acceleration(outcome, shots)),
            "sample_efficiency": _benefit(self.sample_efficiency(outcome)),
        }


def described(recipe: Recipe, choice: Choice) -> dict[str, Any]:
    """A choice in words."""
    learner, adapter = recipe.learners[choice.learner], recipe.adapters[choice.adapter]
    return {
        "learner": " ".join(repr(learner).split()),
        "adapter": " ".join(repr(adapter).split()),
        "steps": choice.steps,
    }


def _picked(
    name: str, picked: list[list[Outcome]], validation: np.ndarray, which: np.ndarray
) -> Outcome:
    """An outcome put together: for each number of shots and each seed a part of another. Steps are
    those that were chosen, and no others."""
    first = picked[0][0]
    seeds = range(len(picked[0]))
    pairs = list(zip(first.shots, picked, strict=True))
    of_tasks = [[of[s].at(shots)[s] for s in seeds] for shots, of in pairs]
    overall = [[of[s].overall_at(shots)[s] for s in seeds] for shots, of in pairs]
    predictions = None
    if first.of_rows is not None:
        predictions = np.stack([picked[-1][s].predictions[s] for s in seeds])
    members = tuple(dict.fromkeys(outcome.name for of_shots in picked for outcome in of_shots))
    recipe = Recipe(name, first.recipe.setting, source=", ".join(members))
    return BestOf(
        recipe,
        first.shots,
        np.array(of_tasks)[..., None],
        np.array(overall)[..., None],
        np.take_along_axis(validation, which[None], axis=0)[0],
        (0,),
        tuple(tuple(Choice(0, 0, 0) for _ in seeds) for _ in picked),
        Cost(),
        (None,) * len(picked),
        predictions,
        members=tuple(tuple(outcome.name for outcome in of_shots) for of_shots in picked),
    )


class BestOf(Outcome):
    """Of several outcomes the one that is best on validation tasks, for each seed and number of
    shots. `members` are their names."""

    members: tuple[tuple[str, ...], ...] = ()


def shown_steps(watched: Sequence[int]) -> list[int]:
    """Steps that a table has a row for: the first ten, then fewer and fewer, and the last.

    >>> shown_steps(range(61))
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 50, 60]
    """
    sparse = {digit * 10**power for power in range(1, 7) for digit in (1, 2, 5)}
    return [step for step in watched if step <= 10 or step in sparse or step == watched[-1]]


def first_step(
    curve: Float[np.ndarray, "watched"], target: float, watched: Sequence[int]
) -> float | None:
    """The first step of those watched at which a curve is at the target or above it.

    >>> import numpy as np
    >>> first_step(np.array([1.0, 2.0, 3.0, 4.0]), 3.0, (0, 1, 5, 10))
    5.0
    """
    above = np.flatnonzero(curve >= target)
    return float(watched[above[0]]) if len(above) else None


def shots_needed(
    shots: tuple[int, ...], values: Float[np.ndarray, "shots"], target: float
) -> float | None:
    """The number of shots at which the value reaches the target, logarithmically between those that
    were tried.

    >>> import numpy as np
    >>> shots_needed((5, 20), np.array([1.0, 3.0]), 2.0)
    10.0
    """
    above = np.flatnonzero(values >= target)
    if not len(above):
        return None
    i = above[0]
    if i == 0:
        return float(shots[0])
    part = (target - values[i - 1]) / (values[i] - values[i - 1])
    between = math.log(shots[i - 1]) + part * math.log(shots[i] / shots[i - 1])
    return float(round(math.exp(between), 6))


def _rounded(cost: float) -> float:
    return cost if isinstance(cost, int) else float(f"{cost:.3g}")


def _benefit(benefit: Benefit | None) -> dict[str, Any] | None:
    if benefit is None:
        return None
    fields = {
        "target": benefit.target,
        "baseline": benefit.baseline,
        "reached": benefit.reached,
        "ratio": benefit.ratio,
    }
    return {name: None if value is None else finite(value) for name, value in fields.items()} | {
        "at_most": benefit.at_most
    }
