"""The result of a comparison on a table: its rows, its tasks, and tasks that were held out."""

from typing import Any

import equinox as eqx
import numpy as np

from ..comparison import Comparison, Outcome, Setting
from ..data import Table
from ..recipes.affinity import Affinities


class TableResult(eqx.Module):
    """All that `learnset compare` finds on a table.

    - `seen`: on the rows that were not trained on; `new`: on tasks that were held out, None where
      there are too few tasks to hold any out.
    - `balanced`, `uniform`: names of recipes with a balancer, and of the one with the uniform sum.
    """

    table: Table
    seen: Comparison
    affinities: Affinities
    new: Comparison | None
    balanced: tuple[str, ...]
    uniform: str

    @property
    def alone(self) -> Outcome | None:
        """One model for each task: the best of them."""
        return self._best("one model per task", Setting.SCRATCH)

    @property
    def pooled(self) -> Outcome | None:
        """One model for all tasks: the best of them."""
        return self._best("pooled", Setting.POOLED)

    @property
    def rival(self) -> Outcome | None:
        """The best without learning tasks together: one model for each task, or for all of them,
        trees and all."""
        settings = (Setting.SCRATCH, Setting.POOLED)
        outcomes = [outcome for outcome in self.seen if outcome.recipe.setting in settings]
        return self.seen.best_of("not together", outcomes)

    @property
    def together(self) -> Outcome | None:
        """Tasks learnt together, each with something of its own: the best of these models."""
        return self._best("learnt together", Setting.MULTI_TASK)

    def _best(self, name: str, setting: Setting) -> Outcome | None:
        outcomes = [outcome for outcome in self.seen if outcome.recipe.setting is setting]
        return self.seen.best_of(name, outcomes)

    def contrasted(self) -> dict[str, Outcome]:
        """The three that the page contrasts, by name; those that did not all fail."""
        three = {
            "one model per task": self.alone,
            "pooled": self.pooled,
            "learnt together": self.together,
        }
        return {name: outcome for name, outcome in three.items() if outcome is not None}

    def gains(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The gain of each task from being learnt together, and half its interval; None where there
        is nothing to compare."""
        together, alone = self.together, self.alone
        if together is None or alone is None:
            return None
        return self.seen.gains(together, alone)

    def significant(self) -> tuple[np.ndarray, np.ndarray]:
        """Whether each task gains from being learnt together, and whether it loses, by intervals
        that hold for all tasks at once."""
        together, alone = self.together, self.alone
        assert together is not None and alone is not None  # there are gains
        gain, half = self.seen.gains(together, alone, simultaneous=True)
        return gain - half > 0, gain + half < 0

    def recommendation(self) -> dict[str, Any]:
        """What to use, for `result.json`: for the tasks of the table one recipe, for new tasks one
        for each number of rows, with the numbers that this rests on."""
        record: dict[str, Any] = {"known": None, "new": []}
        best, together, rival = self.seen.recommended(), self.together, self.rival
        if best is not None:
            record["known"] = recommended_as(self.seen, best, None)
        if together is not None and rival is not None:
            verdict = self.seen.verdict(together, rival)
            record["together"] = {
                "difference": _finite(verdict.mean),
                "difference_ci95": _finite(verdict.half),
                "margin": verdict.margin,
                "verdict": verdict.word,
            }
        if self.new is not None:
            for shots in self.new.shots:
                best = self.new.recommended(shots)
                if best is not None:
                    record["new"].append({"shots": shots} | recommended_as(self.new, best, shots))
        return record

    def of_tasks(self) -> list[dict[str, Any]]:
        """One row for each task: the errors of the three that are contrasted, and the gain of
        learning together over one model per task."""
        rows = self.seen.rows
        error = "wrong" if rows.classes else "rmse"
        errors = {
            f"{error}, {name}": rows.errors(outcome.predictions).mean(axis=0)
            for name, outcome in self.contrasted().items()
        }
        count = rows.count.mean(axis=0)
        gains = self.gains()
        records = [
            {"task": name, "scored_rows": round(float(count[i]), 1)}
            | {heading: _finite(values[i]) for heading, values in errors.items()}
            for i, name in enumerate(rows.names)
        ]
        if gains is not None:
            for record, gain, half in zip(records, *gains, strict=True):
                record |= {"gain": _finite(gain), "gain_ci95": _finite(half)}
        return records


def recommended_as(comparison: Comparison, outcome: Outcome, shots: int | None) -> dict[str, Any]:
    """A recommended recipe, with the numbers that this rests on, for `result.json`."""
    value, half = comparison.value(outcome, shots)
    return {
        "recipe": outcome.name,
        "setting": outcome.recipe.setting.value,
        "measure": comparison.measure.name,
        "value": _finite(value),
        "ci95": _finite(half),
    }


def _finite(value: float) -> float | None:
    value = float(value)
    return value if abs(value) < float("inf") else None
