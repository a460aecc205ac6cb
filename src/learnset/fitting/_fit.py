"""Fitting: the recipe that is best on validation rows, learnt from all rows, to be used."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
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
    OfCounts,
    Outcome,
    Recipe,
    SeenTasks,
)
from ..core import at, few, finite, InputError, versions
from ..data import kept_rows, limited, Schema, Table, with_rows_in_each_part
from ..models import MLP
from ..recipes import rows
from ..tasks import all_rows, TableTasks
from ..training import digest
from ._correction import MOST_ROWS
from ._fitted import Fitted
from ._intervals import Calibration, conformal, Intervals
from ._new_tasks import chosen_learner, for_new, recipes_for_new, single
from ._newcomers import PerTask
from ._outputs import Outputs
from ._residuals import further, judged

AUTO = "auto"
DIVISIONS = 5
LARGE = 50_000  # rows, of which one division has enough to score on
DIVIDING = ("group", "time", "split")
STOPPED_BY = 0.1  # of the rows: networks and trees grow until these stop improving
STEPS = 3000  # of training of a network, at most
SOME = 50  # rows of a task that say how far it is from the mean of tasks
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
    new_tasks: Mapping[int, str] | None = None,
) -> Fitted:
    """A model of a table, to be used: it predicts rows of its tasks and of others, adapts to a new
    task from a few rows, and is saved as one file.

    The rows are divided several times, as `compare` does. Settings are chosen on validation rows,
    scores and intervals come from rows that were held out, and then the recipe learns from all
    rows.

    **Arguments:**

    - `recipe`: the name of one of `learnset.recipes.rows.standard`, or several of which the best on
      validation rows is taken; or of one for new tasks (`learnset.recipes.held_out.standard`) that
      then learns each known task from its rows. Default: among those of a short comparison.
    - `seed`: of all randomness. `divisions`: of the rows; default: 5, or 1 of a large table.
    - `steps`: of training of a network, at most. `weight`: of each row, where rows do not count
      the same when a model learns; scores count them alike.
    - `new_tasks`: the recipe by which `adapt` learns a new task, for each number of its rows.
      Default: what these rows add to the mean of tasks.

    **Raises:** `InputError` for a recipe that is not known, and where no recipe has finite
    predictions.

    >>> import numpy as np, learnset as ls
    >>> x, shop = np.arange(40.0)[:, None], np.repeat(["east", "west"], 20)
    >>> table = ls.Table.from_arrays(x, 2 * x[:, 0] + 100 * (shop == "west"), shop)
    >>> fitted = ls.fit(table, "ridge with offsets")
    >>> fitted
    Fitted(ridge with offsets, 2 tasks, 1 inputs, regression)
    """
    weight = None if weight is None else weight[kept_rows(table, part=table.part)[0]]
    table = limited(table, say=True)
    first, *others = [recipe] if isinstance(recipe, str) else recipe
    if not others and first in _only_for_new(table, steps):
        if weight is not None:
            raise InputError(
                f"{first!r} is a recipe for new tasks: it takes no weights of rows. Use one for"
                " known tasks."
            )
        return _by_adaptation(table, first, seed, divisions or DIVISIONS, new_tasks)
    if new_tasks and (weight is not None or table.task is None):
        raise InputError("`new_tasks` needs a column of tasks, and takes no weights of rows.")
    count = divisions or (DIVISIONS if len(table.x) <= LARGE else 1)
    if table.part is not None:
        count = 1  # the division is given
    seeds = range(seed, seed + count)
    some = with_rows_in_each_part(table, seeds)
    if some is not table and weight is not None:
        raise InputError("Rows are weighed, but some tasks lack rows in a part of the divisions.")
    logs, candidates = _logs(table), _candidates(table, some, recipe, steps)
    points = 8 if len(table) > MANY else 16
    question = SeenTasks.of_table(some, seeds=seeds, points_per_task=points)
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
    learner = chosen_learner(outcome)
    if len(alike(outcome.recipe.learners)) > 1:  # the divisions need models of one structure
        comparison = ask([single(outcome.recipe, learner)])
        outcome = comparison[outcome.name]
    # With all tasks of the table: some may have been left out of the divisions.
    chosen = single(next(r for r in recipes_of(table, steps) if r.name == outcome.name), learner)
    judgement = judged(some, comparison, outcome, weight)
    intervals = judgement.intervals
    if intervals is not None:
        intervals = intervals.of_more(table.names, some.names)
    half = max(1, points // 2)
    everything = all_rows(table, shots=half, queries=half, validation=_kept(chosen), seed=seed)
    new = None
    if new_tasks:
        new = for_new(
            table, new_tasks, all_rows(table, seed=seed), Network, seed=seed, divisions=DIVISIONS
        )
        if intervals is not None:
            intervals = intervals._replace(shots=new.shots, adapted=new.half)
    return Fitted(
        schema=_of_inputs(table.schema),
        encoding=everything.encoding,
        mean=everything.mean,
        std=everything.std,
        model=_learnt(_weighted(everything.tasks, weight), comparison, chosen, key),
        penalties=judgement.penalties,
        intervals=intervals,
        calibration=judgement.calibration,
        logs=logs,
        card=_card(
            _with_note(table, some), comparison, outcome, chosen, new.records if new else []
        ),
        newcomers=new.newcomers if new else None,
    )


def _by_adaptation(
    table: Table, name: str, seed: int, divisions: int, new_tasks: Mapping[int, str] | None
) -> Fitted:
    """A recipe for new tasks: each known task is learnt from its rows, as a new one is. New tasks
    may have recipes of their own."""
    everything = all_rows(table, seed=seed)
    options: dict[str, Any] = {"seed": seed, "divisions": divisions}
    new = late = for_new(table, name, everything, Network, **options)
    if new_tasks:
        late = for_new(table, new_tasks, everything, Network, **options)
    points = jax.tree.map(np.asarray, everything.tasks.points)
    x, y = (
        [part[task][points.weight[task] > 0][:MOST_ROWS] for task in range(len(table))]
        for part in (points.x, points.y)
    )
    room = max(map(len, x)) if new.newcomers.in_context else 0
    each = zip(x, y, new.known, strict=True)
    model = PerTask.of(
        [new.newcomers.learnt(*rows, known=known, room=room)[0] for *rows, known in each]
    )
    intervals, calibration = None, None
    if table.classes:
        calibration = Calibration(np.ones(1), np.zeros((1, len(table.classes))), new.error)
    else:
        far = further(len(table)) * float(everything.std[0])
        mean = Outputs(model, len(table))
        some = zip([rows[:SOME] for rows in x], [rows[:SOME] for rows in y], strict=True)
        left = [(rows - mean(inputs, np.full(len(inputs), -1)))[:, 0] for inputs, rows in some]
        unknown = far * conformal(np.concatenate(left), len(table))
        intervals = Intervals(np.zeros(0), unknown, new.shots, new.half)
        intervals = intervals._replace(
            tasks=np.array([intervals.after(len(rows)) for rows in x]),
            shots=late.shots,
            adapted=late.half,
        )
    outcome = new.comparison[name]
    recipe = single(outcome.recipe, chosen_learner(outcome))
    return Fitted(
        schema=_of_inputs(table.schema),
        encoding=everything.encoding,
        mean=everything.mean,
        std=everything.std,
        model=model,
        penalties={},
        intervals=intervals,
        calibration=calibration,
        logs=_logs(table),
        card=_card(table, new.comparison, outcome, recipe, late.records),
        newcomers=late.newcomers,
    )


def recipes_of(table: Table, steps: int = STEPS) -> list[Recipe]:
    """The recipes that can be fitted to a table."""
    options: dict[str, Any] = {"targets": table.task is None, "counts": table.counts}
    options |= {"complete": bool(np.isfinite(table.y).all())}
    options |= {"classes": bool(table.classes), "quick": True}
    return rows.standard(len(table), table.x.shape[1], steps=steps, **options)


def _candidates(table: Table, some: Table, recipe: str | Sequence[str], steps: int) -> list[Recipe]:
    """The recipes that are named, for the tasks that can be divided."""
    names = [one.name for one in recipes_of(table, steps)]
    known = [one for one in recipes_of(some, steps) if one.name in names]
    if recipe == AUTO:
        return [one for one in known if one.quick]
    wanted = [recipe] if isinstance(recipe, str) else list(recipe)
    for name in wanted:
        if name not in {one.name for one in known}:
            listed = ", ".join([one.name for one in known] + _only_for_new(table, steps))
            raise InputError(f"There is no recipe {name!r} for this table. There are: {listed}.")
    return [one for one in known if one.name in wanted]


def _only_for_new(table: Table, steps: int) -> list[str]:
    """The names of recipes that are for new tasks alone."""
    known = {one.name for one in recipes_of(table, steps)}
    return [one.name for one in recipes_for_new(table) if one.name not in known]


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
    """The tasks with weights for their rows, of mean one: for those that are learnt from, and for
    those by which training is stopped."""
    if weight is None:
        return tasks

    def weighted(old: Array, rows: Array) -> Array:
        of_rows = np.where(np.asarray(rows) < 0, 0, (weight / weight.mean())[np.asarray(rows)])
        of_rows = of_rows[..., None] if of_rows.ndim < old.ndim else of_rows
        return old * jnp.asarray(of_rows, old.dtype)

    new = tuple(map(weighted, (tasks.points.weight, tasks.held_out.weight), tasks.rows))
    return eqx.tree_at(lambda t: (t.points.weight, t.held_out.weight), tasks, new)


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
    learner = learner.learner if isinstance(learner, OfCounts) else learner
    return STOPPED_BY if isinstance(learner, ByEarlyStopping | ByTrees) else 0.0


def _learnt(tasks: TableTasks, comparison: Comparison, recipe: Recipe, key: Key[Array, ""]) -> Any:
    """The model that a recipe with one learner makes of all rows: one that grows until some rows
    are predicted no better grows again, as long, from these rows as well."""
    asked: Any = comparison.question
    question = SeenTasks(at(tasks, None), asked.measure, comparison.rows.one_target, refit=True)
    experience = learn(Network(*question.sizes), question, key=key, progress=False)
    learnt = experience.learnt(recipe)
    models = learnt.models
    if learnt.rounds is not None:
        models, _ = experience.learnt_again(recipe, learnt, [0])
    return at(models[0], (0, 0))


def _card(
    table: Table,
    comparison: Comparison,
    outcome: Outcome,
    recipe: Recipe,
    new_tasks: list[dict[str, Any]],
) -> dict[str, Any]:
    """What the model was learnt from, and how well it did on rows that were held out."""
    measure, scores = comparison.measure, outcome.overall_at(outcome.shots[-1])
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
            "shots": outcome.shots[-1],
            "divisions": [finite(float(score)) for score in scores],
            "mean": finite(float(scores.mean())),
        },
        "new_tasks": new_tasks,
        "data": {
            "rows": len(table.x),
            "tasks": len(table),
            "inputs": table.x.shape[1],
            "digest": digest((table.x, table.y, table.task, table.names, table.columns)),
            "notes": list(table.notes),
        },
        "versions": versions(),
    }


def _with_note(table: Table, some: Table) -> Table:
    """The table with a note on tasks that are not scored."""
    if some is table:
        return table
    lack = [name for name in table.names if name not in set(some.names)]
    note = (
        f"{len(lack)} of {len(table)} tasks have no rows in some part of the divisions: they are"
        f" learnt, but not scored, and have the widest interval of the others: {few(lack)}."
    )
    warnings.warn(note, stacklevel=3)
    return dataclasses.replace(table, notes=(*table.notes, note))
