"""What the studies of few-shot classification of characters share: trainings, questions, rows."""

import abc
import dataclasses
import functools
import json
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import as_completed, Executor
from pathlib import Path
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from learnset.comparison import (
    Accuracy,
    Comparison,
    Experience,
    learn,
    NewTasks,
    Recipe,
    stoppable,
)
from learnset.core import DivergedError, InputError, write_file
from learnset.data import Labelled, Splits, turned
from learnset.models import Headed, Raw
from learnset.report import Page
from learnset.tasks import Affine, Episodes
from learnset.training import written_folder

from ._characters_page import draw, matching_steps, quarter
from ._characters_parts import done, ended, named, Part, place, UNTRAINED
from ._characters_recipes import (
    by_cell,
    BY_SHOTS,
    by_shots,
    embedded,
    encoder,
    MANY_WAY,
    many_way,
    network,
    untrained,
)
from ._study import SHARED

WIDE = 20  # ways that networks are trained with which take any number of classes


@dataclasses.dataclass(frozen=True)
class Characters(abc.ABC):
    """A study of characters, and its sizes.

    **Arguments:**

    - `steps`, `ways`, `filters`: of networks that compare features: training steps of one task each
        (of matching networks half, of those that are trained for each number of shots a quarter),
        with `ways` classes, one shot and five queries; filters of each of four convolutions that
        are pooled, few where images are large.
    - `maml_steps`, `gradient_steps`: of MAML, and of the other networks that adapt by gradient
        descent: training steps of `gradient_tasks` tasks of five classes; `gradient_filters`: of
        each of four strided convolutions.
    - `test_tasks`: held-out tasks of each cell.
    - `wide_steps`: as `gradient_steps`, of half as many tasks of twenty classes, if they are
        trained.
    """

    steps: int = 6000
    ways: int = 60
    filters: tuple[int, ...] = (24, 48, 96, 192)
    maml_steps: int = 36_000
    gradient_steps: int = 6000
    gradient_tasks: int = 8
    gradient_filters: int = 32
    test_tasks: int = 1000
    wide_steps: int = 2000

    name: ClassVar[str]
    cells: ClassVar[tuple[tuple[int, int], ...]]  # ways, shots
    reads: ClassVar[frozenset[str]] = SHARED | {
        "seed",
        "steps",
        "checkpoint_every",
        "resume",
        "only",
    }
    draw = staticmethod(draw)

    @abc.abstractmethod
    def protocols(self) -> dict[str, str]:
        """Ways to divide the characters, by name, and words about them."""

    @abc.abstractmethod
    def splits(self, protocol: str) -> Splits:
        """The characters to train, validate and test on."""

    @abc.abstractmethod
    def queries(self, ways: int) -> int:
        """Queries of each class, when scored."""

    @abc.abstractmethod
    def compared(
        self, protocol: str, learner: str, ways: int, shots: int, accuracy: float, half: float
    ) -> dict[str, Any]:
        """The fields of a row about published values."""

    @staticmethod
    @abc.abstractmethod
    def page(result: dict[str, Any]) -> Page:
        """The page of results, all of its numbers from `result`."""

    def trained_cells(self, protocol: str, learner: str) -> tuple[tuple[int, int], ...]:
        """Cells that a network is trained for that adapts by gradient descent."""
        del protocol, learner
        return ((5, 1),)

    @property
    def scores_seen(self) -> bool:
        """Whether networks that compare features are scored on characters of training too."""
        return True

    def learners(self, protocol: str) -> tuple[str, ...]:
        """The learners that are trained, in the order of the table."""
        del protocol
        return "ProtoNet", "matching network", "MAML", "FOMAML", "ANIL"

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not isinstance(value, bool) and min(np.ravel(value)) < 1:
                raise InputError(f"{self.name}: `{name}={value}`, but it must be at least 1.")

    def with_steps(self, steps: int) -> "Characters":
        """The same study with another number of training steps."""
        names = ("steps", "maml_steps", "gradient_steps", "wide_steps")
        return dataclasses.replace(self, **dict.fromkeys(names, steps))

    def run(
        self,
        folder: Path,
        key: Key[Array, ""],
        executor: Executor | None = None,
        only: Sequence[str] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """Trains and scores. What each learner answers is kept in the folder, and `resume` reads
        it again, and what a result in the folder has; a run that is stopped returns what is done.
        `options` go to `learn`.

        **Arguments:** `only`: labels of the parts that are trained, in this order, where not all
        are.
        """
        protocols, parts = [], []
        for protocol, words in self.protocols().items():
            splits = characters(self, protocol)
            counts = (splits.train, splits.validation, self.scored(splits).test)
            names = ("train", "validation", "test")
            about: dict[str, Any] = {"protocol": protocol, "data": words}
            about["classes"] = dict(zip(names, map(len, counts), strict=True))
            protocols.append(about)
            parts += self.parts(protocol)
        # The longest first, so that none is left for the end.
        parts.sort(key=lambda part: (part.ways * part.shots, part.shots), reverse=True)
        work = functools.partial(answers, self, folder, np.asarray(jr.key_data(key)), options)
        kept, origins = ended(self, folder, parts) if options.get("resume") else ({}, [])
        kept |= {part: found for part in parts if (found := done(folder, options, part))}
        wanted = parts if only is None else named(only, parts)
        undone, futures = [part for part in wanted if part not in kept], {}
        if not kept and not undone:
            raise InputError(f"No part has ended in {folder}, and none is to be trained.")
        try:
            if executor is None:
                for part in undone:
                    kept[part] = work(part)
            else:
                futures = {executor.submit(work, part): part for part in undone}
                for future in as_completed(futures):
                    kept[futures[future]] = future.result()
        except KeyboardInterrupt:  # what is done is a result; `resume` does the rest
            for future in futures:
                future.cancel()
            if not kept:
                raise
        rows = []
        for about in protocols:
            of = {part: each for part, each in kept.items() if part.protocol == about["protocol"]}
            order = [UNTRAINED, *self.learners(about["protocol"])]
            first = sorted(of, key=lambda part: (order.index(part.learner), part.ways, part.shots))
            rows += [self._with_published(row) for part in first for row in of[part]["rows"]]
            about["training"] = {
                part.label: of[part]["seconds"] for part in first if "seconds" in of[part]
            }
            about["devices"] = {
                part.label: of[part]["device"] for part in first if "device" in of[part]
            }
            if shared := [part.label for part in first if of[part].get("shared")]:
                about["shared"] = shared
            about["diverged"] = [part.label for part in first if "diverged" in of[part]]
            left = [part.label for part in self.parts(about["protocol"]) if part not in of]
            about |= {"left": left} if left else {}
            cells = {(part.ways, part.shots) for part in first if part.shots}
            about["trained_shots"] = sorted({shots for ways, shots in cells if ways == 5})
        names = {row["protocol"] for row in rows}
        shown = [one for one in protocols if one["protocol"] in names]
        return {"rows": rows, "protocols": shown} | ({"earlier": origins} if origins else {})

    def parts(self, protocol: str) -> list[Part]:
        """The units of work under one protocol."""
        parts, shots = [Part(protocol, UNTRAINED)], sorted({shots for _, shots in self.cells})
        for learner in self.learners(protocol):
            if learner in MANY_WAY:
                parts.append(Part(protocol, learner))
            elif learner in BY_SHOTS:
                parts += [Part(protocol, learner, WIDE, each) for each in shots]
            else:
                cells = self.trained_cells(protocol, learner)
                parts += [Part(protocol, learner, *cell) for cell in cells]
        return parts

    def answers(self, part: Part, out: Path, **options: Any) -> dict[str, Any]:
        """What a learner answers, after it has learnt."""
        scored = self.scored(characters(self, part.protocol))
        try:
            experience, recipes = self.learnt(part, out, **options)
            if part.learner in MANY_WAY:
                rows = self._rows_of_features(experience, recipes[0], scored, part.protocol)
            else:
                rows = self._rows(experience, recipes, scored, part)
        except DivergedError as error:
            return {"rows": [], "diverged": str(error)}
        if not recipes[0].learns:
            return {"rows": rows}
        learnt = experience.learnt(recipes[0])
        return {
            "rows": rows,
            "seconds": round(learnt.seconds, 2),
            "compile_seconds": round(learnt.compile_seconds, 2),
        }

    def learnt(
        self, part: Part, out: Path | None, **options: Any
    ) -> tuple[Experience, list[Recipe]]:
        """A learner after its training, with its recipes."""
        splits = characters(self, part.protocol)
        nothing = part.learner == UNTRAINED
        recipes = untrained() if nothing else [self.recipe(part, splits.train)]
        network = functools.partial(self.network, part.learner, part.ways or 5)
        experience = learn(network, self._trained_on(part, splits), out=out, **options)
        if not nothing:
            experience.learnt(recipes[0])
        return experience, recipes

    def scored(self, splits: Splits) -> Splits:
        """The classes that have enough examples for every cell."""
        fewest = max(shots + self.queries(ways) for ways, shots in self.cells)
        return Splits(*(classes.of_size(fewest) for classes in splits))

    def tasks(self, splits: Splits, ways: int, shots: int) -> Episodes:
        """The tasks of a cell."""
        return Episodes(*splits, ways=ways, shots=shots, queries=self.queries(ways))

    def network(self, learner: str, ways: int, key: Key[Array, ""]) -> Any:
        """What a learner starts from."""
        if learner in MANY_WAY:
            return encoder(self.filters, key)
        return network(learner, ways, self.gradient_filters, key)

    def recipe(self, part: Part, classes: Labelled) -> Recipe:
        """How a learner is trained, and how it adapts."""
        half = matching_steps(self.steps)
        if part.learner in MANY_WAY:
            steps = self.steps if part.learner == "ProtoNet" else half
            return many_way(part.learner, steps, classes)
        if part.learner in BY_SHOTS:
            return by_shots(part.learner, quarter(self.steps), classes)
        narrow = self.maml_steps if part.learner == "MAML" else self.gradient_steps
        steps, share = (narrow, 1) if part.ways <= 5 else (self.wide_steps, 2)
        tasks = max(1, self.gradient_tasks // share)
        return by_cell(part.learner, max(part.ways, 5), steps, tasks)

    def _trained_on(self, part: Part, splits: Splits) -> NewTasks:
        """Turned characters are classes of their own, mirrored ones too where there are many
        classes at a time."""
        if part.learner in MANY_WAY or part.learner in BY_SHOTS:
            ways, shots = part.ways or self.ways, part.shots or 1
            classes = (turned(splits.train, mirrored=True), *_unused(ways, shots))
        else:
            ways, shots = part.ways or 5, part.shots or 1
            classes = (turned(splits.train), splits.validation, splits.test)
        return self.question(Episodes(*classes, ways, shots=shots, queries=5, augment=Affine()))

    # Questions and rows

    def question(self, tasks: Episodes) -> NewTasks:
        """New tasks, answered after the last step of adaptation. All images of many tasks together
        are gigabytes."""
        return NewTasks(
            tasks,
            Accuracy(),
            seeds=1,
            shots=(tasks.shots,),
            queries=tasks.queries,
            validation_tasks=min(100, self.test_tasks),
            test_tasks=self.test_tasks,
            watched=(),
            chooses_steps=False,
            at_once=max(1, 1000 // tasks.ways),
        )

    def is_asked(self, part: Part, recipe: str, ways: int, shots: int) -> bool:
        """Whether a recipe of a part is for a cell: of its ways, unless it takes any number of
        classes; of its shots, or of those that no training is for."""
        if part.learner in MANY_WAY or recipe == "raw pixels":
            return True
        free = part.learner in BY_SHOTS
        cells = self.trained_cells(part.protocol, part.learner)
        trained = {shots for ways, shots in cells if ways == part.ways}
        nearest = shots if free or shots in trained else min(trained, default=0)
        return ways == (ways if free else part.ways or 5) and part.shots in (0, nearest)

    def _rows(
        self, experience: Experience, recipes: list[Recipe], splits: Splits, part: Part
    ) -> list[dict[str, Any]]:
        """Accuracy in the cells that a learner is for."""
        rows = []
        for ways, shots in self.cells:
            able = [one for one in recipes if self.is_asked(part, one.name, ways, shots)]
            if able:
                comparison = experience.ask(self.question(self.tasks(splits, ways, shots)), able)
                rows += [self._row(comparison, one.name, ways, part.protocol) for one in able]
        return rows

    def _rows_of_features(
        self, experience: Experience, recipe: Recipe, splits: Splits, protocol: str
    ) -> list[dict[str, Any]]:
        """Accuracy in each cell, on new characters and on those of training. Features of each image
        are computed once, and not anew in every task."""
        model = jax.tree.map(
            lambda leaf: leaf[0, 0] if eqx.is_array(leaf) else leaf,
            experience.learnt(recipe).models[0],
        )
        new = Splits(*(embedded(model, classes) for classes in splits))
        seen = Splits(new.test, new.validation, new.train)
        models = {recipe.name: Headed(Raw(), None)}
        rows = []
        for which, parts in {"new": new, **({"seen": seen} if self.scores_seen else {})}.items():
            for ways, shots in self.cells:
                question = self.question(self.tasks(parts, ways, shots))
                comparison = experience.ask(question, [recipe], models=models)
                rows.append(self._row(comparison, recipe.name, ways, protocol, which))
        return rows

    def _row(
        self, comparison: Comparison, name: str, ways: int, protocol: str, which: str = "new"
    ) -> dict[str, Any]:
        outcome, (shots,) = comparison[name], comparison.shots
        assert shots is not None  # they are new tasks
        accuracy, half = (100 * number for number in comparison.value(outcome, shots))
        return {
            "part": "table",
            "recipe": name,
            "setting": outcome.recipe.setting.value,
            "tasks": which,
            "ways": ways,
            "shots": shots,
            "quantity": "accuracy",
            "value": accuracy,
            "ci95": half,
            "num_tasks": outcome.at(shots).size,
            "transductive": outcome.transductive,
            "protocol": protocol,
        }

    def _with_published(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row next to what was published of it."""
        if row["tasks"] == "seen":
            return row
        names = ("protocol", "recipe", "ways", "shots", "value", "ci95")
        return row | self.compared(*(row[name] for name in names))


@functools.lru_cache(2)
def characters(study: Characters, protocol: str) -> Splits:
    """The characters of a protocol, read once in a process."""
    return study.splits(protocol)


def answers(
    study: Characters, folder: Path, key: np.ndarray, options: dict[str, Any], part: Part
) -> dict[str, Any]:
    """What a learner answers, kept in a file."""
    began, out = time.perf_counter(), place(folder, part)
    with stoppable(), written_folder(out):
        trained_on(out)
        found = study.answers(part, out, key=jr.wrap_key_data(jnp.asarray(key)), **options)
        if device := trained_on(out):
            found["device"] = device
        if multiprocessing.parent_process() is not None:  # a worker, and others are next to it
            found["shared"] = True
        found["wall_seconds"] = round(time.perf_counter() - began, 1)
        write_file(out / "answers.json", json.dumps(found))
    return found


def trained_on(out: Path) -> str:
    """The accelerator that the training in a folder was begun on, which may be resumed elsewhere;
    nothing for a processor."""
    path, device = out / "device.txt", jax.devices()[0]
    if not path.exists():
        write_file(path, "" if device.platform == "cpu" else device.device_kind)
    return path.read_text()


def _unused(ways: int, shots: int) -> tuple[Labelled, Labelled]:
    """Empty classes for the splits that training never draws from: theirs are fewer than `ways`."""
    each = shots + 5
    blank, labels = np.zeros((each * ways, 28, 28, 1), np.uint8), np.repeat(np.arange(ways), each)

    def classes(name: str) -> Labelled:
        return Labelled.from_arrays(blank, labels, [f"{name} {i}" for i in range(ways)])

    return classes("a"), classes("b")
