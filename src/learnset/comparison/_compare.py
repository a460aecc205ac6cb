"""Several recipes on the same tasks, under the same budget."""

import enum
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Key

from ..core import (
    AbstractAdapter,
    AbstractIterativeAdapter,
    calibration_error,
    confidence,
    DivergedError,
    error_rate,
    for_task,
    InputError,
    is_transductive,
    Loss,
    Model,
    mse,
    nbytes,
    Split,
    Task,
)
from ..tasks import AbstractTasks
from ..training import claim, draw_seeds, score_seeds, train, Trained
from ._comparison import Comparison, Outcome
from ._recipe import Recipe, seed_keys


class Purpose(enum.IntEnum):
    """What a random key is for; keys of different purposes never meet."""

    MODEL = 0
    EXTENSION = 1
    NUMBERED = 2
    TRAINING = 3
    VALIDATION = 4
    TEST = 5
    FINISH = 6


class Budget(eqx.Module):
    """What every recipe of a comparison is given.

    **Arguments:**

    - `steps`, `tasks_per_step`: of training, with Adam and step size `lr`.
    - `seeds`: repetitions with a new initial model, new training tasks and new test tasks.
    - `shots`: support points of the held-out tasks. A smaller support set is the beginning of a larger one.
    - `queries`: query points of the held-out tasks.
    - `validation_tasks`, `test_tasks`: held-out tasks for each seed, to choose an adapter by and to score it on.
    - `watched`: after which steps of adaptation held-out tasks are scored, beside before the first and after the last;
        all of them, unless said otherwise. The number of steps is chosen among these.
    """

    steps: int = 2000
    tasks_per_step: int = 25
    lr: float = 1e-3
    seeds: int = 5
    shots: tuple[int, ...] = (2, 5, 10, 20)
    queries: int = 50
    validation_tasks: int = 30
    test_tasks: int = 120
    watched: tuple[int, ...] | None = None

    def __check_init__(self):
        if not self.shots or min(self.shots) < 1 or list(self.shots) != sorted(set(self.shots)):
            raise InputError(
                f"`shots={self.shots}`, but they must be different whole numbers, rising, at least 1."
            )
        for name in (
            "steps",
            "tasks_per_step",
            "seeds",
            "queries",
            "validation_tasks",
            "test_tasks",
        ):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}={getattr(self, name)}`, but it must be at least 1.")
        if self.watched is not None and min(self.watched, default=1) < 1:
            raise InputError(
                f"`watched={self.watched}`, but the first step is 1; before it is always watched."
            )

    def watched_of(self, adapter: AbstractAdapter) -> tuple[int, ...] | None:
        """After which of an adapter's steps it is scored, with 0 for before any; None is all."""
        steps = getattr(adapter, "steps", None)
        if (
            self.watched is None
            or not isinstance(adapter, AbstractIterativeAdapter)
            or not isinstance(steps, int)
        ):
            return None
        return tuple(
            sorted({0, min(1, steps), steps, *(step for step in self.watched if step < steps)})
        )


def compare(
    recipes: Sequence[Recipe],
    make_model: Callable[[Key[Array, ""]], Model],
    tasks: AbstractTasks,
    *,
    key: Key[Array, ""],
    budget: Budget | None = None,
    metric: Loss = mse,
    out: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
) -> Comparison:
    """Trains and scores recipes so that they can be compared: for each seed they share the initial model, the stream of
    training tasks, the validation tasks and the held-out test tasks. Each recipe's adapter (its step size, say) is
    chosen on validation tasks, for each number of shots. Nothing is chosen on test tasks. Recipes that differ in their
    adapters alone are trained once.

    **Arguments:**

    - `recipes`: what is compared; one of them has no method and learns from scratch, and is what others are paired with.
    - `make_model`: makes an initial model from a key. `tasks`: the family, as it is trained on.
    - `budget`: what each recipe is given.
    - `metric`: of a predictor on a query set.
    - `out`, `checkpoint_every`, `resume`, `overwrite`, `progress`: as in `train`, for each recipe's training.

    **Returns:** a `Comparison`; a recipe whose training diverges is among its `failures`, and the others go on.

    **Raises:** as `train`, but for that; and `InputError` if two recipes have one name.

    >>> import jax.random as jr, learnset as ls
    >>> recipes = [ls.recipes.regression.scratch(steps=5), ls.recipes.regression.maml(steps=5)]
    >>> budget = ls.Budget(steps=10, seeds=2, shots=(5,), test_tasks=20)
    >>> make = lambda key: ls.MLP(1, 1, key=key)
    >>> [outcome.recipe.name for outcome in ls.compare(recipes, make, ls.Sinusoids(), key=jr.key(0), budget=budget)]
    ['scratch', 'MAML']
    """
    budget = Budget() if budget is None else budget
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InputError(f"Recipes need different names to be told apart; these are {names}.")
    folder = None if out is None else claim(out, resume=resume, overwrite=overwrite)
    models = eqx.filter_jit(eqx.filter_vmap(make_model))(
        seed_keys(key, Purpose.MODEL, budget.seeds)
    )
    outcomes, failures, done = [], {}, []
    for recipe in recipes:
        training = None if folder is None else folder / "checkpoints" / slug(recipe.name)
        try:
            trained, finite = next(
                (result for other, result in done if other.trains_as(recipe)), (None, None)
            )
            if trained is None:
                saving = (training, checkpoint_every, resume, progress)
                trained, finite = _trained(recipe, models, tasks, budget, key, *saving)
                done.append((recipe, (trained, finite)))
            outcomes.append(_scored(recipe, trained, finite, tasks, budget, metric, key))
        except DivergedError as error:  # it is reported, and the others go on
            failures[recipe.name] = str(error)
        _gather_metrics(folder)
    return Comparison(tuple(outcomes), budget.shots, budget.seeds, failures, metric)


def slug(name: str) -> str:
    """A name as part of a file's name."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _trained(
    recipe, models, tasks, budget, key, out, checkpoint_every, resume, progress
) -> tuple[Trained, Any]:
    models = recipe.make_model(models, seed_keys(key, Purpose.EXTENSION, budget.seeds))
    if recipe.method is None:
        return Trained(models, None, {}, 0), None
    training_tasks = recipe.make_training_tasks(
        tasks, seed_keys(key, Purpose.NUMBERED, budget.seeds)
    )
    trained = train(
        recipe.method,
        models,
        training_tasks,
        _adam(budget.lr),
        steps=budget.steps,
        key=seed_keys(key, Purpose.TRAINING, budget.seeds),
        tasks_per_step=budget.tasks_per_step,
        out=out,
        checkpoint_every=checkpoint_every,
        resume=resume,
        progress=progress,
        name=recipe.name,
    )
    return trained, training_tasks


_optimisers: dict[float, optax.GradientTransformation] = {}


def _adam(lr: float) -> optax.GradientTransformation:
    """One object for one step size: compiled programs are found again by the identity of their optimiser."""
    return _optimisers.setdefault(lr, optax.adam(lr))


def _scored(recipe, trained, finite, tasks, budget, metric, key) -> Outcome:
    validation = _draw(recipe, finite, tasks, budget, Split.VALIDATION, key)
    test = _draw(recipe, finite, tasks, budget, Split.TEST, key)
    models = recipe.finished(trained.model, finite, seed_keys(key, Purpose.FINISH, budget.seeds))
    models = models if recipe.on_seen else _for_new_tasks(models)
    shots = (finite.points.weight.shape[2],) if recipe.on_seen else budget.shots
    each = 1 if recipe.on_seen else tasks.points_per_shot
    chosen, errors, seconds, calibrations, watched = [], [], [], [], (0,)
    for number in shots:
        best, place = _best(recipe.candidates, models, validation, number * each, budget, metric)
        adapter = recipe.candidates[best]
        if not chosen and _shapes(test) != _shapes(validation):
            _errors(
                adapter, models, test, number * each, budget, metric
            )  # compiles, so that the next is timed
        began = time.perf_counter()
        found, sure = _errors(adapter, models, test, number * each, budget, metric)
        seconds.append((time.perf_counter() - began) / found[..., 0].size)
        errors.append(found)
        watched = budget.watched_of(adapter) or tuple(range(found.shape[-1]))
        chosen.append((best, watched[place]))
        if sure is not None:
            calibrations.append(calibration_error(sure[:, :, place, 0], sure[:, :, place, 1]))
    return Outcome(
        recipe,
        shots=tuple(shots),
        errors=np.stack(errors),
        watched=watched,
        chosen=tuple(chosen),
        stored_bytes=0 if recipe.method is None else nbytes(models) // budget.seeds,
        train_seconds=trained.seconds,
        compile_seconds=trained.compile_seconds,
        adapt_seconds=float(np.median(seconds)),
        calibration=tuple(calibrations),
        models=models,
        transductive=recipe.candidates[0].transductive or is_transductive(models),
    )


def _errors(
    adapter: AbstractAdapter, models: Model, batch: Task, points: int, budget: Budget, metric: Loss
) -> tuple[np.ndarray, np.ndarray | None]:
    """Errors, "seeds tasks watched"; of classes also how sure each prediction was and whether it was right."""
    steps = budget.watched_of(adapter)
    if metric is not error_rate:
        return score_seeds(adapter, models, batch, points, metric, steps), None
    sure = score_seeds(
        adapter, models, batch, points, confidence, steps
    )  # errors follow from it: one program, not two
    return 1 - np.nanmean(sure[..., 1, :], axis=-1), sure


def _draw(
    recipe: Recipe, finite: Any, tasks: AbstractTasks, budget: Budget, split: Split, key: Array
) -> Task:
    """Held-out tasks for each seed; of seen tasks their own held-out points."""
    purpose = Purpose.TEST if split is Split.TEST else Purpose.VALIDATION
    keys = seed_keys(key, purpose, budget.seeds)
    if recipe.on_seen:
        queries = min(budget.queries, finite.held_out.weight.shape[2] // 2)
        finite = eqx.tree_at(lambda f: f.queries, finite, queries)
        return eqx.filter_jit(eqx.filter_vmap(lambda f, k: f.draw(len(f), split, key=k)))(
            finite, keys
        )
    number = budget.test_tasks if split is Split.TEST else budget.validation_tasks
    return draw_seeds(
        recipe.view(tasks).with_shots(max(budget.shots), budget.queries), number, split, keys
    )


def _shapes(batch: Task) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(batch)]


@eqx.filter_jit
def _for_new_tasks(models: Model) -> Model:
    """What a task sees that no set numbers."""
    return eqx.filter_vmap(lambda model: for_task(model, jnp.asarray(-1)))(models)


def _best(
    candidates: tuple[AbstractAdapter, ...],
    models: Model,
    validation: Task,
    points: int,
    budget: Budget,
    metric: Loss,
) -> tuple[int, int]:
    """The candidate, and the place among the steps watched, with the lowest error on validation tasks. What diverges is
    never it."""
    curves = [
        _errors(a, models, validation, points, budget, metric)[0].mean(axis=(0, 1))
        for a in candidates
    ]
    curves = [np.nan_to_num(curve, nan=np.inf) for curve in curves]
    best = int(np.argmin([curve.min() for curve in curves]))
    return best, int(np.argmin(curves[best]))


def _gather_metrics(folder: Path | None) -> None:
    """One `metrics.jsonl` of all trainings so far."""
    if folder is not None:
        logs = sorted(
            (folder / "checkpoints").glob("*/metrics.jsonl"), key=lambda path: path.stat().st_mtime
        )
        partial = folder / "metrics.jsonl.partial"
        partial.write_text("".join(log.read_text() for log in logs))
        partial.replace(folder / "metrics.jsonl")
