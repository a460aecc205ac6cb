"""`learnset study`."""

import dataclasses
import difflib
import json
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jax.random as jr
import tyro
from rich.console import Console

from ..core import InputError
from ..report import check_report, Page, Study as AnyStudy, write_page
from ..training import finished_run, run_folder
from ._options import computed, origin, TrainingOptions, WorkerOptions
from ._result import NAME, read_result, write_result

GROUP = "learnset.studies"  # of entry points


@dataclasses.dataclass(frozen=True)
class Study(TrainingOptions, WorkerOptions):
    """Reproduces published results, ours next to theirs. Without a name, lists the studies."""

    name: tyro.conf.Positional[str] = ""
    """which study"""
    full: bool = False
    """the published sizes, where the default is smaller; for a machine with an accelerator"""
    from_pretrained: bool = False
    """draw everything with the trained agents that come with the studies"""
    redraw: Path | None = None
    """draw the finished run in this directory again, from its result.json alone"""
    only: tuple[str, ...] | None = None
    """train these parts of the study only, as its page names them, in this order; none where none
    is named. What has ended before is added by --resume"""

    def __post_init__(self):
        super().__post_init__()
        if self.quick and self.full:
            raise InputError("`--quick` and `--full` are different sizes: give one of them.")
        if self.redraw is not None:
            self._check_alone("redraw")
        trains = {"steps": self.steps, "checkpoint_every": self.checkpoint_every}
        for name in [name for name, value in trains.items() if value is not None]:
            if self.from_pretrained:
                flag = name.replace("_", "-")
                raise InputError(
                    f"`--{flag}` has no meaning with `--from-pretrained`, which trains nothing."
                    " Leave it out."
                )

    def _check_alone(self, option: str) -> None:
        """Raises `InputError` where an option is given that has no meaning next to this one."""
        for field in dataclasses.fields(self):
            given = getattr(self, field.name) != field.default
            if given and field.name not in ("name", option):
                flag = field.name.replace("_", "-")
                raise InputError(f"`--{flag}` has no meaning with `--{option}`. Leave it out.")

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        if not self.name:
            for name in sorted(_installed()):
                console.print(name, highlight=False)
            return
        kind = _study(self.name)
        check_report()
        if self.redraw is not None:
            try:
                redraw(kind, self.redraw, console)
            except InputError:
                raise
            except (LookupError, TypeError, AttributeError, ValueError) as error:
                raise InputError(
                    f"{self.redraw / NAME} has not what the page of {self.name} shows"
                    f" ({type(error).__name__}: {error}). Run the study again."
                ) from error
            console.print(f"{self.redraw / 'report.html'} has the pictures.")
            return
        began = time.perf_counter()
        study, options = self._sized(kind)
        out = self.folder(f"study-{self.name}")
        sizes = json.loads(json.dumps(dataclasses.asdict(study)))
        about = sizes | {"study": self.name, "seed": self.seed} | computed()
        with run_folder(out, **self.replacing, about=about) as folder:
            with self.executor(console) as executor:
                if executor is not None:
                    options["executor"] = executor
                found = study.run(folder, jr.key(self.seed), **options)
            result = {"study": self.name, "sizes": sizes} | found
            write_result(folder / NAME, result | {"meta": origin(arguments, began)})
            console.print(f"{folder / NAME} has the numbers.")
            redraw(kind, folder, console)
        console.print(f"{out / 'report.html'} has the pictures.")

    def _sized(self, kind: type[AnyStudy]) -> tuple[Any, dict[str, Any]]:
        """The study with the sizes that were asked for, and the options of its run."""
        given = {
            "seed": self.seed != 0,
            "steps": self.steps is not None,
            "checkpoint_every": self.checkpoint_every is not None,
            "resume": self.resume,
            "full": self.full,
            "from_pretrained": self.from_pretrained,
            "workers": self.workers is not None,
            "scheduler": self.scheduler is not None,
            "only": self.only is not None,
        }
        for option, there in given.items():
            if there and option not in kind.reads:
                flag = option.replace("_", "-")
                raise InputError(f"`--{flag}` has no meaning for {self.name}. Leave it out.")
        study: Any = kind()
        study = study.quick() if self.quick else study.full() if self.full else study
        study = study if self.steps is None else study.with_steps(self.steps)
        if self.from_pretrained:
            study = _as_trained(study, kind())
        options = {name: getattr(self, name) for name in ("checkpoint_every", "resume")}
        options |= {"from_pretrained": self.from_pretrained, "only": self.only}
        return study, {name: value for name, value in options.items() if name in kind.reads}


def _as_trained(study: Any, default: Any) -> Any:
    """The study with as many agents, of the width, as those that come with it."""
    names = {field.name for field in dataclasses.fields(study)} & {"width", "seeds"}
    return dataclasses.replace(study, **{name: getattr(default, name) for name in names})


def redraw(kind: type[AnyStudy], folder: Path, console: Console) -> None:
    """Draws the figures and writes the page of a finished run, from its `result.json` alone."""
    result = read_result(folder, "`learnset study`")
    with finished_run(folder):
        kind.draw(result, folder)
        page: Page = kind.page(result)
        write_page(page._replace(origin=result["meta"]), folder, console)
        write_result(folder / NAME, result)  # which gives a checksum to one of an older version


def _installed() -> dict[str, metadata.EntryPoint]:
    return {entry.name: entry for entry in metadata.entry_points(group=GROUP)}


def _study(name: str) -> type[AnyStudy]:
    """The study of a name.

    **Raises:** `InputError` where it is not installed, with the nearest name.
    """
    known = _installed()
    if not known:
        raise InputError(
            "The studies are a package of their own, which is not installed: `pip install"
            " learnset-studies`, or `pip install ./studies` in a copy of the repository."
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(known))}."
        raise InputError(f"There is no study {name!r}. {hint}")
    return known[name].load()
