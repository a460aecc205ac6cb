"""Tables as the command names them, and `learnset compare` on them."""

import abc
import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax.random as jr
import numpy as np
from rich.console import Console
from rich.table import Table as Lines
from tyro.conf import Positional

from ..comparison import Budget, compare, compare_rows, Comparison
from ..core import error_rate, InputError, mse
from ..data import read_table, sarcos, school, Table, tox21
from ..recipes import rows as tables
from ..report import Affinities, draw_table, TableFindings, words_of_table, write_study_page
from ..tasks import by_rows, by_tasks, HeldOutTasks
from ..training import write_json

FEWEST = 8  # tasks of which some can be held out
BESIDE = 10  # rows of a held-out task to be scored on, at least
MANY = 64  # tasks, of which each gives fewer points to a step
MOST_OBSERVED = 40  # tasks whose gradients are compared


@dataclasses.dataclass(frozen=True)
class AbstractTable(abc.ABC):
    """Rows with tasks."""

    @abc.abstractmethod
    def table(self) -> Table:
        """The table, as it was measured."""


@dataclasses.dataclass(frozen=True)
class School(AbstractTable):
    """Exam scores of pupils in 139 schools."""

    def table(self) -> Table:
        return school()


@dataclasses.dataclass(frozen=True)
class Sarcos(AbstractTable):
    """Seven torques of a robot arm."""

    def table(self) -> Table:
        return sarcos()


@dataclasses.dataclass(frozen=True)
class Tox21(AbstractTable):
    """Twelve assays of molecules."""

    def table(self) -> Table:
        return tox21()


@dataclasses.dataclass(frozen=True)
class OwnTable(AbstractTable):
    """Your own CSV, TSV or Parquet file: name the columns of the task and of the target, or several targets, each of which is
    a task on the same rows. Empty cells are missing."""

    path: Positional[Path] = Path()
    """the file"""
    task_column: str | None = None
    """the column that says which task a row belongs to"""
    target: str | None = None
    """the column to predict"""
    targets: tuple[str, ...] = ()
    """several columns to predict, each a task on the same rows"""
    inputs: tuple[str, ...] = ()
    """columns to predict from; all others, unless given"""
    leave_out: tuple[str, ...] = ()
    """columns that are no inputs"""
    categories: tuple[str, ...] = ()
    """columns whose numbers are names"""
    kind: Literal["told", "regression", "classification"] = "told"
    """what the target is; told from its values (words, or zeros and ones, are classes), unless given"""
    min_rows: int = 1
    """tasks with fewer labelled rows are left out"""

    def table(self) -> Table:
        columns: dict[str, Any] = {
            "inputs": self.inputs,
            "leave_out": self.leave_out,
            "categories": self.categories,
        }
        targets: dict[str, Any] = {
            "task": self.task_column,
            "target": self.target,
            "targets": self.targets,
        }
        kind = None if self.kind == "told" else self.kind == "classification"
        return read_table(
            self.path, **targets, **columns, classification=kind, min_rows=self.min_rows
        )


def compare_table(
    source: AbstractTable,
    network: Any,
    folder: Path,
    console: Console,
    *,
    meta: Any,
    shots: tuple[int, ...],
    seed: int,
    seeds: int | None,
    steps: int | None,
    quick: bool,
    resume: bool,
    overwrite: bool,
) -> None:
    """Runs all recipes on a table, and leaves numbers, figures and a page."""
    table = source.table()
    for note in table.notes:
        console.print(note, markup=False, highlight=False)
    seeds, steps = 3 if seeds is None else seeds, steps or (100 if quick else 300)
    Budget(shots=shots, seeds=seeds)  # says what is wrong with them before any work begins
    classes, key, points = bool(table.classes), jr.key(seed), 8 if len(table) > MANY else 16
    everyone = tables.standard_rows(
        len(table),
        table.x.shape[1],
        classes=classes,
        steps=steps,
        **({"lrs": (0.01,)} if quick else {}),
    )
    recipes = [r for r in everyone if r.name in tables.QUICK_ROWS] if quick else everyone
    saving = {"out": folder, "resume": resume, "overwrite": overwrite}
    rows = compare_rows(
        recipes,
        network,
        table,
        key=key,
        seeds=seeds,
        first_seed=seed,
        points_per_task=points,
        **saving,
    )
    if not rows.outcomes:
        raise InputError(
            "No recipe came to finite predictions: look for huge numbers in the table."
        )
    index = observed(table)
    one = by_rows(table, seed=seed)
    matrices = tables.affinities(network, one, index, classes=classes, steps=steps, key=key)
    new = on_new_tasks(
        table,
        network,
        folder,
        key=key,
        shots=shots,
        seed=seed,
        quick=quick,
        steps=steps,
        resume=resume,
    )
    found = TableFindings(
        table, rows, Affinities(*matrices, index), new, tables.BALANCED, "shared body"
    )
    about = meta()
    figures = draw_table(found, folder)
    words = words_of_table(found, figures, about["command"])
    (folder / "README.md").write_text(words)
    write_study_page(folder / "report.html", "Does learning together help?", words, about)
    write_tasks(folder / "tasks.csv", rows.of_tasks())
    write_json(folder / "result.json", record(found) | {"meta": about})
    console.print(lines_of(found))
    for message in rows.failures.values():
        console.print(message)
    console.print(
        f"{folder / 'report.html'} has the answers, {folder / 'result.json'} the numbers, tasks.csv each task."
    )


def observed(table: Table) -> np.ndarray:
    """The tasks with most rows, in their order."""
    count = np.array([len(table.rows_of(i)) for i in range(len(table))])
    return np.sort(np.argsort(-count, kind="stable")[:MOST_OBSERVED])


def on_new_tasks(
    table: Table,
    network: Any,
    folder: Path,
    *,
    key: Any,
    shots: tuple[int, ...],
    seed: int,
    quick: bool,
    steps: int,
    resume: bool,
) -> Comparison | None:
    """The comparison on tasks that are held out; None where there are too few of them with enough rows."""
    shots, tasks = held_out(table, shots, seed)
    if tasks is None:
        return None
    recipes = tables.standard_new(tasks, classes=bool(table.classes), steps=20 if quick else 50)
    recipes = [r for r in recipes if r.name in tables.QUICK_NEW] if quick else recipes
    number = min(25, tasks.train.weight.shape[0])
    plain = Budget(
        2 * steps, number, seeds=3, shots=shots, queries=30, validation_tasks=60, test_tasks=90
    )
    make_model = network(tasks.train.x.shape[-1], tasks.train.y.shape[-1])
    metric = error_rate if table.classes else mse
    saving = {"out": folder / "new-tasks", "resume": resume}
    return compare(recipes, make_model, tasks, key=key, budget=plain, metric=metric, **saving)


def held_out(
    table: Table, shots: tuple[int, ...], seed: int
) -> tuple[tuple[int, ...], HeldOutTasks | None]:
    """Tasks of which some are held out, with the numbers of rows to learn from that enough of them have."""
    count = np.array([len(table.rows_of(i)) for i in range(len(table))])
    shots = tuple(s for s in shots if (count >= s + BESIDE).sum() >= max(FEWEST, len(table) // 2))
    large = np.flatnonzero(count >= (shots[-1] if shots else 0) + BESIDE)
    if not shots or len(large) < FEWEST:
        return shots, None
    part = table.split_tasks(seed=seed)
    if any(not (part[large] == p).any() for p in range(3)):
        return shots, None
    queries = int(min(30, max(BESIDE, np.median(count[large]) - shots[-1])))
    return shots, by_tasks(
        table, part=part, shots=shots[len(shots) // 2], queries=queries, least=shots[-1] + BESIDE
    )


def record(found: TableFindings) -> dict[str, Any]:
    """All numbers, for `result.json`."""
    some = found.affinities
    names = [found.table.names[i] for i in some.index]
    affinity = {
        "tasks": names,
        "cosine": some.cosine.tolist(),
        "lookahead": some.lookahead.tolist(),
    }
    new = (
        {}
        if found.new is None
        else {"new_rows": found.new.rows(), "new_recipes": found.new.recipes(found.new.shots[-1])}
    )
    best = {
        o.name: list(o.chosen)
        for o in (found.rows.alone(), found.rows.pooled(), found.rows.together())
    }
    return {
        "rows": found.rows.records(),
        "best_of": best,
        "tasks": found.rows.of_tasks(),
        "affinity": affinity,
        "failures": found.rows.failures | ({} if found.new is None else found.new.failures),
        "notes": list(found.table.notes),
    } | new


def write_tasks(path: Path, records: Sequence[dict[str, Any]]) -> None:
    """One line for each task."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)


def lines_of(found: TableFindings) -> Lines:
    """The table for a terminal."""
    rows, alone = found.rows, found.rows.alone()
    shown = Lines(
        title=f"{rows.rows.measure} on rows that were not trained on (%)",
        caption="± is the 95 % interval over seeds",
    )
    for i, words in enumerate(("recipe", "", "score", "minus one model each")):
        shown.add_column(words, justify="left" if i < 2 else "right", no_wrap=i < 2)
    for outcome in [*rows, alone, rows.pooled(), rows.together()]:
        mean, half = rows.score(outcome)
        apart = (
            ""
            if outcome is alone
            else "{:+.1f} ± {:.1f}".format(*(100 * v for v in rows.difference(outcome, alone)))
        )
        name = outcome.name if outcome in rows.outcomes else f"best of: {outcome.name}"
        shown.add_row(name, outcome.setting.value, f"{100 * mean:.1f} ± {100 * half:.1f}", apart)
    return shown
