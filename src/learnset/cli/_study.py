"""`learnset study`."""

import dataclasses
import time
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import jax.random as jr
import tyro
from rich.console import Console

from ..core import InputError
from ..report import write_study_page
from ..training import claim, write_json
from ._words import Common, meta


def studies() -> dict[str, Any]:
    """The studies that are installed, by name: entry points of the group `learnset.studies`."""
    return {entry.name: entry for entry in metadata.entry_points(group="learnset.studies")}


TRAINED = (
    "harlow",
    "water-maze",
    "bandits",
)  # studies of which trained agents come with the package


@dataclasses.dataclass(frozen=True)
class Study(Common):
    """Reproduces what was published, ours beside theirs."""

    name: tyro.conf.Positional[str] = "maml-sinusoids"
    """maml-sinusoids: Table 2, the curves and Figure 2 of the MAML paper; harlow: learning sets; water-maze: one place
    for many days, and a new place every day; bandits: RL2 beside the rules that are known; wang: RL2 on arms that depend
    on each other, and on the two-step task; navigation: MAML for policies that walk to an unseen goal; omniglot:
    new characters from few drawings; glyphs: the same with fonts, nothing to download; omniglot-challenge:
    characters of one new alphabet from one drawing of each;
    multitask-toy: paths of the balancers on two objectives; nyuv2-delta-m: FAMO's last column from its others;
    multimnist: two digits in one image, balanced in several ways;
    school, sarcos, tox21: a model for each task, one for all, and learning together, tuned alike, on tables"""
    from_pretrained: bool = False
    """draw everything with the agents that come with the package (harlow, water-maze, bandits)"""

    full: bool = False
    """the paper's sizes, where a study's own are smaller (omniglot, omniglot-challenge); for a machine with an accelerator"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        began = time.perf_counter()
        known = studies()
        if self.name not in known:
            raise InputError(f"There is no study {self.name!r} here.")
        study = known[self.name].load()()
        study = study.quick() if self.quick else study
        if self.full and not hasattr(study, "full"):
            raise InputError(f"{self.name} has no larger sizes than its own: leave `--full` out.")
        study = study.full() if self.full else study
        study = study if self.steps is None else study.with_steps(self.steps)
        if self.from_pretrained and self.name not in TRAINED:
            raise InputError(f"{self.name} has no trained agents: leave `--from-pretrained` out.")
        folder = claim(
            self.folder(f"study-{self.name}"), resume=self.resume, overwrite=self.overwrite
        )
        options: dict[str, Any] = {"checkpoint_every": self.checkpoint_every, "resume": self.resume}
        options |= {"from_pretrained": True} if self.from_pretrained else {}
        result = study.run(folder, jr.key(self.seed), **options)
        about = meta(arguments, began)
        write_json(folder / "result.json", result | {"meta": about})
        words = (folder / "README.md").read_text()
        write_study_page(folder / "report.html", f"learnset study {self.name}", words, about)
        console.print(words, markup=False, highlight=False, soft_wrap=True)
        console.print(
            f"{folder / 'report.html'} has the pictures too, {folder / 'result.json'} the numbers."
        )
