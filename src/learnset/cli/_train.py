"""`learnset train` and `learnset evaluate`."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import jax.random as jr
import optax
import tyro
from rich.console import Console
from tyro.conf import arg, OmitArgPrefixes

from ..comparison import Setting
from ..core import Evaluation, finite, InputError, Split
from ..meta import MAML
from ..report import amount
from ..tasks import Episodes, Sinusoids
from ..training import (
    digest,
    evaluate,
    finished_run,
    read_sealed_json,
    restore,
    run_folder,
    train,
    write_json,
    write_sealed_json,
)
from ..transfer import FineTune, Pooled
from ._families import AnyMethod, AnyTasks, Family, family, parts_of, word
from ._limits import check_room
from ._options import check_counts, FORMAT, origin, say_notes, TrainingOptions, versions
from .subjects import AbstractSource

REMEDY = "Train again, with `--overwrite` or in another folder."


@dataclasses.dataclass(frozen=True)
class Train(TrainingOptions):
    """Trains one method on one family of tasks, and keeps checkpoints."""

    method: AnyMethod = dataclasses.field(default_factory=MAML)
    tasks: OmitArgPrefixes[AnyTasks] = dataclasses.field(default_factory=Sinusoids)
    lr: float = 1e-3
    """step size of Adam"""
    tasks_per_step: int | None = None
    """size of the meta-batch; default: 25, or 4 of images"""

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, "tasks_per_step")
        if not 0 < self.lr < float("inf"):
            raise InputError(
                f"`--lr {self.lr}`, but a step size must be a finite number above zero."
            )

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        given = family(self.tasks)
        method, out = (
            given.method(self.method),
            self.folder(f"train-{word(self.method)}-{word(self.tasks)}"),
        )
        say_notes(given.notes, console)
        images = isinstance(self.tasks, AbstractSource)
        at_once = self.tasks_per_step or (4 if images else 25)
        check_room(given.tasks, at_once, "`--tasks-per-step`, or what a task has")
        model_key, train_key = jr.split(jr.key(self.seed))
        with run_folder(out, **self.replacing, about={"command": "train"}) as folder:
            trained = train(
                method,
                given.model(self.method, model_key),
                given.tasks,
                optax.adam(self.lr),
                steps=self.steps or (500 if self.quick else 2_000 if images else 20_000),
                key=train_key,
                tasks_per_step=at_once,
                out=folder,
                **self.saving,
            )
            about = {
                "arguments": [a for a in arguments if a not in ("--resume", "--overwrite")],
                "versions": versions(),
                "parts": parts_of(given.tasks),
                "past": _past(given),
            }
            write_sealed_json(folder / "run.json", about)
        speed = trained.steps / trained.seconds if trained.seconds else 0.0
        console.print(
            f"Trained {trained.steps:,} steps in {trained.seconds:.1f} s ({speed:,.0f} steps/s;"
            f" compiling took {trained.compile_seconds:.1f} s). Score it with"
            f" `learnset evaluate {out}`."
        )

    def restored(self, folder: Path) -> tuple[Family, Any]:
        """The family, with the parts that a run of this command had, and the model that it left
        behind.

        **Raises:** `InputError` if what it was trained on has changed since.
        """
        about = read_sealed_json(folder / "run.json", REMEDY)
        given = family(self.tasks, about["parts"] or None)
        if about["past"] != _past(given):
            raise InputError(_changed(folder, about["parts"], parts_of(given.tasks)))
        model = given.model(self.method, jr.split(jr.key(self.seed))[0])
        return given, restore(folder, given.method(self.method), model, optax.adam(self.lr)).model

    def adapter(self, given: Family) -> Any:
        """How a new task is learnt after this training."""
        return (
            FineTune(given.loss, steps=10)
            if isinstance(self.method, Pooled)
            else given.method(self.method)
        )


@dataclasses.dataclass(frozen=True)
class Evaluate:
    """Scores a run of `learnset train` on new tasks."""

    folder: Annotated[tyro.conf.Positional[Path], arg(metavar="RUN")]
    """directory of the run"""
    shots: tuple[int, ...] | None = None
    """points of the new tasks, or examples of each class; default: 5, 10 and 20 points, or as in
    training"""
    tasks: int = 600
    """how many new tasks"""
    seed: int = 1
    """which new tasks"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        path = self.folder / "result.json"
        _check_replaceable(path)
        check_counts(self, "tasks")
        training = training_of(self.folder)
        given, model = training.restored(self.folder)
        adapter, rows = training.adapter(given), []
        source = training.tasks if isinstance(training.tasks, AbstractSource) else None
        unit = "point" if source is None else "shot"
        each = self.shots or ((5, 10, 20) if source is None else source.shots)
        for shots in each:
            queries = 50
            if source is not None and isinstance(given.tasks, Episodes):
                queries = source.queries_for(shots, given.tasks)
            tasks = given.tasks.with_shots(shots, queries)
            # Few-shot tasks are drawn in parts that fit, others all at once.
            at_once = 1 if source is not None else self.tasks
            check_room(tasks, at_once, "`--tasks` or `--shots`")
            options = {"num_tasks": self.tasks, "metric": given.metric}
            result = evaluate(adapter, model, tasks, key=jr.key(self.seed), **options)
            console.print(f"{amount(shots, unit)}: {result}")
            rows += _records(result, training.method, given.measure, shots)
        question = {
            "tasks": "new",
            "measure": given.measure,
            "higher_is_better": False,
            "seeds": 1,
            "shots": list(each),
            "baselines": [],
        }
        numbers = {
            "format": FORMAT,
            "subject": word(training.tasks),
            "questions": [question],
            "rows": rows,
            "recipes": [],
            "failures": {},
            "notes": list(given.notes),
        }
        with finished_run(self.folder):
            write_json(path, numbers | {"meta": origin(arguments, began)})


def _records(result: Evaluation, method: Any, measure: str, shots: int) -> list[dict[str, Any]]:
    """Rows of `result.json`, as those over all seeds of a comparison: one for each step."""
    setting = Setting.TRANSFER if isinstance(method, Pooled) else Setting.META
    return [
        {
            "recipe": word(method),
            "setting": setting.value,
            "tasks": "new",
            "measure": measure,
            "shots": shots,
            "steps": step if result.steps else None,
            "chosen": not result.steps,
            "seed": None,
            "value": finite(float(result.mean[step])),
            "ci95": finite(float(result.ci95[step])),
            "num_tasks": result.num_tasks,
        }
        for step in range(result.steps + 1)
    ]


def _check_replaceable(path: Path) -> None:
    """Raises `InputError` where another command's result would be lost."""
    if not path.is_file():
        return
    try:
        command = json.loads(path.read_text())["meta"]["command"]
    except (ValueError, KeyError, TypeError):
        command = ""
    if not command.startswith("learnset evaluate "):
        raise InputError(
            f"{path} is not a result of `learnset evaluate`, which would replace it. Move it first."
        )


def training_of(folder: Path) -> Train:
    """The command that a run was started with."""
    from . import parse  # the door itself, which knows this file

    path = folder / "run.json"
    if not path.is_file():
        raise InputError(
            f"{folder} holds no finished run of `learnset train` (no run.json). Train first, or"
            " `--resume` it."
        )
    training = parse(read_sealed_json(path, REMEDY)["arguments"])
    if not isinstance(training, Train):
        raise InputError(f"{path} is of another command than `learnset train`. {REMEDY}")
    return training


def _past(given: Family) -> str:
    """The digest of what is trained on."""
    tasks = given.tasks
    return digest(tasks.pool(Split.TRAIN) if parts_of(tasks) else tasks)  # pyright: ignore[reportAttributeAccessIssue]


def _changed(folder: Path, before: dict[str, list[str]], now: dict[str, list[str]]) -> str:
    """Says that data have changed, with a name that shows it."""
    train = before.get("train", [])
    gone = [name for name in train if name not in now["train"]]
    named = f" ({gone[0]!r} is not among it)" if gone else ""
    return (
        f"What {folder} was trained on is not what the data hold now{named}: its new tasks may be"
        " others than those that were held out. Give the data as they were, or train again."
    )
