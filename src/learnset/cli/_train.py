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
from ..core import Evaluation, finite, InputError
from ..meta import MAML
from ..report import amount
from ..tasks import Episodes, Sinusoids
from ..training import evaluate, restore, train, write_json
from ..transfer import FineTune, Pooled
from ._families import AnyMethod, AnyTasks, Family, family, word
from ._limits import check_room
from ._options import check_counts, FORMAT, origin, say_notes, TrainingOptions, versions
from .subjects import AbstractSource


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
        folder, given = (
            self.folder(f"train-{word(self.method)}-{word(self.tasks)}"),
            family(self.tasks),
        )
        say_notes(given.notes, console)
        images = isinstance(self.tasks, AbstractSource)
        at_once = self.tasks_per_step or (4 if images else 25)
        check_room(given.tasks, at_once, "`--tasks-per-step`, or what a task has")
        model_key, train_key = jr.split(jr.key(self.seed))
        trained = train(
            given.method(self.method),
            given.model(self.method, model_key),
            given.tasks,
            optax.adam(self.lr),
            steps=self.steps or (500 if self.quick else 2_000 if images else 20_000),
            key=train_key,
            tasks_per_step=at_once,
            out=folder,
            **self.saving,
        )
        words = [a for a in arguments if a not in ("--resume", "--overwrite")]
        write_json(folder / "run.json", {"arguments": words, "versions": versions()})
        speed = trained.steps / trained.seconds if trained.seconds else 0.0
        console.print(
            f"Trained {trained.steps:,} steps in {trained.seconds:.1f} s ({speed:,.0f} steps/s;"
            f" compiling took {trained.compile_seconds:.1f} s). Score it with"
            f" `learnset evaluate {folder}`."
        )

    def restored(self, folder: Path) -> tuple[Family, Any]:
        """The family, and the model that a run of this command left behind."""
        given = family(self.tasks)
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
            check_room(tasks, self.tasks, "`--tasks` or `--shots`")
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
    try:
        return parse(json.loads(path.read_text())["arguments"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}): it is damaged or of another program."
        ) from None
