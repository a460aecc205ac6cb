"""Families of regression tasks as subjects."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar

import jax.random as jr
from rich.console import Console
from tyro.conf import OmitArgPrefixes

from ...comparison import Budget, compare, Comparison, NewTasks, Recipe, SeenTasks
from ...recipes import regression
from ...report import draw_comparison, Page, page_of_new_tasks, verdict_of_control
from ...tasks import AbstractTasks, LinearGaussian, Sinusoids, Unrelated
from .._limits import check_model, check_room
from .._options import say_notes, TrainingOptions
from ._base import AbstractSubject, Answer, record_of
from ._network import Network, sizes


@dataclasses.dataclass(frozen=True)
class NewTasksAnswer(Answer):
    """Comparisons on new tasks, and on seen ones if there are any."""

    comparisons: tuple[Comparison, ...]
    shots: int
    title: str
    tasks: str
    unit: str
    further: str = ""
    notes: Sequence[str] = ()

    def record(self) -> dict[str, Any]:
        return record_of(self.comparisons, self.shots, self.notes)

    def draw(self, folder: Path, command: str) -> Page:
        return self.page(draw_comparison(self.comparisons, self.shots, folder, unit=self.unit))

    def page(self, figures: Sequence[str]) -> Page:
        return page_of_new_tasks(
            self.comparisons,
            self.shots,
            title=self.title,
            tasks=self.tasks,
            unit=self.unit,
            figures=figures,
            further=self.further,
            notes=self.notes,
        )


@dataclasses.dataclass(frozen=True)
class AbstractFamilySubject(TrainingOptions, AbstractSubject):
    """A family of regression tasks: new tasks from a few points, and tasks that were trained on."""

    test_shots: tuple[int, ...] = (2, 5, 10, 20)
    """points of the new tasks, rising"""
    seeds: int | None = None
    """repetitions, trained together; default: 5, or 3 with --quick"""
    latents: ClassVar[int] = 0

    @property
    def family(self) -> AbstractTasks:
        return self.tasks  # pyright: ignore[reportAttributeAccessIssue]  # a field of each subject

    def network(self, family: AbstractTasks) -> Any:
        """Makes the common model from a key."""
        return Network(*sizes(family))

    def recipes(self) -> list[Recipe]:
        return regression.standard(steps=10 if self.quick else 50, latents=self.latents)

    def answer(self, folder: Path, console: Console, executor: Executor | None = None) -> Answer:
        family, key = self.family, jr.key(self.seed)
        seeds = self.seeds if self.seeds is not None else 3 if self.quick else 5
        held_out: dict[str, Any] = {}
        if self.quick:
            held_out = {"queries": 20, "validation_tasks": 50, "test_tasks": 50}
        for tasks in (family, family.with_shots(max(self.test_shots, default=1), 50)):
            check_room(tasks, 120 * seeds, "`--seeds`, `--test-shots`, or what a task has")
        question = NewTasks(family, seeds=seeds, shots=self.test_shots, **held_out)
        budget = Budget(self.steps or (500 if self.quick else 2000))
        network = self.network(family)
        check_model(lambda: network(key), "the inputs of a task")
        options: dict[str, Any] = {"key": key, "budget": budget, "executor": executor}
        options |= self.saving
        known = SeenTasks.of_family(family, seeds=seeds, key=key)
        (mine, mine_of_known), notes = self.added((network, question), (network, known))
        say_notes(notes, console)
        recipes = [*self.chosen(self.recipes()), *mine]
        new = compare(recipes, network, question, out=folder, **options)
        seen = compare(
            [*self.chosen(regression.seen()), *mine_of_known],
            network,
            known,
            out=folder / "seen-tasks",
            **options,
        )
        shots = 10 if 10 in self.test_shots else self.test_shots[-1]
        name = type(family).__name__
        return NewTasksAnswer(
            (new, seen),
            shots,
            f"Past tasks on {name}: does sharing help?",
            repr(family),
            "point",
            self.control(new),
            notes,
        )

    def control(self, new: Comparison) -> str:
        """What the control says of this comparison."""
        del new
        return (
            "Control: `learnset compare unrelated` is the same comparison on tasks that share"
            " nothing."
        )


@dataclasses.dataclass(frozen=True)
class SinusoidsSubject(AbstractFamilySubject):
    """Compares ways to use past tasks on sine waves of random amplitude and phase."""

    tasks: OmitArgPrefixes[Sinusoids] = dataclasses.field(default_factory=Sinusoids)
    """regression of y = amplitude * sin(frequency * x - phase), different for each task"""
    word: ClassVar[str] = "sinusoids"
    latents: ClassVar[int] = 2


@dataclasses.dataclass(frozen=True)
class LinearGaussianSubject(AbstractFamilySubject):
    """Compares ways to use past tasks on linear tasks whose best learner is known."""

    tasks: OmitArgPrefixes[LinearGaussian] = dataclasses.field(default_factory=LinearGaussian)
    """regression of y = w * x + noise; each task draws its own w from one normal distribution"""
    word: ClassVar[str] = "linear-gaussian"

    def recipes(self) -> list[Recipe]:
        steps = 10 if self.quick else 50
        return regression.standard(steps=steps, latents=self.tasks.in_size)


@dataclasses.dataclass(frozen=True)
class ControlSubject(AbstractFamilySubject):
    """Compares ways to use past tasks on the control: tasks that share nothing."""

    tasks: OmitArgPrefixes[Unrelated] = dataclasses.field(default_factory=Unrelated)
    """regression of targets that are drawn at random, and have nothing to do with inputs"""
    word: ClassVar[str] = "unrelated"

    def recipes(self) -> list[Recipe]:
        return [*super().recipes(), regression.constant(self.tasks.mean)]

    def control(self, new: Comparison) -> str:
        return verdict_of_control(new, self.tasks.floor)
