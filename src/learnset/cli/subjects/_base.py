"""A subject of `learnset compare`: it answers questions, and its answer can be kept and shown."""

import abc
import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar

from rich.console import Console

from ...comparison import AbstractQuestion, Comparison, misfit, Recipe
from ...core import InputError
from ...report import Page
from .._options import WorkerOptions
from ._named import named

TASKS = {"new": "new tasks", "seen": "the tasks that were trained on"}


class Answer(abc.ABC):
    """What a comparison found."""

    @abc.abstractmethod
    def record(self) -> dict[str, Any]:
        """The numbers, for `result.json`."""

    @abc.abstractmethod
    def draw(self, folder: Path, command: str) -> Page:
        """Draws the figures, and makes the page that shows them."""

    def fits(self, record: dict[str, Any]) -> bool:
        """Whether `learnset fit` keeps what `record` recommends."""
        return bool(record.get("recommendation"))

    def tables(self) -> dict[str, Sequence[dict[str, Any]]]:
        """Further files, by name: a line for each row."""
        return {}

    def texts(self) -> dict[str, str]:
        """Further files of text, by name."""
        return {}


@dataclasses.dataclass(frozen=True)
class AbstractSubject(WorkerOptions, abc.ABC):
    """A subject, with the options that it reads."""

    add: str | None = None
    """`module:name` of your own recipes (a list, or a function that makes one), compared with
    ours on new and on known tasks, wherever they can be"""
    word: ClassVar[str]

    @abc.abstractmethod
    def answer(self, folder: Path, console: Console, executor: Executor | None = None) -> Answer:
        """Compares recipes on this subject.

        **Arguments:** `executor`: as `compare` takes it.
        """

    def added(
        self, *asked: tuple[Any, AbstractQuestion | None]
    ) -> tuple[list[list[Recipe]], list[str]]:
        """The recipes that a user brings: for each network and question those that can answer it,
        and a line for each of the others.

        **Raises:** `InputError` for a recipe that can answer none.
        """
        each: list[list[Recipe]] = [[] for _ in asked]
        notes: list[str] = []
        for recipe in self._brought():
            lines = []
            for recipes, (network, question) in zip(each, asked, strict=True):
                if question is None:
                    continue
                if reason := misfit(recipe, network, question):
                    lines.append(
                        f"{recipe.name} (`--add`) is not compared on {TASKS[question.tasks]}:"
                        f" {reason}"
                    )
                else:
                    recipes.append(recipe)
            if not any(recipes and recipes[-1] is recipe for recipes in each):
                raise InputError(" ".join(lines))
            notes += lines
        return each, notes

    def _brought(self) -> list[Recipe]:
        if self.add is None:
            return []
        recipes = named(self.add, "--add")
        recipes = recipes() if callable(recipes) else recipes
        recipes = [recipes] if isinstance(recipes, Recipe) else recipes
        if not (isinstance(recipes, list | tuple) and all(isinstance(r, Recipe) for r in recipes)):
            raise InputError(
                f"`--add {self.add}` is a {type(recipes).__name__}, but it must be a list of"
                " `learnset.Recipe`."
            )
        return list(recipes)

    def chosen(self, recipes: Sequence[Recipe]) -> list[Recipe]:
        """The recipes that this run has time for."""
        return [recipe for recipe in recipes if recipe.quick or not self.quick]


def record_of(
    comparisons: Sequence[Comparison], shots: int | None, notes: Sequence[str]
) -> dict[str, Any]:
    """The numbers of comparisons, as `docs/result-format.md` has them."""
    return {
        "questions": [_question(comparison) for comparison in comparisons],
        "rows": [row for comparison in comparisons for row in comparison.records()],
        "recipes": [
            recipe
            for comparison in comparisons
            for recipe in comparison.recipes(
                shots if shots in comparison.shots else comparison.shots[-1]
            )
        ],
        "failures": {
            name: message
            for comparison in comparisons
            for name, message in comparison.failures.items()
        },
        "notes": list(notes),
    }


def _question(comparison: Comparison) -> dict[str, Any]:
    measure = comparison.measure
    return {
        "tasks": comparison.question.tasks,
        "measure": measure.name,
        "higher_is_better": measure.higher_is_better,
        "seeds": comparison.question.seeds,
        "shots": [shots for shots in comparison.shots if shots is not None],
        "baselines": [o.name for o in comparison if o.recipe.baseline],
    }
