"""Several recipes on the tasks of a table, all of which are trained on, and scored on other rows."""

import abc
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import fast_dots, for_task, InputError, Model, predict, Split, stack
from ..data import Table
from ..tasks import by_rows, TableTasks
from ..training import Bar, claim, shown_by_default
from ._compare import Purpose, slug
from ._recipe import seed_keys, Setting
from ._row_comparison import RowComparison, RowOutcome, Rows


class AbstractFit(eqx.Module):
    """One way to learn all tasks of a table from their training rows, settings and all."""

    @abc.abstractmethod
    def fit(self, model: Model, tasks: TableTasks, *, key: Key[Array, ""]) -> Model:
        """Learns all tasks.

        **Returns:** a model, of which `for_task(index)`, if it has that, predicts for a task.
        """


class RowRecipe(eqx.Module):
    """One entry of a comparison on the rows of a table.

    `candidates` are ways to learn that differ in their settings; the one that is best on validation rows is scored.
    """

    name: str
    setting: Setting
    candidates: tuple[AbstractFit, ...]
    source: str = ""


def compare_rows(
    recipes: Sequence[RowRecipe],
    network: Callable[[int, int], Callable[[Key[Array, ""]], Model]],
    table: Table,
    *,
    key: Key[Array, ""],
    seeds: int = 3,
    first_seed: int = 0,
    points_per_task: int = 16,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
) -> RowComparison:
    """Learns the tasks of a table by several recipes, and scores them on rows that nothing was learnt from. Each seed has a
    division of its own of the rows (six tenths to train on, two to choose settings on, two to score on), scaled by its
    training rows; all recipes share it, and the initial model. Each recipe's settings are chosen on validation rows, for
    each seed apart.

    **Arguments:**

    - `recipes`: what is compared.
    - `network`: of the lengths of an input and of a target makes what makes the common initial model from a key.
    - `seeds`: how many divisions; they begin with number `first_seed`.
    - `points_per_task`: training points of each task in a step, at most.
    - `out`: a folder for each recipe's answers; with `resume`, recipes whose answers it holds are not run again.

    **Returns:** a `RowComparison`; a recipe whose answers are not finite, whatever its settings, is among its `failures`.

    **Raises:** `InputError` if two recipes have one name, for a folder in use, and as `by_rows` does.
    """
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InputError(f"Recipes need different names to be told apart; these are {names}.")
    tasks, rows, validation = divided(table, range(first_seed, first_seed + seeds), points_per_task)
    folder = None if out is None else claim(out, resume=resume, overwrite=overwrite) / "recipes"
    if folder is not None:
        folder.mkdir(exist_ok=True)
        (folder.parent / "metrics.jsonl").write_text("")
    make_model = network(tasks.points.x.shape[-1], rows.y.shape[-1])
    models = eqx.filter_jit(eqx.filter_vmap(make_model))(seed_keys(key, Purpose.MODEL, seeds))
    keys, outcomes, failures = seed_keys(key, Purpose.TRAINING, seeds), [], {}
    shown = shown_by_default() if progress is None else progress
    with Bar("recipes", len(recipes), shown=shown) as bar:
        for i, recipe in enumerate(recipes):
            path = None if folder is None else folder / f"{slug(recipe.name)}.npz"
            mark = _mark(recipe, models, tasks, keys)
            found = _kept(path, mark) if resume else None
            if found is None:
                began = time.perf_counter()
                found = (*_answers(recipe, models, tasks, keys), time.perf_counter() - began)
                _keep(path, mark, found)
            outcome = _outcome(recipe, rows, validation, *found)
            if outcome is None:
                failures[recipe.name] = (
                    f"{recipe.name}: its predictions are not finite, whatever its settings."
                )
            else:
                outcomes.append(outcome)
                _log(folder, outcome)
            bar.at(i + 1)
    return RowComparison(rows, tuple(outcomes), failures)


def divided(
    table: Table, seeds: Sequence[int], points_per_task: int = 16
) -> tuple[TableTasks, Rows, Rows]:
    """Tasks with a leading `seeds` axis, and the rows that are scored and that settings are chosen on."""
    half = max(1, points_per_task // 2)
    options = {"shots": half, "queries": half}
    each = [by_rows(table, seed=seed, **options) for seed in seeds]
    width = max(tasks.points.x.shape[-1] for tasks in each)
    shots, queries = min(tasks.shots for tasks in each), min(tasks.queries for tasks in each)
    same = {"inputs": (), "shots": shots, "queries": queries}
    each = [dataclasses.replace(by_rows(table, seed=seed, width=width), **same) for seed in seeds]
    stacked = jax.tree.map(
        lambda *leaves: jnp.stack(leaves) if eqx.is_array(leaves[0]) else leaves[0], *each
    )
    return stacked, _rows(table, each, Split.TEST), _rows(table, each, Split.VALIDATION)


def _rows(table: Table, each: Sequence[TableTasks], split: Split) -> Rows:
    points = [
        jax.tree.map(np.asarray, jax.vmap(lambda i, t=t: _targets(t, i, split))(jnp.arange(len(t))))
        for t in each
    ]
    y, weight = (np.stack([p[i] for p in points]).astype(np.float64) for i in (0, 1))
    row = np.stack([np.asarray(tasks.rows_of(split)) for tasks in each])
    std = np.stack([np.asarray(tasks.std, np.float64) for tasks in each])
    return Rows(y, weight > 0, row, std, table.names, table.classes, table.task is not None)


def _targets(tasks: TableTasks, index: Array, split: Split) -> tuple[Array, Array]:
    points = tasks.all_points(index, split)
    return points.y, points.weight


def _answers(
    recipe: RowRecipe, models: Model, tasks: TableTasks, keys: Array
) -> tuple[np.ndarray, np.ndarray]:
    """Predictions for validation and for scored rows, "seeds candidates tasks points out"."""
    found = []
    for candidates in _alike(recipe.candidates):
        found.append(
            jax.tree.map(np.asarray, _run(stack(candidates), len(candidates), models, tasks, keys))
        )
    return tuple(np.concatenate([answers[i] for answers in found], axis=1) for i in (0, 1))


@eqx.filter_jit
def _run(
    candidates: AbstractFit, count: int, models: Model, tasks: TableTasks, keys: Key[Array, "seeds"]
) -> tuple[Array, Array]:
    def one(
        candidate: AbstractFit, model: Model, tasks: TableTasks, key: Array
    ) -> tuple[Array, Array]:
        fitted = candidate.fit(model, tasks, key=key)
        return tuple(predictions(fitted, tasks, split) for split in (Split.VALIDATION, Split.TEST))

    arrays = eqx.if_array(0)
    of_seed = eqx.filter_vmap(one, in_axes=(arrays, None, None, None), axis_size=count)
    of_all = eqx.filter_vmap(of_seed, in_axes=(None, arrays, arrays, 0))
    return fast_dots(of_all)(candidates, models, tasks, keys)


def predictions(model: Model, tasks: TableTasks, split: Split) -> Float[Array, "tasks points out"]:
    """Predictions for all rows of all tasks in a split, as the tasks' targets are scaled."""
    view = jax.vmap(lambda i: predict(for_task(model, i), tasks.all_points(i, split).x))
    return view(jnp.arange(len(tasks)))


def _alike(candidates: Sequence[AbstractFit]) -> list[list[AbstractFit]]:
    """Neighbours that differ in numbers alone, and so are one program."""
    groups: list[list[AbstractFit]] = []
    for candidate in candidates:
        try:
            stack([groups[-1][-1], candidate])
            groups[-1].append(candidate)
        except (InputError, IndexError):
            groups.append([candidate])
    return groups


def _outcome(
    recipe: RowRecipe,
    rows: Rows,
    validation: Rows,
    on_validation: np.ndarray,
    scored: np.ndarray,
    seconds: float,
) -> RowOutcome | None:
    """The candidate of each seed that is best on validation rows; None where all of them have diverged."""
    scores = np.stack(
        [validation.score(np.float64(on_validation[:, c])) for c in range(on_validation.shape[1])],
        axis=1,
    )
    good = np.isfinite(scores) & np.isfinite(scored).all(axis=(2, 3, 4))
    if not good.any(axis=1).all():
        return None
    which = np.where(good, scores, -np.inf).argmax(axis=1)
    answers = np.float64(np.stack([scored[seed, c] for seed, c in enumerate(which)]))
    chosen = tuple(" ".join(repr(recipe.candidates[c]).split()) for c in which)
    return RowOutcome(
        recipe.name,
        recipe.setting,
        recipe.source,
        np.where(good, scores, np.nan),
        answers,
        chosen,
        seconds,
    )


def _log(folder: Path | None, outcome: RowOutcome) -> None:
    """One line of `metrics.jsonl` for a recipe that is done."""
    if folder is not None:
        scores = [float(score) for score in outcome.best_validation]
        line = {"run": outcome.name, "validation": scores, "seconds": round(outcome.seconds, 2)}
        with (folder.parent / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")


def _mark(recipe: RowRecipe, models: Model, tasks: TableTasks, keys: Array) -> str:
    """What a recipe's answers depend on, in few letters."""
    digest = hashlib.sha256(
        eqx.tree_pformat((recipe, keys.shape), width=10_000, short_arrays=False).encode()
    )
    for leaf in jax.tree.leaves((models, tasks, jax.random.key_data(keys))):
        digest.update(np.asarray(leaf).tobytes() if eqx.is_array(leaf) else repr(leaf).encode())
    return digest.hexdigest()


def _keep(path: Path | None, mark: str, found: tuple[np.ndarray, np.ndarray, float]) -> None:
    if path is not None:
        partial = path.with_name(f"{path.stem}.partial.npz")
        np.savez(
            partial, validation=found[0], scored=found[1], seconds=found[2], mark=np.array(mark)
        )
        partial.replace(path)


def _kept(path: Path | None, mark: str) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Answers of an earlier run.

    **Raises:** `InputError` if they are those of other data or settings.
    """
    if path is None or not path.is_file():
        return None
    with path.open("rb") as stream, np.load(stream) as file:
        if str(file["mark"]) != mark:
            raise InputError(
                f"{path} is of another table or other settings. Resume with those, or `overwrite` the run."
            )
        return file["validation"], file["scored"], float(file["seconds"])
