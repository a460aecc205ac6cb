"""Few-shot classification as a subject: images and features with classes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import jax.random as jr
from rich.console import Console
from tyro.conf import OmitArgPrefixes

from ...comparison import Accuracy, Budget, compare, NewTasks, Outcome
from ...core import Split
from ...recipes import classes
from ...report import (
    advice_of,
    draw_comparison,
    draw_few_shot,
    Page,
    recommendation_of,
    to_use,
)
from ...tasks import Episodes
from .._limits import check_model
from .._options import say_notes, TrainingOptions
from ._base import AbstractSubject, Answer
from ._families import NewTasksAnswer
from ._sources import AbstractSource, FewShotNetwork, Files, Glyphs, Omniglot

WATCHED = (
    1,
    2,
    5,
    10,
    20,
    50,
)  # steps after which queries are answered: that costs as much as a step


@dataclasses.dataclass(frozen=True)
class EpisodesAnswer(NewTasksAnswer):
    """A comparison on few-shot tasks, with pictures of one of them."""

    best: Sequence[tuple[int, Outcome]] = ()  # the recipes to use
    episodes: Episodes | None = None
    network: FewShotNetwork | None = None
    queries: int = 5
    seed: int = 0

    def record(self) -> dict[str, Any]:
        return super().record() | {
            "recommendation": recommendation_of(self.comparisons[0], self.best)
        }

    def draw(self, folder: Path, command: str) -> Page:
        assert self.episodes is not None  # given where it is made
        new, shots = self.comparisons[0], self.shots
        figures = draw_comparison(self.comparisons, shots, folder, unit=self.unit)
        shown = self.episodes.with_shots(shots, self.queries)
        figures += draw_few_shot(new, shown, self.network, shots, folder, seed=self.seed)
        return self.page(figures)


@dataclasses.dataclass(frozen=True)
class AbstractImagesSubject(TrainingOptions, AbstractSubject):
    """Classes with examples: new classes from a few examples of each."""

    seeds: int | None = None
    """repetitions, trained together; default: 3"""

    @property
    def source(self) -> AbstractSource:
        return self.tasks  # pyright: ignore[reportAttributeAccessIssue]  # a field of each subject

    def asked(self, episodes: Episodes) -> dict[str, Any]:
        """What is compared on these tasks, and how, as `compare` takes it."""
        source = self.source
        queries = source.queries_for(source.shots[-1], episodes)
        held_out = 25 if self.quick else 200
        question = NewTasks(
            episodes,
            Accuracy(),
            3 if self.seeds is None else self.seeds,
            source.shots,
            queries=min(5, queries) if self.quick else queries,
            validation_tasks=held_out,
            test_tasks=held_out,
            watched=WATCHED,
        )
        count = len(episodes.pool(Split.TRAIN))
        recipes = classes.standard(count, steps=5 if self.quick else 10)
        network = source.network(episodes.pool(Split.TRAIN).x.shape[1:])
        check_model(lambda: network(jr.key(0)), "`--filters`, or `--ways`")
        (mine,), _ = self.added((network, question))
        return {
            "recipes": [*self.chosen(recipes), *mine],
            "network": network,
            "question": question,
            "key": jr.key(self.seed),
            "budget": Budget(self.steps or (60 if self.quick else 500), 4),
        }

    def answer(self, folder: Path, console: Console) -> Answer:
        source = self.source
        episodes = source.episodes()
        say_notes(episodes.notes, console)
        asked = self.asked(episodes)
        network, queries = asked["network"], asked["question"].queries
        new = compare(**asked, out=folder, **self.saving)
        best = to_use(new)
        return EpisodesAnswer(
            (new,),
            source.shots[0],
            f"Few-shot classification of {self.word}: does sharing help?",
            described(episodes),
            "shot",
            advice_of(best, "shot"),
            best=best,
            notes=episodes.notes,
            episodes=episodes,
            network=network,
            queries=queries,
            seed=self.seed,
        )


def described(tasks: Episodes) -> str:
    """Few-shot tasks in words: how many classes there are, instead of all of their names.

    >>> import numpy as np, learnset as ls
    >>> x, labels = np.zeros((60, 2)), np.repeat(np.arange(6), 10)
    >>> splits = ls.data.Labelled.from_arrays(x, labels).split((2, 2, 2))
    >>> described(ls.Episodes(*splits, ways=2))  # doctest: +ELLIPSIS
    '2-way 1-shot tasks with 5 queries of each class: 2 classes (20 examples) to train on, 2 (20)
    ...'
    """
    sizes = [f"{len(pool):,} ({pool.examples:,})" for pool in (tasks.validation, tasks.test)]
    first = f"{len(tasks.train):,} classes ({tasks.train.examples:,} examples) to train on"
    augmented = "" if tasks.augment is None else f", images augmented by {tasks.augment!r}"
    return (
        f"{tasks.ways}-way {tasks.shots}-shot tasks with {tasks.queries} queries of each class:"
        f" {first}, {sizes[0]} to validate on, {sizes[1]} to test on{augmented}"
    )


@dataclasses.dataclass(frozen=True)
class GlyphsSubject(AbstractImagesSubject):
    """Compares few-shot classifiers on Unicode characters in many fonts; nothing to download."""

    tasks: OmitArgPrefixes[Glyphs] = dataclasses.field(default_factory=Glyphs)
    word: ClassVar[str] = "glyphs"


@dataclasses.dataclass(frozen=True)
class OmniglotSubject(AbstractImagesSubject):
    """Compares few-shot classifiers on handwritten characters of 50 alphabets."""

    tasks: OmitArgPrefixes[Omniglot] = dataclasses.field(default_factory=Omniglot)
    word: ClassVar[str] = "omniglot"


@dataclasses.dataclass(frozen=True)
class FilesSubject(AbstractImagesSubject):
    """Compares few-shot classifiers on your own images (one folder a class) or .npz arrays."""

    tasks: OmitArgPrefixes[Files] = dataclasses.field(default_factory=Files)
    word: ClassVar[str] = "files"
