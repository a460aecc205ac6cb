"""Fitting of recipes for new tasks: chosen on tasks that are held out, then learnt from all."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array

from ..comparison import (
    Budget,
    ByTrees,
    Comparison,
    enough_rows,
    Experience,
    learn,
    NewTableTasks,
    Outcome,
    Recipe,
    rows_to_score,
)
from ..core import (
    AbstractAdapter,
    AbstractIterativeAdapter,
    at,
    Batch,
    fast_dots,
    finite,
    for_task,
    InputError,
    Model,
    predict,
    Split,
    Task,
)
from ..data import Table
from ..meta import too_large
from ..recipes import held_out, in_context
from ..tasks import AllRows, HeldOutTasks
from ._intervals import calibrated, Calibration, conformal
from ._newcomers import bounded, Newcomers, Plan, stand_in

SHOTS = (2, 5, 10, 20, 50)
WATCHED = (1, 2, 5, 10, 20, 50, 100)  # steps of adaptation after which it is scored
STEPS = 600  # of training
MOST_PER_STEP = 25  # tasks
FEWEST = 4  # rows of a task that is learnt from


class ForNew(NamedTuple):
    """What was learnt for new tasks: half widths of intervals (or nothing, for classes), the
    expected calibration error, what held-out tasks say, for the card, and for each known task its
    number among those that were learnt from, or -1."""

    newcomers: Newcomers
    shots: tuple[int, ...]
    half: tuple[float, ...]
    error: float
    records: list[dict[str, Any]]
    comparison: Comparison
    known: tuple[int, ...]


def recipes_for_new(table: Table) -> list[Recipe]:
    """The recipes for new tasks of a table; none where its tasks are targets."""
    if table.task is None:
        return []
    classes = bool(table.classes)  # whether a table is in range is said when one is named
    tasks = stand_in(table, table.x.shape[1])
    return [*held_out.standard(tasks, classes=classes), *in_context.standard(0, classes=classes)]


def for_new(
    table: Table,
    names: str | Mapping[int, str],
    everything: AllRows,
    network: Callable[[int, int], Any],
    *,
    seed: int,
    divisions: int,
) -> ForNew:
    """The recipes for new tasks, with the settings that are best on held-out tasks.

    **Arguments:** `names`: of one recipe, or of one for each number of rows.

    **Raises:** `InputError` for tables with too few tasks, and recipes that diverge.
    """
    one_row = table.one_row_of_each_group(seed=seed)
    tried = SHOTS if isinstance(names, str) else tuple(sorted(names))
    shots, large = enough_rows(one_row, tried)
    each = {n: names if isinstance(names, str) else names[n] for n in shots}
    if not shots or len(shots) < len(tried) and tried is not SHOTS:
        lack = tried[len(shots)]
        raise InputError(
            f"Recipes for new tasks are chosen on held-out tasks, but too few tasks have {lack}"
            " rows to learn from and 10 others. Use fewer rows, or a recipe for known tasks."
        )
    queries = rows_to_score(one_row, large, shots)
    question = NewTableTasks.of_table(
        one_row, large, shots=shots, seeds=range(seed, seed + divisions), queries=queries,
        watched=WATCHED,
    )  # fmt: skip
    options: dict[str, Any] = {"key": jr.key(seed), "progress": False}
    options["budget"] = Budget(STEPS, min(MOST_PER_STEP, len(table)))
    experience = learn(network(*_sizes(question.family)), question, **options)
    recipes = _named(question.family, table, each)
    comparison = experience.ask(question, recipes)
    if comparison.failures:
        raise InputError(f"{next(iter(comparison.failures.values()))} Choose another recipe.")
    whole = _all_tasks(everything, question.family)
    sets = at(whole, None)
    again = dataclasses.replace(question, sets=sets, names=(("",),))
    late = learn(network(*_sizes(whole)), again, **options)
    bases, plans, half, records, error = [], [], [], [], float("nan")
    order = list(dict.fromkeys(each.values()))
    learners = {name: chosen_learner(comparison[name]) for name in order}
    singles = {}
    for name, same in zip(order, _named(whole, table, order), strict=True):
        singles[name] = single(comparison[name].recipe, learners[name])
        rounds = experience.learnt(singles[name])
        bases.append(_learnt(single(same, learners[name]), late, whole, rounds.rounds))
    asked = question.ask(Split.TEST, None, experience.key)
    for n, name in each.items():
        outcome = comparison[name]
        adapter = _adapter(outcome, n, learners[name])
        models = experience.learnt(singles[name]).of_one
        z, y = _observed(adapter, models, asked, n)
        plan = Plan(n, name, order.index(name), adapter)
        if table.classes:
            fixed: Calibration = calibrated([(np.asarray(bounded(jnp.asarray(z))), y)])
            error = fixed.error
            plan = dataclasses.replace(
                plan, scale=float(fixed.scale[0]), offset=tuple(fixed.offset[0].tolist())
            )
        else:
            half.append(float(everything.std[0]) * conformal((y - z)[:, 0], len(large)))
        plans.append(plan)
        records.append(
            {
                "shots": n,
                "recipe": name,
                "adapter": " ".join(repr(adapter).split()),
                "measure": comparison.measure.name,
                "value": finite(float(outcome.overall_at(n).mean())),
            }
        )
    newcomers = Newcomers(tuple(bases), tuple(plans))
    numbers, enough = np.full(len(table), -1), _enough(everything)
    numbers[enough] = np.arange(len(enough))
    known = tuple(numbers.tolist())
    return ForNew(newcomers, shots, tuple(half), error, records, comparison, known)


def _named(tasks: HeldOutTasks, table: Table, names: Any) -> list[Recipe]:
    """The recipes of these names, in their order."""
    ins, outs = _sizes(tasks)
    classes = bool(table.classes)
    read = in_context.standard(ins, outs, classes=classes)
    known = {r.name: r for r in [*held_out.standard(tasks, classes=classes), *read]}
    wanted = dict.fromkeys(names.values() if isinstance(names, Mapping) else names)
    for name in wanted:
        if name in in_context.NAMES and not read:
            why = too_large(ins, outs if classes else 0)
            raise InputError(f"{name!r} is out of its range: {why}. Choose another recipe.")
        if name not in known:
            raise InputError(
                f"There is no recipe {name!r} for new tasks of this table. There are:"
                f" {', '.join(known)}."
            )
    return [known[name] for name in wanted]


def _sizes(tasks: HeldOutTasks) -> tuple[int, int]:
    return tasks.train.x.shape[-1], tasks.train.y.shape[-1]


def _all_tasks(everything: AllRows, like: HeldOutTasks) -> HeldOutTasks:
    """All tasks with a few rows, to learn from."""
    enough = _enough(everything)
    points = jax.tree.map(lambda leaf: leaf[enough], everything.tasks.points)
    return HeldOutTasks(points, points, points, like.shots, like.queries)


def _enough(everything: AllRows) -> np.ndarray:
    """The tasks that have enough rows to be learnt from."""
    return np.flatnonzero(np.asarray((everything.tasks.points.weight > 0).sum(axis=1)) >= FEWEST)


def chosen_learner(outcome: Outcome) -> int:
    """The learner that was chosen most often."""
    return Counter(c.learner for of in outcome.chosen for c in of).most_common(1)[0][0]


def single(recipe: Recipe, learner: int) -> Recipe:
    return dataclasses.replace(recipe, learners=(recipe.learners[learner],))


def _adapter(outcome: Outcome, shots: int, learner: int) -> AbstractAdapter:
    """The adapter that was chosen most often for a number of rows, with the median of its steps."""
    chosen = outcome.chosen[outcome.shots.index(shots)]
    chosen = [c for c in chosen if c.learner == learner] or list(chosen)
    best = Counter(c.adapter for c in chosen).most_common(1)[0][0]
    adapter: Any = outcome.recipe.adapters[best]
    if isinstance(adapter, AbstractIterativeAdapter):
        steps = sorted(c.steps for c in chosen if c.adapter == best)
        adapter = dataclasses.replace(adapter, steps=int(steps[len(steps) // 2]))
    return adapter


def _learnt(recipe: Recipe, experience: Experience, tasks: HeldOutTasks, rounds: Any) -> Model:
    """What a recipe with one learner makes of all tasks: trees as many as were best for divisions
    that hold out some."""
    learner = recipe.learners[0]
    if isinstance(learner, ByTrees):
        number = int(np.median([int(r) for r in rounds[0]]))
        return learner.grower.grown(tasks.flat(Split.TRAIN), rounds=number)[0]
    return at(experience.learnt(recipe).of_one, 0)


def _observed(
    adapter: AbstractAdapter, models: Model, asked: Task, shots: int
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and targets of the queries of all held-out tasks, after as many rows of each."""
    z = np.asarray(_predicted(adapter, models, asked, jnp.asarray(shots)), np.float64)
    inside = np.asarray(asked.query.weight) > 0
    return z[inside], np.asarray(asked.query.y, np.float64)[inside]


@eqx.filter_jit
def _predicted(adapter: AbstractAdapter, models: Model, asked: Task, shots: Array) -> Array:
    def of_seed(model: Model, tasks: Task) -> Array:
        view = for_task(model, jnp.asarray(-1))

        def of_task(support: Batch, query: Batch) -> Array:
            inside = jnp.arange(len(support.weight)) < shots
            weight = support.weight * inside.astype(support.weight.dtype)
            support = Batch(support.x, support.y, weight)
            return predict(adapter.adapt(view, support), query.x, query.weight)

        return jax.vmap(of_task)(tasks.support, tasks.query)

    return fast_dots(eqx.filter_vmap(of_seed))(models, asked)
