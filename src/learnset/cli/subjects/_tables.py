"""Tables as subjects: one model per task, pooled, or learnt together?"""

import abc
import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar, Literal

import jax.random as jr
import numpy as np
from rich.console import Console
from tyro.conf import OmitArgPrefixes, Positional

from ...comparison import (
    Budget,
    compare,
    Comparison,
    enough_rows,
    NewTableTasks,
    Recipe,
    rows_to_score,
    SeenTasks,
)
from ...core import InputError, Split
from ...data import (
    limited,
    logged,
    read_table,
    sarcos,
    school,
    Table,
    target_notes,
    tox21,
    with_rows_in_each_part,
)
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
from ...tasks import by_rows
from .._options import check_counts, check_rising, say_notes
from ._base import AbstractSubject, Answer, record_of
from ._in_context import reading_recipes
from ._network import Network

FEWEST = 8  # tasks of which some can be held out
QUERIES = 10  # rows of a held-out task to be scored on, at least
WATCHED = (1, 2, 5, 10, 20, 50, 100)  # steps of adaptation that are scored
DIVISIONS = 5
QUICK_DIVISIONS = 3  # of a table with many rows, each of which takes minutes
LARGE = 50_000  # rows
MOST_LINES = 20  # of the columns on the terminal
MANY = 64  # tasks, of which each gives fewer points to a step
MOST_STEPS = 5000  # of a network, which ends when validation rows are predicted no better
MOST_OBSERVED = 40  # tasks whose gradients are compared
BALANCED = (f"{rows.SHARED} + FAMO", f"{rows.SHARED} + UPGrad")


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
    """the file; for `fit`, it may be the directory of a run of `compare`"""
    task_column: str | None = None
    """the column that says which task a row belongs to"""
    target: str | None = None
    """the column to predict"""
    targets: tuple[str, ...] = ()
    """several columns to predict, each a task on the same rows"""
    inputs: tuple[str, ...] = ()
    """columns to predict from; default: all others"""
    leave_out: tuple[str, ...] = ()
    """columns that are not used as inputs"""
    categories: tuple[str, ...] = ()
    """columns whose values are names, even where they look like numbers"""
    kind: Literal["inferred", "regression", "counts", "classification"] = "inferred"
    """kind of the target; default: inferred from its values (words, or zeros and ones, are
    classes; skewed whole numbers from zero on are counts)"""
    min_rows: int = 1
    """tasks with fewer labelled rows are left out"""
    group_column: str | None = None
    """the column that says which rows belong together, such as those of one patient: they are in
    the same part of a division"""
    time_column: str | None = None
    """the column of time: earlier rows are trained on, and later ones are scored"""
    split_column: str | None = None
    """the column that says train, validation or test (or 0, 1, 2)"""
    text_column: tuple[str, ...] = ()
    """columns of English texts, whose features by a pretrained network become inputs; they are
    kept in ~/.cache/learnset/features, which has 2 GiB at most"""
    backbone: str | None = None
    """the network that reads the texts, or a file of its weights; default: minilm"""
    log_target: bool = False
    """targets are compared on a log scale, where a few large values do not decide"""
    schema: Path | None = None
    """how columns are read: the `schema.json` of an earlier run, corrected or not"""

    def table(self) -> Table:
        if self.backbone is not None and not self.text_column:
            raise InputError("`--backbone` reads texts: name their column by `--text-column`.")
        encoder = self.backbone or "minilm"
        table = read_table(
            self.path,
            task=self.task_column,
            target=self.target,
            targets=self.targets,
            inputs=self.inputs,
            leave_out=self.leave_out,
            categories=self.categories,
            classification=None if self.kind == "inferred" else self.kind == "classification",
            counts=None if self.kind == "inferred" else self.kind == "counts",
            min_rows=self.min_rows,
            group=self.group_column,
            time=self.time_column,
            split=self.split_column,
            schema=self.schema,
            texts=dict.fromkeys(self.text_column, encoder),
        )
        if self.log_target:
            table = logged(table)
        return dataclasses.replace(table, notes=(*table.notes, *target_notes(table)))


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
            "recommendation": result.recommendation(),
            "tasks": result.of_tasks(),
            "reading": [row._asdict() for row in result.table.reading],
            "affinity": {
                "tasks": names,
                "cosine": some.cosine.tolist(),
                "lookahead": some.lookahead.tolist(),
            },
        }

    def draw(self, folder: Path, command: str) -> Page:
        return page_of_table(self.result, draw_table(self.result, folder), command, folder)

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
    """training steps of a network, at most; default: 5000, or 1000 with --quick"""
    test_shots: tuple[int, ...] = (2, 5, 10, 20)
    """rows of held-out tasks to learn from, rising"""
    seeds: int | None = None
    """divisions of the rows; default: 5, or 3 of more than 50 000 rows with --quick"""
    in_context: bool = False
    """compare the table network that comes with the package as well, "in context, one table" and
    "in context, related tables"; off by default, because it takes minutes"""

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, "steps", "seeds")
        check_rising("--test-shots", self.test_shots)

    @property
    def source(self) -> AbstractTable:
        return self.tasks  # pyright: ignore[reportAttributeAccessIssue]  # a field of each subject

    def answer(self, folder: Path, console: Console, executor: Executor | None = None) -> Answer:
        table, seeds = self._divided(limited(self.source.table(), seed=self.seed))
        say_notes(table.notes, console)
        self._check_shots(table.one_row_of_each_group(seed=self.seed))
        if table.reading:
            grid = reading_grid(table, MOST_LINES)
            print_page(Page("", (Section("", (grid,), brief=True),)), console)
        points = 8 if len(table) > MANY else 16
        known = SeenTasks.of_table(table, seeds=seeds, points_per_task=points)
        others = self._new_tasks(table.one_row_of_each_group(seed=self.seed), seeds)
        (mine, mine_of_new), notes = self.added(
            (Network(*known.sizes), known),
            (None if others is None else _network_of(others), others),
        )
        ins, outs = known.sizes
        if self.in_context:
            reading = reading_recipes(table, ins, outs)
            mine, mine_of_new = [*reading, *mine], [*reading, *mine_of_new]
        count = labelled(table)
        targets = table.task is None and not table.classes
        left_out = "" if self.quick else rows.too_slow(len(table), ins, count, targets=targets)
        if left_out:
            size = f"{count:,} labels of {ins:,} inputs"
            notes = (*notes, f"Left out, since they would be slow on {size}: {left_out}.")
        if others is not None and (note := _drawn(table, others)):
            notes = (*notes, note)
        say_notes(notes, console)
        table = dataclasses.replace(table, notes=(*table.notes, *notes))
        seen = self._on_rows(table, known, mine, folder, executor)
        if not seen.outcomes:
            raise InputError(
                "No recipe has finite predictions; the first says:"
                f" {next(iter(seen.failures.values()))}"
            )
        steps, key = self._steps, jr.key(self.seed)
        one = by_rows(table, part=table.divisions(seeds)[0])
        sizes = one.of(0)[0]
        network = Network(sizes.x.shape[-1], sizes.y.shape[-1])
        matrices = affinities(network, one, observed(table), steps=steps, key=key)
        new = None
        if others is not None:
            new = self._on_new_tasks(table, others, mine_of_new, folder, executor)
        return TableAnswer(TableResult(table, seen, matrices, new, BALANCED, rows.EQUAL))

    @property
    def _steps(self) -> int:
        return self.steps or (100 if self.quick else 300)

    def _divided(self, table: Table) -> tuple[Table, range]:
        """The table without tasks that lack rows in a part, and the seeds of its divisions."""
        if table.part is not None and (self.seeds or 1) > 1:
            raise InputError(
                f"`--seeds {self.seeds}`, but a split column is one division. Leave one of them"
                " out."
            )
        number = 1 if table.part is not None else self.seeds or DIVISIONS
        if self.quick and self.seeds is None and len(table.x) > LARGE and number > 1:
            number = QUICK_DIVISIONS
            note = f"--quick divides more than {LARGE:,} rows {number} times, not {DIVISIONS}."
            table = dataclasses.replace(table, notes=(*table.notes, note))
        seeds = range(self.seed, self.seed + number)
        return with_rows_in_each_part(table, seeds), seeds

    def _check_shots(self, table: Table) -> None:
        """Raises `InputError` for numbers of rows that were asked for and that few tasks have."""
        left_out = set(self.test_shots) - set(enough_rows(table, self.test_shots)[0])
        if left_out and self.test_shots != AbstractTableSubject.test_shots and len(table) >= FEWEST:
            few = min(left_out)
            raise InputError(
                f"`--test-shots {few}`, but too few of the {len(table)} tasks have {few} rows to"
                f" learn from and {QUERIES} to be scored on: half of them must, and {FEWEST} at"
                " least. Lower it."
            )

    def _on_rows(
        self,
        table: Table,
        question: SeenTasks,
        mine: Sequence[Recipe],
        folder: Path,
        executor: Executor | None,
    ) -> Comparison:
        options: dict[str, Any] = {"classes": bool(table.classes), "quick": self.quick}
        options |= {"counts": table.counts}
        options |= {"targets": table.task is None, "complete": bool(np.isfinite(table.y).all())}
        most = self.steps or (MOST_STEPS // 5 if self.quick else MOST_STEPS)
        options["num_rows"] = labelled(table)
        recipes = rows.standard(len(table), question.sizes[0], steps=most, **options)
        return compare(
            [*self.chosen(recipes), *mine],
            Network(*question.sizes),
            question,
            key=jr.key(self.seed),
            out=folder,
            resume=self.resume,
            overwrite=self.overwrite,
            executor=executor,
        )

    def _new_tasks(self, table: Table, seeds: Sequence[int]) -> NewTableTasks | None:
        """The question about tasks that are held out; None where there are too few of them with
        enough rows, or where rows are divided as given."""
        shots, large = enough_rows(table, self.test_shots)
        if len(large) < FEWEST or table.part is not None:
            return None
        queries = rows_to_score(table, large, shots)
        options: dict[str, Any] = {"queries": queries, "watched": WATCHED, "seeds": seeds}
        return NewTableTasks.of_table(table, large, shots=shots, **options)

    def _on_new_tasks(
        self,
        table: Table,
        question: NewTableTasks,
        mine: Sequence[Recipe],
        folder: Path,
        executor: Executor | None,
    ) -> Comparison:
        tasks = question.family
        recipes = held_out.standard(
            tasks,
            classes=bool(table.classes),
            steps=20 if self.quick else 50,
            quick=self.quick,
        )
        return compare(
            [*self.chosen(recipes), *mine],
            _network_of(question),
            question,
            key=jr.key(self.seed),
            budget=Budget(2 * self._steps, min(25, tasks.train.weight.shape[0])),
            out=folder / "new-tasks",
            resume=self.resume,
            executor=executor,
        )


def _network_of(question: NewTableTasks) -> Network:
    train = question.family.train
    return Network(train.x.shape[-1], train.y.shape[-1])


def _drawn(table: Table, question: NewTableTasks) -> str:
    """What is said of tasks of which a part of the rows was drawn; an empty text for none."""
    most = max(question.family.pool(split).weight.shape[1] for split in Split)
    large = sum(len(table.rows_of(number)) > most for number in range(len(table)))
    if not large:
        return ""
    return f"What is said of new tasks rests on {most:,} rows of each of {large:,} larger tasks."


def labelled(table: Table) -> int:
    """The number of labelled rows of all tasks."""
    return sum(len(table.rows_of(number)) for number in range(len(table)))


def observed(table: Table) -> np.ndarray:
    """The tasks with most rows, in their order."""
    count = np.array([len(table.rows_of(i)) for i in range(len(table))])
    return np.sort(np.argsort(-count, kind="stable")[:MOST_OBSERVED])


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
