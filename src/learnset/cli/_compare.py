"""`learnset compare`."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import jax.random as jr
from rich.console import Console
from tyro.conf import OmitArgPrefixes

from ..comparison import Budget, compare, Recipe
from ..core import Split
from ..recipes import classes as few_shot, regression as regression
from ..report import draw_comparison, draw_few_shot, terminal_table, write_comparison_page
from ..tasks import LinearGaussian, Sinusoids, Unrelated
from ..training import write_json
from ._sources import AbstractSource
from ._tables import AbstractTable, compare_table
from ._words import AnyTasks, Common, family, meta, Network, say_notes, word

WATCHED = (
    1,
    2,
    5,
    10,
    20,
    50,
)  # steps after which queries are answered; an answer costs as much as a step


@dataclasses.dataclass(frozen=True)
class Compare(Common):
    """Trains several ways of using past tasks under one budget and compares them on the same new tasks."""

    tasks: OmitArgPrefixes[AnyTasks] = dataclasses.field(default_factory=Sinusoids)
    test_shots: tuple[int, ...] = (2, 5, 10, 20)
    """points of the new tasks, rising"""
    seeds: int | None = None
    """repetitions, trained together; five, unless given"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        folder = self.folder(f"compare-{word(self.tasks)}")
        if isinstance(self.tasks, AbstractTable):
            given = {
                name: getattr(self, name)
                for name in ("seed", "seeds", "steps", "quick", "resume", "overwrite")
            }
            options = given | {"shots": self.test_shots, "meta": lambda: meta(arguments, began)}
            return compare_table(self.tasks, Network, folder, console, **options)
        given = family(self.tasks)
        say_notes(given.notes, console)
        classes = isinstance(self.tasks, AbstractSource)
        recipes, budget = (
            self._of_classes(given.tasks) if classes else (self._recipes(), self._budget())
        )
        options = {"budget": budget, "metric": given.metric, "out": folder} | self.saving
        comparison = compare(recipes, given.network, given.tasks, key=jr.key(self.seed), **options)
        shots = (
            self.tasks.shots[0] if classes else 10 if 10 in self.test_shots else self.test_shots[-1]
        )
        figures = draw_comparison(comparison, shots, folder)
        if classes:
            shown = given.tasks.with_shots(shots, budget.queries)
            figures += draw_few_shot(
                comparison, shown, given.network, shots, folder, seed=self.seed
            )
        about = meta(arguments, began)
        result = {
            "rows": comparison.rows(),
            "recipes": comparison.recipes(shots),
            "failures": comparison.failures,
        }
        write_json(folder / "result.json", result | {"notes": given.notes, "meta": about})
        write_comparison_page(
            folder / "report.html", comparison, given.tasks, shots, about, figures, given.notes
        )
        console.print(terminal_table(comparison, shots))
        for message in comparison.failures.values():
            console.print(message)
        console.print(
            f"{folder / 'report.html'} has all of it, {folder / 'result.json'} the numbers."
        )

    def _of_classes(self, episodes: Any) -> tuple[list[Recipe], Budget]:
        """Recipes and budget of few-shot classification."""
        everyone = few_shot.standard(len(episodes.pool(Split.TRAIN)), steps=5 if self.quick else 10)
        shots = self.tasks.shots
        queries = self.tasks.queries_beside(shots[-1], episodes)
        plain = Budget(
            500, 4, seeds=3, shots=shots, queries=queries, validation_tasks=200, test_tasks=200
        )
        quick = Budget(
            60, 4, seeds=3, shots=shots, queries=min(5, queries), validation_tasks=25, test_tasks=25
        )
        plain, quick = (dataclasses.replace(budget, watched=WATCHED) for budget in (plain, quick))
        chosen = [r for r in everyone if r.name in few_shot.QUICK] if self.quick else everyone
        return chosen, self._with_given(quick if self.quick else plain)

    def _budget(self) -> Budget:
        plain = Budget(shots=self.test_shots)
        quick = Budget(
            500, 25, seeds=3, shots=self.test_shots, queries=20, validation_tasks=50, test_tasks=50
        )
        return self._with_given(quick if self.quick else plain)

    def _with_given(self, budget: Budget) -> Budget:
        given = {
            name: getattr(self, name)
            for name in ("steps", "seeds")
            if getattr(self, name) is not None
        }
        return dataclasses.replace(budget, **given)

    def _recipes(self) -> list[Recipe]:
        latents = {Sinusoids: 2, LinearGaussian: getattr(self.tasks, "in_size", 0)}.get(
            type(self.tasks), 0
        )
        everyone = regression.standard(steps=10 if self.quick else 50, latents=latents)
        chosen = [r for r in everyone if r.name in regression.QUICK] if self.quick else everyone
        return chosen + (
            [regression.constant(self.tasks.mean)] if isinstance(self.tasks, Unrelated) else []
        )
