"""`learnset draw`."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import jax.random as jr
from rich.console import Console
from tyro.conf import OmitArgPrefixes

from ..core import InputError, Split
from ..report import draw_episode, draw_tasks
from ..tasks import Sinusoids
from ..training import make_folder
from ._families import AnyTasks, family, word
from ._limits import check_room
from ._options import say_notes
from .subjects import AbstractSource

NETWORK = ("filters", "pooled", "normalisation")  # options of a source that its network reads


@dataclasses.dataclass(frozen=True)
class Draw:
    """Draws sampled tasks: support sets, query sets, and the functions that they come from."""

    tasks: OmitArgPrefixes[AnyTasks] = dataclasses.field(default_factory=Sinusoids)
    out: Path = Path("runs") / "draw"
    """directory for the pictures"""
    seed: int = 0
    """which tasks"""
    number: int = 6
    """how many tasks; of images, only one"""

    def run(self, console: Console, arguments: Sequence[str]) -> None:
        del arguments
        if self.number < 1:
            raise InputError(f"`--number {self.number}`, but at least 1 task is drawn.")
        name = word(self.tasks)
        if isinstance(self.tasks, AbstractSource):
            return self._episode(self.tasks, name, console)
        given = family(self.tasks)
        say_notes(given.notes, console)
        tasks = given.tasks
        check_room(tasks, self.number, "`--number`, or what a task has")
        folder = self.out
        make_folder(folder, folder)
        draw_tasks(tasks, folder, name, seed=self.seed, number=self.number)
        console.print(f"{folder / name}.png and .svg")

    def _episode(self, source: AbstractSource, name: str, console: Console) -> None:
        """One few-shot task, as it is trained on."""
        self._refuse_unread(source)
        episodes = source.episodes()
        task, classes = episodes.named(Split.TRAIN, key=jr.key(self.seed))
        if task.support.x.ndim != 4:
            raise InputError(
                "Only images are drawn (uint8, height × width × channels), but these examples are"
                " features."
            )
        say_notes(episodes.notes, console)
        folder = self.out
        make_folder(folder, folder)
        draw_episode(task, classes, folder, name)
        console.print(f"{folder / name}.png and .svg")

    def _refuse_unread(self, source: AbstractSource) -> None:
        """Raises `InputError` for options that change nothing here."""
        for thing, names in ((self, ("number",)), (source, NETWORK)):
            for field in dataclasses.fields(thing):
                if field.name in names and getattr(thing, field.name) != field.default:
                    raise InputError(
                        f"`--{field.name}` has no meaning for `draw {word(source)}`: one task is"
                        " drawn, and no network is made. Leave it out."
                    )
