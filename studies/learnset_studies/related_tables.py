"""New tasks among related ones, from no row or a few: a network that reads the tables of related
tasks too, against mixed models, boosting and meta-learning."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Key

from learnset.comparison import (
    Budget,
    compare,
    Comparison,
    enough_rows,
    NewTableTasks,
    Recipe,
    rows_to_score,
    Setting,
)
from learnset.core import InputError
from learnset.data import Table
from learnset.models import MLP, TableTransformer
from learnset.recipes import held_out, in_context
from learnset.transfer import Constant

from ._boosted_newcomers import boosted
from ._cover import covers
from ._related_sets import made, SETS
from ._related_tables_page import ALONE, BASELINE, CONSTANT, draw, IN_CONTEXT, MIXED, page
from ._table_means import mean_of

RIVALS = (BASELINE, "boosting + shrunken offset", *MIXED, "MAML", "R2D2")
SHOTS = (0, 2, 5, 10, 20)
ADAPTATION = 50  # steps of gradient descent on a new task
QUERIES = 20  # rows of a new task that are scored, at most
AT_ONCE = 12  # tasks that are answered together


@dataclasses.dataclass(frozen=True)
class RelatedTablesStudy:
    """The study's sizes.

    **Arguments:** `sets`: their names. `divisions`: of the tasks, each of which holds out others.
    `steps`: of a meta-learner's training.
    """

    sets: tuple[str, ...] = tuple(SETS)
    divisions: int = 5
    steps: int = 400

    reads: ClassVar[frozenset[str]] = frozenset({"seed", "steps"})
    draw = staticmethod(draw)
    page = staticmethod(page)

    def __post_init__(self):
        if self.divisions < 2 or self.steps < 1:
            raise InputError(
                "related-tables: `divisions` must be at least 2 and `steps` at least 1."
            )
        if unknown := set(self.sets) - set(SETS):
            raise InputError(
                f"related-tables: there is no set {sorted(unknown)[0]!r}. Choose from"
                f" {', '.join(SETS)}."
            )

    def quick(self) -> "RelatedTablesStudy":
        """One simulated set, and networks that have not learnt much."""
        return RelatedTablesStudy(("smooth",), 2, 10)

    def with_steps(self, steps: int) -> "RelatedTablesStudy":
        """The same study with another length of training."""
        return dataclasses.replace(self, steps=steps)

    def run(
        self, folder: Path, key: Key[Array, ""], *, network: TableTransformer | None = None
    ) -> dict[str, Any]:
        """Scores all recipes on the same tasks that are held out.

        **Arguments:** `network`: default: those that come with learnset.

        **Returns:** rows, of each recipe and number of rows on each set and over all sets, and of
        the intervals of some; and the sets.
        """
        del folder
        tables, missing = made(self.sets)
        rows, about, failures = [], [], {}
        for name, table in tables.items():
            question = self.question(table)
            comparison = self.compared(question, network, key)
            of_set = [*errors(comparison), *covers(comparison, (IN_CONTEXT, ALONE, *MIXED), key)]
            rows += [row | {"set": name} for row in of_set]
            failures |= {f"{recipe} ({name})": why for recipe, why in comparison.failures.items()}
            tasks, inputs = len(table), table.x.shape[1]
            about.append({"name": name, "tasks": tasks, "inputs": inputs, "rows": len(table.x)})
        over_sets = [*means(rows, "sets"), *means(rows, "cover")]
        common = {"sets": about, "missing": missing, "failures": failures}
        return {"rows": rows + over_sets, "shots": list(SHOTS)} | common

    def question(self, table: Table) -> NewTableTasks:
        """What is asked: each task is held out in one of five divisions."""
        shots, large = enough_rows(table, SHOTS)
        queries = min(QUERIES, rows_to_score(table, large, shots))
        seeds = range(self.divisions)
        question = NewTableTasks.of_table(table, large, shots=shots, seeds=seeds, queries=queries)
        tasks = min(map(len, question.names))  # each once
        sizes = {"validation_tasks": tasks, "test_tasks": tasks, "at_once": AT_ONCE}
        watched = (1, 2, 5, 10, 20, ADAPTATION)
        return dataclasses.replace(question, **sizes, watched=watched)

    def compared(
        self, question: NewTableTasks, network: TableTransformer | None, key: Key[Array, ""]
    ) -> Comparison:
        """All recipes; those of `RIVALS` with few settings to choose from."""
        family = question.family
        inputs = family.train.x.shape[-1]
        standard = {
            recipe.name: recipe
            for recipe in held_out.standard(family, steps=ADAPTATION, quick=True)
        }
        recipes = [
            *(standard[name] for name in RIVALS if name in standard),
            Recipe(CONSTANT, Setting.BOUND, adapters=(Constant(0.0),), source="no inputs at all"),
        ]
        options: dict[str, Any] = {"key": key, "budget": Budget(self.steps, 25), "progress": False}

        def mlp(key: Key[Array, ""]) -> MLP:
            return MLP(inputs, 1, width=40, depth=2, key=key)

        comparison = compare(recipes, mlp, question, **options)
        # The network leaves nothing to choose: validation tasks are not asked.
        fixed = dataclasses.replace(question, chooses_steps=False)
        readers = compare(in_context.standard(inputs, network=network), mlp, fixed, **options)
        outcomes = (*readers.outcomes, *comparison.outcomes, boosted(question, key))
        failures = comparison.failures | readers.failures
        return Comparison(question, outcomes, failures, comparison.asked)


def errors(comparison: Comparison) -> list[dict[str, Any]]:
    """A row for each recipe and number of rows: squared errors in variances of the target."""
    baseline, own = comparison[BASELINE], comparison[IN_CONTEXT]
    rows = []
    for outcome in comparison:
        for shots in comparison.shots:
            value, half = comparison.value(outcome, shots)
            gain, gain_half = comparison.difference(outcome, baseline, shots)
            more, more_half = comparison.difference(outcome, own, shots)
            rows.append(
                {"part": "sets", "recipe": outcome.name, "setting": outcome.recipe.setting.value}
                | {"shots": shots, "measure": "squared error", "value": value, "ci95": half}
                | {"difference": gain, "difference_ci95": gain_half}
                | {"to_context": more, "to_context_ci95": more_half}
            )
    return rows


def means(rows: list[dict[str, Any]], part: str) -> list[dict[str, Any]]:
    """A row over all sets for each recipe and number of rows, of recipes that are on all sets; sets
    are taken as they are, and the chance is that of their tasks."""
    rows = [row for row in rows if row["part"] == part]
    sets = {row["set"] for row in rows}
    found = []
    for name in dict.fromkeys(row["recipe"] for row in rows):
        for shots in dict.fromkeys(row["shots"] for row in rows):
            own = [row for row in rows if row["recipe"] == name and row["shots"] == shots]
            if len(own) < len(sets):
                continue
            kept = ("recipe", "setting", "shots", "measure")
            mean = {key: own[0][key] for key in kept if key in own[0]} | {"num_sets": len(sets)}
            for key in own[0]:
                if (value := key.removesuffix("_ci95")) != key:
                    mean |= mean_of(own, value, key)
            if part == "sets":
                mean |= mean_of(own, "value", "ci95")
            else:
                mean["half_width"] = float(np.mean([row["half_width"] for row in own]))
            found.append({"part": f"mean of {part}"} | mean)
    return found
