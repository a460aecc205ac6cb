"""Few-shot classification as a subject: images and features with classes."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, ClassVar

import jax.random as jr
from rich.console import Console
from tyro.conf import OmitArgPrefixes

from ...comparison import Accuracy, Budget, compare, NewTasks, Outcome, Recipe
from ...core import InputError, Split
from ...recipes import classes
from ...report import (
    advice_of,
    draw_comparison,
    draw_few_shot,
    grid_by_shots,
    kept_by_fit,
    Page,
    recommendation_of,
    Section,
    to_use,
)
from ...tasks import Episodes
from .._limits import check_model
from .._options import say_notes, TrainingOptions
from ._backbones import advice, are_images, best_of, KnownClasses, usual
from ._base import AbstractSubject, Answer
from ._families import NewTasksAnswer
from ._ranking import ranked, Ranking, verdict
from ._sources import AbstractSource, FewShotNetwork, Files, Glyphs, Omniglot

WATCHED = (
    1,
    2,
    5,
    10,
    20,
    50,
)  # steps after which queries are answered: that costs as much as a step

OBSERVED = ()  # but before, after the first and after the last step


@dataclasses.dataclass(frozen=True)
class EpisodesAnswer(NewTasksAnswer):
    """A comparison on few-shot tasks, with pictures of one of them."""

    best: Sequence[tuple[int, Outcome]] = ()  # the recipes to use
    episodes: Episodes | None = None
    network: FewShotNetwork | None = None
    queries: int = 5
    seed: int = 0
    show: bool = True  # whether images may be shown
    known: KnownClasses | None = None  # of pretrained networks
    rankings: Sequence[Ranking] = ()

    def record(self) -> dict[str, Any]:
        record = super().record() | {
            "recommendation": recommendation_of(self.comparisons[0], self.best)
        }
        if self.known is None:
            return record
        parts = [{"recipe": n} | p._asdict() for n, p in self.known.moved.items()]
        networks = {"sources": self.known.sources, "moved": parts, "digest": self.known.digest}
        if self.rankings:
            networks["ranking"] = [one.record() for one in self.rankings]
        return record | {"networks": networks}

    def fits(self, record: dict[str, Any]) -> bool:
        if self.known is not None:
            return self.best[-1][1].name in self.known.seen
        return kept_by_fit(self.best)

    def draw(self, folder: Path, command: str) -> Page:
        assert self.episodes is not None  # given where it is made
        new, shots = self.comparisons[0], self.shots
        figures = draw_comparison(self.comparisons, shots, folder, unit=self.unit)
        shown = self.episodes.with_shots(shots, self.queries)
        options: dict[str, Any] = {"seed": self.seed, "show": self.show}
        figures += draw_few_shot(new, shown, self.network, shots, folder, **options)
        page = self.page(figures)
        if self.known is None:
            return page
        grid = grid_by_shots(new, self.unit)
        by_shots = Section("From each number of images of a class", (grid,), brief=True)
        return page._replace(sections=(page.sections[0], by_shots, *page.sections[1:]))


@dataclasses.dataclass(frozen=True)
class AbstractImagesSubject(TrainingOptions, AbstractSubject):
    """Classes with examples: new classes from a few examples of each."""

    seeds: int | None = None
    """repetitions, trained together; default: 3"""
    backbone: tuple[str, ...] = ()
    """pretrained networks that are compared: lite0, lite1, lite2, or files of their weights;
    default: lite0 if it is installed, without --quick. Features are kept in
    ~/.cache/learnset/features, which has 2 GiB at most"""
    private: bool = False
    """show none of the images in the report"""

    @property
    def source(self) -> AbstractSource:
        return self.tasks  # pyright: ignore[reportAttributeAccessIssue]  # a field of each subject

    def asked(self, episodes: Episodes, frozen: Sequence[Recipe] = ()) -> dict[str, Any]:
        """What is compared on these tasks, and how, as `compare` takes it; with recipes on frozen
        features of pretrained networks."""
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
            "recipes": [*self.chosen(recipes), *frozen, *mine],
            "network": network,
            "question": question,
            "key": jr.key(self.seed),
            "budget": Budget(self.steps or (60 if self.quick else 500), 4),
        }

    def answer(self, folder: Path, console: Console, executor: Executor | None = None) -> Answer:
        source = self.source
        parts = source.parts()
        episodes = source.episodes_of(parts)
        frozen, notes = [], []
        if self.backbone or not self.quick:
            frozen, notes = usual(source, parts.validation, parts.test, self.backbone)
        elif are_images(parts.test):
            notes = ["Frozen pretrained features are compared without `--quick`."]
        notes = (*episodes.notes, *notes)
        say_notes(notes, console)
        asked = self.asked(episodes, frozen)
        network, queries = asked["network"], asked["question"].queries
        new = compare(**asked, out=folder, executor=executor, **self.saving)
        best = to_use(new)
        return EpisodesAnswer(
            (new,),
            source.shots[0],
            f"Few-shot classification of {self.word}: does sharing help?",
            described(episodes),
            "shot",
            advice_of(best, "shot"),
            best=best,
            notes=notes,
            episodes=episodes,
            network=network,
            queries=queries,
            seed=self.seed,
            show=not self.private,
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
    """Compares few-shot classifiers on your own images (one folder a class) or .npz arrays. With
    `--backbone` all classes are one task, learnt from 1, 5 and 20 images of each by pretrained
    networks and from scratch; otherwise classes are divided, and those to test on are new."""

    tasks: OmitArgPrefixes[Files] = dataclasses.field(default_factory=Files)
    rank: bool = False
    """rank the networks by a few labelled images, before anything is trained, and say whether the
    ranking was right"""
    whole: bool = False
    """also fine-tune all of each network, on images of 128 pixels, which takes from minutes to
    hours on a processor"""
    word: ClassVar[str] = "files"

    def answer(self, folder: Path, console: Console, executor: Executor | None = None) -> Answer:
        if self.rank and len(self.backbone) < 2:
            raise InputError("`--rank` ranks networks: name two or more by `--backbone`.")
        if self.whole and (self.quick or not self.backbone):
            raise InputError(
                "`--whole` moves a network: name one by `--backbone`, and leave out `--quick`."
            )
        if not self.backbone:
            return super().answer(folder, console, executor)
        known = KnownClasses(self.tasks, self.backbone, whole=self.whole)
        asked = self.asked_of_known(known)
        say_notes(known.notes, console)
        new = compare(**asked, out=folder, executor=executor, **self.saving)
        rankings = []
        if self.rank:
            rankings = ranked(new, known.views, known.rows, asked["key"])
        lines = [*advice(new, known), *([verdict(rankings, new)] if rankings else [])]
        episodes = known.episodes
        return EpisodesAnswer(
            (new,),
            known.shots[-1],
            f"Your {episodes.ways} classes: does a pretrained network help?",
            known.described,
            "shot",
            "\n\n".join(lines),
            best=best_of(new),
            notes=known.notes,
            episodes=episodes,
            network=asked["network"],
            queries=episodes.queries,
            seed=self.seed,
            show=not self.private,
            known=known,
            rankings=rankings,
        )

    def asked_of_known(self, known: KnownClasses) -> dict[str, Any]:
        """What is compared on all classes, and how, as `compare` takes it."""
        episodes = known.episodes
        network = self.source.network(episodes.test.x.shape[1:], episodes.ways)
        check_model(lambda: network(jr.key(0)), "`--filters`")
        held_out = (3, 5) if self.quick else (4, 10)
        question = NewTasks(
            episodes,
            Accuracy(),
            3 if self.seeds is None else self.seeds,
            known.shots,
            episodes.queries,
            *held_out,
            watched=OBSERVED,
            at_once=1 if self.whole else None,  # or activations would fill the memory
        )
        (mine,), _ = self.added((network, question))
        return {
            "recipes": [*known.recipes(question, quick=self.quick), *mine],
            "network": network,
            "question": question,
            "key": jr.key(self.seed),
            "budget": Budget(self.steps or 500, 4),
        }
