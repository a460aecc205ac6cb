"""What commands have in common: options of a run, and how a result came about."""

import contextlib
import dataclasses
import shlex
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from rich.console import Console
from tyro.conf import subcommand

from ..core import InputError, Precision, precision, versions


def called(name: str, description: str) -> Any:
    """A word of the command line that stands for a class."""
    return subcommand(name, description=description, prefix_name=False)


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """The options of every run that leaves a folder behind."""

    out: Path | None = None
    """directory for everything that the run leaves behind; default: runs/COMMAND-SUBJECT"""
    seed: int = 0
    """seed of all random numbers"""
    quick: bool = False
    """a short run, to see how it works"""
    resume: bool = False
    """continue the run in the directory, bit for bit"""
    overwrite: bool = False
    """replace the run in the directory"""
    precision: Precision | None = None
    """of matrix products on a GPU: highest (float32), or faster tf32 or bf16; default: tf32"""

    def __post_init__(self):
        if self.resume and self.overwrite:
            raise InputError(
                "`--resume` goes on with a run and `--overwrite` replaces it: give one of them."
            )

    def folder(self, name: str) -> Path:
        return self.out or Path("runs") / name

    @property
    def replacing(self) -> dict[str, bool]:
        """How an earlier run in the folder is taken, as `run_folder` takes it."""
        return {"resume": self.resume, "overwrite": self.overwrite}


@dataclasses.dataclass(frozen=True)
class TrainingOptions(RunOptions):
    """The options of runs that train on the host."""

    steps: int | None = None
    """training steps"""
    checkpoint_every: int | None = None
    """steps between checkpoints; default: every half minute"""

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, "steps", "checkpoint_every")

    @property
    def saving(self) -> dict[str, Any]:
        """How a run is kept, as `train` and `compare` take it."""
        return {
            "checkpoint_every": self.checkpoint_every,
            "resume": self.resume,
            "overwrite": self.overwrite,
        }


@dataclasses.dataclass(frozen=True)
class WorkerOptions(RunOptions):
    """The options of runs whose recipes may be shared out."""

    workers: int | None = None
    """processes on this machine that share the recipes; default: this one alone"""
    scheduler: str | None = None
    """address of a Dask scheduler (tcp://HOST:PORT), whose workers share the recipes"""

    def __post_init__(self):
        super().__post_init__()
        check_counts(self, "workers")
        if self.workers is not None and self.scheduler is not None:
            raise InputError("`--workers` are of this machine, `--scheduler` has others: give one.")

    @contextlib.contextmanager
    def executor(self, console: Console) -> Iterator[Executor | None]:
        """Who works on the recipes; None for this process."""
        from ..comparison import dask_workers, Workers  # here: other commands do without

        if self.scheduler is not None:
            with dask_workers(self.scheduler) as executor:
                yield executor
        elif self.workers is None:
            yield None
        else:
            with Workers(self.workers) as workers:
                each = f"{workers.threads} thread{'s' if workers.threads > 1 else ''}"
                console.print(f"Workers: {self.workers}, with {each} each.")
                yield workers


def check_counts(options: Any, *names: str) -> None:
    """Raises `InputError` unless each of these options is at least 1, where it is given."""
    for name in names:
        value = getattr(options, name)
        if value is not None and value < 1:
            flag = name.replace("_", "-")
            raise InputError(f"`--{flag} {value}`, but it must be at least 1.")


def check_rising(flag: str, numbers: Sequence[int]) -> None:
    """Raises `InputError` unless numbers of shots are different and rise, from 1 at least."""
    if not numbers or min(numbers) < 1 or list(numbers) != sorted(set(numbers)):
        given = " ".join(map(str, numbers))
        raise InputError(
            f"`{flag} {given}`, but they must be different whole numbers, rising, at least 1."
        )


def say_notes(notes: Sequence[str], console: Console) -> None:
    """What is to be known of the data, in a line each."""
    for line in notes:
        console.print(line, soft_wrap=True)


def command_of(arguments: Sequence[str]) -> str:
    """The command as it can be typed again."""
    return shlex.join(["learnset", *arguments])


def origin(arguments: Sequence[str], began: float) -> dict[str, Any]:
    """How a result came about, for `result.json` and the page. An accelerator is named; a processor
    has no name of its own."""
    import jax  # here and not above: the command begins without it

    command = command_of(arguments)
    seconds = round(time.perf_counter() - began, 1)
    found = {"command": command, "seconds": seconds, "versions": versions()}
    device = jax.devices()[0]
    named = {} if device.platform == "cpu" else {"device": device.device_kind}
    return found | named | computed()


def computed() -> dict[str, str]:
    """How products are computed, where there is a choice: a run goes on as it began."""
    import jax

    return {} if jax.default_backend() == "cpu" else {"precision": precision()}
