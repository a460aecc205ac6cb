"""`learnset train` and `learnset evaluate`."""

import contextlib
import dataclasses
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import equinox as eqx
import jax
import jax.random as jr
import optax
import tyro
from rich.console import Console
from tyro.conf import arg, OmitArgPrefixes

from ..comparison import Setting
from ..core import Evaluation, finite, InputError, short, Split, versions
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
    temperature,
    train,
    write_sealed_json,
)
from ..transfer import FineTune, Pooled
from ._families import AnyMethod, AnyTasks, Common, Family, family, word
from ._kept import Kept, read_kept, REMEDY
from ._limits import check_model, check_room
from ._options import check_counts, command_of, computed, origin, say_notes, TrainingOptions
from ._result import NAME, write_result
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
    seeds: int = 1
    """number of models, trained together, each on its own tasks; only for tasks without data"""

    parts: int | None = None
    """take sums over tasks in this many parts, so that any number of processes that divides it
    (`learnset launch`) trains the same numbers bit for bit; default: as is fastest"""

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, "tasks_per_step", "seeds", "parts")
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
        train_key = jr.split(jr.key(self.seed))[1]
        if self.seeds > 1:
            train_key = jr.split(train_key, self.seeds)
            if any(map(eqx.is_array, jax.tree.leaves(given.tasks))):
                raise InputError(
                    f"`--seeds {self.seeds}`, but these tasks have data, of which each seed would"
                    " take a copy. Train with one `--seed` after the other."
                )
        sizes = "`--filters`, `--ways`, or the inputs of a task"
        check_model(lambda: self._new(given), sizes)
        about = {"command": "train"} | computed()
        with run_folder(out, **self.replacing, about=about) as folder:
            trained = train(
                method,
                self._new(given),
                given.tasks,
                optax.adam(self.lr),
                steps=self.steps or (500 if self.quick else 2_000 if images else 20_000),
                key=train_key,
                tasks_per_step=at_once,
                out=folder,
                parts=self.parts,
                **self.saving,
            )
            record = {
                "arguments": self._words(arguments),
                "versions": versions(),
                "kept": self._kept(given, trained.model).record(),
            }
            write_sealed_json(folder / "run.json", record)
        speed = trained.steps / trained.seconds if trained.seconds else 0.0
        console.print(
            f"Trained {trained.steps:,} steps in {trained.seconds:.1f} s ({speed:,.0f} steps/s;"
            f" compiling took {trained.compile_seconds:.1f} s). Score it with"
            f" `learnset evaluate {out}`."
        )

    def _words(self, arguments: Sequence[str]) -> list[str]:
        """The words of the command as they are understood from any folder."""
        places = {getattr(self.tasks, name, None) for name in ("path", "schema")} - {None}
        return [
            str(Path(word).absolute()) if Path(word) in places else word
            for word in arguments
            if word not in ("--resume", "--overwrite")
        ]

    def with_data(self, path: Path) -> "Train":
        """The same command with data in another place."""
        if not hasattr(self.tasks, "path"):
            raise InputError(f"`{word(self.tasks)}` are not read from a file or folder of yours.")
        return dataclasses.replace(self, tasks=dataclasses.replace(self.tasks, path=path))

    def _kept(self, given: Family, model: Any) -> Kept:
        """What later commands need of the data, with temperatures of a classifier."""
        kept = dataclasses.replace(given.kept, past=_past(given))
        if not isinstance(self.tasks, AbstractSource) or not isinstance(given.tasks, Episodes):
            return kept
        options = {"key": jr.key(self.seed), "num_tasks": 25 if self.quick else 100}
        adapter, temperatures = self.adapter(given), {}
        for shots in self.tasks.shots:
            tasks = given.tasks.with_shots(shots, self.tasks.queries_for(shots, given.tasks))
            temperatures[shots] = temperature(adapter, model, tasks, **options)
        return dataclasses.replace(kept, temperatures=temperatures)

    def given(self, folder: Path) -> Family:
        """The family, with the parts that a run of this command had.

        **Raises:** `InputError` if numbers that it was trained on have changed since: they scale
        all that the model reads.
        """
        kept = read_kept(folder)
        given = family(self.tasks, kept if kept.parts else None)
        if not isinstance(given.tasks, Episodes) and kept.past != _past(given):
            raise InputError(_changed(folder, kept.parts, given.kept.parts))
        return given

    def model(self, folder: Path, given: Common) -> Any:
        """The model that a run of this command left behind."""
        method, options = given.method(self.method), {"several": self.seeds > 1}
        return restore(folder, method, self._new(given), optax.adam(self.lr), **options).model

    def _new(self, given: Common) -> Any:
        """The model before training; of several seeds, with a leading axis on all arrays."""
        key = jr.split(jr.key(self.seed))[0]
        if self.seeds == 1:
            return given.model(self.method, key)
        make = eqx.filter_vmap(lambda key: given.model(self.method, key))
        return make(jr.split(key, self.seeds))

    def adapter(self, given: Common) -> Any:
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
    data: Path | None = None
    """where the data are now, if they were moved"""
    out: Path | None = None
    """file for the result; default: result.json in RUN"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        path = self.out or self.folder / NAME
        _check_replaceable(path, command_of(arguments))
        check_counts(self, "tasks")
        training = training_of(self.folder)
        if self.data is not None:
            training = training.with_data(self.data)
        given = training.given(self.folder)
        model = training.model(self.folder, given)
        say_notes(given.notes, console)
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
            key = jr.key(self.seed)
            key = key if training.seeds == 1 else jr.split(key, training.seeds)
            result = evaluate(adapter, model, tasks, key=key, **options)
            console.print(f"{amount(shots, unit)}: {result}")
            rows += _records(result, training.method, given.measure, shots)
        question = {
            "tasks": "new",
            "measure": given.measure,
            "higher_is_better": False,
            "seeds": training.seeds,
            "shots": list(each),
            "baselines": [],
        }
        numbers = {
            "subject": word(training.tasks),
            "questions": [question],
            "rows": rows,
            "recipes": [],
            "failures": {},
            "notes": list(given.notes),
        }
        with finished_run(self.folder) if self.out is None else contextlib.nullcontext():
            write_result(path, numbers | {"meta": origin(arguments, began)})


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


def _check_replaceable(path: Path, command: str) -> None:
    """Raises `InputError` where the result of another command would be lost."""
    if not path.is_file():
        return
    try:
        known = str(json.loads(path.read_text())["meta"]["command"])
    except (ValueError, KeyError, TypeError, RecursionError):
        known = ""
    if known != command:
        other = f"the result of `{short(known, 120)}`" if known else "no result of `evaluate`"
        raise InputError(
            f"{path} is {other}, which would be lost. Move it, or give `--out` another file."
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
    tasks: Any = given.tasks
    return digest(tasks.pool(Split.TRAIN) if given.kept.parts else tasks)


def _changed(
    folder: Path, before: Mapping[str, Sequence[str]], now: Mapping[str, Sequence[str]]
) -> str:
    """Says that data have changed, with a name that shows it."""
    gone = [name for name in before.get("train", ()) if name not in now["train"]]
    named = f" ({gone[0]!r} is not among it)" if gone else ""
    return (
        f"What {folder} was trained on is not what the data hold now{named}: its new tasks may be"
        " others than those that were held out. Give the data as they were, or train again."
    )
