"""Tables as subjects: one model per task, pooled, or learnt together?"""

import abc
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax.random as jr
import numpy as np
from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional

from ...comparison import (
    Accuracy,
    Budget,
    compare,
    Comparison,
    MeanSquaredError,
    NewTasks,
    SeenTasks,
)
from ...core import InputError
from ...data import limited, read_table, sarcos, school, Table, tox21
from ...recipes import held_out, rows
from ...recipes.affinity import affinities
from ...report import (
    draw_table,
    Page,
    page_of_table,
    print_page,
    reading_grid,
    Section,
    TableResult,
)
from ...tasks import by_rows, by_tasks, HeldOutTasks
from .._options import check_counts, check_rising, say_notes
from ._base import AbstractSubject, Answer, record_of
from ._network import Network

FEWEST = 8  # tasks of which some can be held out
QUERIES = 10  # rows of a held-out task to be scored on, at least
MOST_LINES = 20  # of the columns on the terminal
MANY = 64  # tasks, of which each gives fewer points to a step
MOST_OBSERVED = 40  # tasks whose gradients are compared
UNIFORM = rows.SHARED
BALANCED = (f"{UNIFORM} + FAMO", f"{UNIFORM} + UPGrad")


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
    """Your own CSV, TSV or Parquet file: name the columns of the task and of the target, or several
    targets, each of which is a task on the same rows. Empty cells are missing."""

    path: Positional[Path] = Path()
    """the file"""
    task_column: str | None = None
    """the column that says which task a row belongs to"""
    target: str | None = None
    """the column to predict"""
    targets: tuple[str, ...] = ()
    """several columns to predict, each a task on the same rows"""
    inputs: tuple[str, ...] = ()
    """columns to predict from; default: all others"""
    leave_out: tuple[str, ...] = ()
    """columns that are no inputs, of any type"""
    categories: tuple[str, ...] = ()
    """columns whose values are names, letter by letter"""
    kind: Literal["inferred", "regression", "classification"] = "inferred"
    """of the target; default: inferred from its values (words, or zeros and ones, are classes)"""
    min_rows: int = 1
    """tasks with fewer labelled rows are left out"""
    schema: Path | None = None
    """how columns are read: the `schema.json` of an earlier run, corrected or not"""

    def table(self) -> Table:
        return read_table(
            self.path,
            task=self.task_column,
            target=self.target,
            targets=self.targets,
            inputs=self.inputs,
            leave_out=self.leave_out,
            categories=self.categories,
            classification=None if self.kind == "inferred" else self.kind == "classification",
            min_rows=self.min_rows,
            schema=self.schema,
        )


@dataclasses.dataclass(frozen=True)
class TableAnswer(Answer):
    """The result of a comparison on a table."""

    result: TableResult

    def record(self) -> dict[str, Any]:
        result = self.result
        comparisons = [result.seen, *([] if result.new is None else [result.new])]
        some = result.affinities
        names = [result.table.names[i] for i in some.index]
        return record_of(comparisons, None, result.table.notes) | {
            "best_of": {
                name: [_member(outcome, seed) for seed in range(result.seen.question.seeds)]
                for name, outcome in result.contrasted().items()
            },
            "tasks": result.of_tasks(),
            "affinity": {
                "tasks": names,
                "cosine": some.cosine.tolist(),
                "lookahead": some.lookahead.tolist(),
            },
        }

    def draw(self, folder: Path, command: str) -> Page:
        return page_of_table(self.result, draw_table(self.result, folder), command)

    def tables(self) -> dict[str, Sequence[dict[str, Any]]]:
        return {"tasks.csv": self.result.of_tasks()}

    def texts(self) -> dict[str, str]:
        return {"schema.json": self.result.table.schema.to_json()}


def _member(outcome: Any, seed: int) -> str:
    members = getattr(outcome, "members", None)
    return outcome.name if members is None else members[-1][seed]


@dataclasses.dataclass(frozen=True)
class AbstractTableSubject(AbstractSubject):
    """A table: its rows, and tasks that are held out."""

    steps: int | None = None
    """training steps of a network; default: 300, or 100 with --quick"""
    test_shots: tuple[int, ...] = (2, 5, 10, 20)
    """rows of held-out tasks to learn from, rising"""
    seeds: int | None = None
    """divisions of the rows; default: 3"""

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, "steps", "seeds")
        check_rising("--test-shots", self.test_shots)

    @property
    def source(self) -> AbstractTable:
        return self.tasks  # pyright: ignore[reportAttributeAccessIssue]  # a field of each subject

    def answer(self, folder: Path, console: Console) -> Answer:
        table = limited(self.source.table(), seed=self.seed)
        say_notes(table.notes, console)
        if table.reading:
            grid = reading_grid(table, MOST_LINES)
            print_page(Page("", (Section("", (grid,), brief=True),)), console)
        seen = self._on_rows(table, folder)
        if not seen.outcomes:
            raise InputError(
                "No recipe has finite predictions: look for huge numbers in the table."
            )
        steps, key = self._steps, jr.key(self.seed)
        one = by_rows(table, seed=self.seed)
        sizes = one.of(0)[0]
        network = Network(sizes.x.shape[-1], sizes.y.shape[-1])
        matrices = affinities(network, one, observed(table), steps=steps, key=key)
        new = self._on_new_tasks(table, folder)
        return TableAnswer(TableResult(table, seen, matrices, new, BALANCED, UNIFORM))

    @property
    def _steps(self) -> int:
        return self.steps or (100 if self.quick else 300)

    def _on_rows(self, table: Table, folder: Path) -> Comparison:
        seeds = range(self.seed, self.seed + (self.seeds or 3))
        points = 8 if len(table) > MANY else 16
        question = SeenTasks.of_table(table, seeds=seeds, points_per_task=points)
        options: dict[str, Any] = {"classes": bool(table.classes), "steps": self._steps}
        options |= {"lrs": (0.01,)} if self.quick else {}
        recipes = rows.standard(len(table), table.x.shape[1], **options)
        return compare(
            self.chosen(recipes),
            Network(*question.sizes),
            question,
            key=jr.key(self.seed),
            out=folder,
            resume=self.resume,
            overwrite=self.overwrite,
        )

    def _on_new_tasks(self, table: Table, folder: Path) -> Comparison | None:
        """The comparison on tasks that are held out; None where there are too few of them with
        enough rows."""
        shots, tasks = tasks_held_out(table, self.test_shots, self.seed)
        if tasks is None:
            return None
        classes = bool(table.classes)
        recipes = held_out.standard(tasks, classes=classes, steps=20 if self.quick else 50)
        measure = Accuracy() if classes else MeanSquaredError()
        options: dict[str, Any] = {"validation_tasks": 60, "test_tasks": 90, "queries": 30}
        return compare(
            self.chosen(recipes),
            Network(tasks.train.x.shape[-1], tasks.train.y.shape[-1]),
            NewTasks(tasks, measure, 3, shots, **options),
            key=jr.key(self.seed),
            budget=Budget(2 * self._steps, min(25, tasks.train.weight.shape[0])),
            out=folder / "new-tasks",
            resume=self.resume,
        )


def observed(table: Table) -> np.ndarray:
    """The tasks with most rows, in their order."""
    count = np.array([len(table.rows_of(i)) for i in range(len(table))])
    return np.sort(np.argsort(-count, kind="stable")[:MOST_OBSERVED])


def tasks_held_out(
    table: Table, shots: tuple[int, ...], seed: int
) -> tuple[tuple[int, ...], HeldOutTasks | None]:
    """Tasks of which some are held out, with the numbers of rows to learn from that enough of them
    have."""
    count = np.array([len(table.rows_of(i)) for i in range(len(table))])
    least = max(FEWEST, len(table) // 2)
    shots = tuple(s for s in shots if (count >= s + QUERIES).sum() >= least)
    large = np.flatnonzero(count >= (shots[-1] if shots else 0) + QUERIES)
    if not shots or len(large) < FEWEST:
        return shots, None
    part = table.split_tasks(seed=seed)
    if any(not (part[large] == p).any() for p in range(3)):
        return shots, None
    queries = int(min(30, max(QUERIES, np.median(count[large]) - shots[-1])))
    middle = shots[len(shots) // 2]
    options: dict[str, Any] = {"queries": queries, "least": shots[-1] + QUERIES}
    return shots, by_tasks(table, part=part, shots=middle, **options)


@dataclasses.dataclass(frozen=True)
class SchoolSubject(AbstractTableSubject):
    """Compares recipes on exam scores of pupils in 139 schools."""

    tasks: OmitArgPrefixes[School] = dataclasses.field(default_factory=School)
    word: ClassVar[str] = "school"


@dataclasses.dataclass(frozen=True)
class SarcosSubject(AbstractTableSubject):
    """Compares recipes on seven torques of a robot arm."""

    tasks: OmitArgPrefixes[Sarcos] = dataclasses.field(default_factory=Sarcos)
    word: ClassVar[str] = "sarcos"


@dataclasses.dataclass(frozen=True)
class Tox21Subject(AbstractTableSubject):
    """Compares recipes on twelve assays of molecules, with missing labels."""

    tasks: OmitArgPrefixes[Tox21] = dataclasses.field(default_factory=Tox21)
    word: ClassVar[str] = "tox21"


@dataclasses.dataclass(frozen=True)
class OwnTableSubject(AbstractTableSubject):
    """Compares recipes on your own CSV or Parquet file, by a task column or by several targets."""

    tasks: OmitArgPrefixes[OwnTable] = dataclasses.field(default_factory=OwnTable)
    word: ClassVar[str] = "table"
