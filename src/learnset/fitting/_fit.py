"""Fitting: the recipe that is best on validation rows, learnt from all rows, to be used."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from ..comparison import (
    alike,
    ByEarlyStopping,
    ByTrees,
    Choice,
    compare,
    Comparison,
    described,
    learn,
    Outcome,
    Recipe,
    SeenTasks,
)
from ..core import finite, InputError
from ..data import kept_rows, limited, Schema, Table
from ..models import MLP
from ..recipes import rows
from ..tasks import all_rows, TableTasks
from ..training import digest
from ._fitted import Fitted
from ._residuals import judged

AUTO = "auto"
DIVISIONS = 5
LARGE = 50_000  # rows, of which one division has enough to score on
DIVIDING = ("group", "time", "split")
STOPPED_BY = 0.1  # of the rows: networks and trees grow until these stop improving
STEPS = 3000  # of training of a network, at most
PACKAGES = ("learnset", "jax", "jaxlib", "equinox", "optax", "numpy")
MANY = 64  # tasks, of which each gives fewer points to a step


class Network(eqx.Module):
    """Makes the common network: two hidden layers of 40 units."""

    in_size: int
    out_size: int

    def __call__(self, key: Key[Array, ""]) -> MLP:
        return MLP(self.in_size, self.out_size, width=40, depth=2, key=key)


def fit(
    table: Table,
    recipe: str | Sequence[str] = AUTO,
    *,
    seed: int = 0,
    divisions: int | None = None,
    steps: int = STEPS,
    weight: Float[np.ndarray, "rows"] | None = None,
) -> Fitted:
    """A model of a table, to be used: it predicts rows of its tasks and of others, adapts to a new
    task from a few rows, and is saved as one file.

    The rows are divided several times, as `compare` does. Settings are chosen on validation rows,
    scores and intervals come from rows that were held out, and then the recipe learns from all
    rows.

    **Arguments:**

    - `recipe`: the name of one of `learnset.recipes.rows.standard`, or several of which the best on
      validation rows is taken. Default: among those of a short comparison.
    - `seed`: of all randomness. `divisions`: of the rows; default: 5, or 1 of a large table.
    - `steps`: of training of a network, at most. `weight`: of each row, where rows do not count
      the same.

    **Raises:** `InputError` for a recipe that is not known, and where no recipe has finite
    predictions.

    >>> import numpy as np, learnset as ls
    >>> x, shop = np.arange(40.0)[:, None], np.repeat(["east", "west"], 20)
    >>> table = ls.Table.from_arrays(x, 2 * x[:, 0] + 100 * (shop == "west"), shop)
    >>> fitted = ls.fit(table, "ridge with offsets")
    >>> fitted
    Fitted(ridge with offsets, 2 tasks, 1 inputs, regression)
    """
    weight = None if weight is None else weight[kept_rows(table)[0]]
    table = limited(table, say=True)
    logs, candidates = _logs(table), _candidates(table, recipe, steps)
    count = divisions or (DIVISIONS if len(table.x) <= LARGE else 1)
    points = 8 if len(table) > MANY else 16
    question = SeenTasks.of_table(table, seeds=range(seed, seed + count), points_per_task=points)
    if weight is not None:
        sets: Any = question.sets
        question = dataclasses.replace(question, sets=_weighted(sets, weight))
    network, key = Network(*question.sizes), jr.key(seed)

    def ask(recipes: Sequence[Recipe]) -> Comparison:
        return compare(recipes, network, question, key=key, progress=False)

    comparison = ask(candidates)
    if not comparison.outcomes:
        raise InputError("No recipe has finite predictions: look for huge numbers in the table.")
    outcome = comparison.recommended() or comparison.outcomes[0]
    chosen = _chosen(outcome)
    if len(alike(outcome.recipe.learners)) > 1:  # the divisions need models of one structure
        comparison = ask([chosen])
        outcome = comparison[chosen.name]
    judgement = judged(table, comparison, outcome)
    half = max(1, points // 2)
    everything = all_rows(table, shots=half, queries=half, validation=_kept(chosen), seed=seed)
    return Fitted(
        schema=_of_inputs(table.schema),
        encoding=everything.encoding,
        mean=everything.mean,
        std=everything.std,
        model=_learnt(_weighted(everything.tasks, weight), comparison, chosen, key),
        penalties=judgement.penalties,
        intervals=judgement.intervals,
        calibration=judgement.calibration,
        logs=logs,
        card=_card(table, comparison, outcome, chosen),
    )


def recipes_of(table: Table, steps: int = STEPS) -> list[Recipe]:
    """The recipes that can be fitted to a table."""
    options: dict[str, Any] = {"targets": table.task is None}
    options |= {"complete": bool(np.isfinite(table.y).all())}
    options |= {"classes": bool(table.classes), "quick": True}
    return rows.standard(len(table), table.x.shape[1], steps=steps, **options)


def _candidates(table: Table, recipe: str | Sequence[str], steps: int) -> list[Recipe]:
    known = recipes_of(table, steps)
    if recipe == AUTO:
        return [one for one in known if one.quick]
    names = [recipe] if isinstance(recipe, str) else list(recipe)
    for name in names:
        if name not in {one.name for one in known}:
            listed = ", ".join(one.name for one in known)
            raise InputError(f"There is no recipe {name!r} for this table. There are: {listed}.")
    return [one for one in known if one.name in names]


def _chosen(outcome: Outcome) -> Recipe:
    """The recipe with the settings that most divisions chose."""
    learners = Counter(choice.learner for choice in outcome.chosen[0])
    learner = outcome.recipe.learners[learners.most_common(1)[0][0]]
    return dataclasses.replace(outcome.recipe, learners=(learner,))


def _logs(table: Table) -> tuple[str, ...]:
    """Whether the targets of a table are logarithms of the columns that are read (`logged`)."""
    logs = []
    for name, column in zip(table.targets, table.schema.targets, strict=True):
        known = {column.name: "", f"log {column.name}": "log", f"log(1 + {column.name})": "log1p"}
        if name not in known:
            raise InputError(
                f"The target {name!r} is not the column {column.name!r} of the schema."
            )
        logs.append(known[name])
    return tuple(logs)


def _weighted(tasks: TableTasks, weight: np.ndarray | None) -> TableTasks:
    """The tasks with weights for the rows that are learnt from, of mean one."""
    if weight is None:
        return tasks
    rows = np.asarray(tasks.rows[0])
    of_rows = np.where(rows < 0, 0, (weight / weight.mean())[rows])
    old = tasks.points.weight
    of_rows = of_rows[..., None] if of_rows.ndim < old.ndim else of_rows
    new = old * jnp.asarray(of_rows, old.dtype)
    return eqx.tree_at(lambda t: t.points.weight, tasks, new)


def _of_inputs(schema: Schema) -> Schema:
    """The schema without the columns that only divided the rows."""
    columns = tuple(
        dataclasses.replace(column, role="left out") if column.role in DIVIDING else column
        for column in schema.columns
    )
    return dataclasses.replace(schema, columns=columns)


def _kept(recipe: Recipe) -> float:
    """The part of the rows by which training is stopped."""
    learner = recipe.learners[0]
    return STOPPED_BY if isinstance(learner, ByEarlyStopping | ByTrees) else 0.0


def _learnt(tasks: TableTasks, comparison: Comparison, recipe: Recipe, key: Key[Array, ""]) -> Any:
    """The model that a recipe with one learner makes of all rows: one that grows until some rows
    are predicted no better grows again, as long, from these rows as well."""
    asked: Any = comparison.question
    one = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, tasks)
    question = SeenTasks(one, asked.measure, comparison.rows.one_target, refit=True)
    if _kept(recipe):
        again = compare([recipe], Network(*question.sizes), question, key=key, progress=False)
        models = again[recipe.name].models
    else:
        experience = learn(Network(*question.sizes), question, key=key, progress=False)
        models = jax.tree.map(_first, experience.learnt(recipe).models[0])
    return jax.tree.map(_first, models)


def _first(leaf: Any) -> Any:
    return leaf[0] if eqx.is_array(leaf) else leaf


def _card(table: Table, comparison: Comparison, outcome: Outcome, recipe: Recipe) -> dict[str, Any]:
    """What the model was learnt from, and how well it did on rows that were held out."""
    measure, scores = comparison.measure, outcome.overall_at(None)
    return {
        "recipe": {
            "name": recipe.name,
            "setting": recipe.setting.value,
            "source": recipe.source,
            "learner": described(recipe, Choice(0, 0, 0))["learner"],
        },
        "scores": {
            "measure": measure.name,
            "higher_is_better": measure.higher_is_better,
            "divisions": [finite(float(score)) for score in scores],
            "mean": finite(float(scores.mean())),
        },
        "data": {
            "rows": len(table.x),
            "tasks": len(table),
            "inputs": table.x.shape[1],
            "digest": digest((table.x, table.y, table.task, table.names, table.columns)),
            "notes": list(table.notes),
        },
        "versions": {name: metadata.version(name) for name in PACKAGES},
    }
