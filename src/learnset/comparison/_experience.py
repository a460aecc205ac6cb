"""Experience: what recipes have learnt from one past."""

import contextlib
import copy
import functools
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import at, DivergedError, fast_dots, InputError, Model, stack, write_file
from ..training import Bar, shown_by_default, written_folder
from ._answers import Answers, KeptAnswers
from ._ask import alike, Asking
from ._comparison import Comparison
from ._host import AbstractHostLearner, HostPast, stacked
from ._learner import AbstractLearner, Budget, Keeping, NothingLearnt
from ._question import AbstractQuestion
from ._recipe import Recipe, slug
from ._seeds import Purpose, seed_keys
from ._work import answered, named
from ._workers import Serial

MOST_BYTES = 2**26  # of a past: of larger ones, one alone is kept on the host


class Learnt(NamedTuple):
    """What a recipe learnt: for each group of models that are alike the models, with the axes
    "learners seeds"; and for each learner its group and its place there. `metrics` are those of a
    training on the host, "seeds windows", and `scores` what it was scored by on the way, by step.
    `rounds` are those that were best, "learners seeds", of learners that can learn again; `start`
    are the models that they started from."""

    models: tuple[Model, ...]
    places: tuple[tuple[int, int], ...]
    seconds: float = 0.0
    compile_seconds: float = 0.0
    metrics: Mapping[str, Float[np.ndarray, "seeds windows"]] = {}
    rounds: Sequence[Sequence[Any]] | None = None
    scores: Mapping[int, np.ndarray] = {}
    start: Model = None

    @property
    def of_one(self) -> Model:
        """The models of the first learner, one for each seed."""
        return at(self.models[0], 0)


class Experience:
    """What recipes learn from one past, under one budget, each from the same initial models. A
    recipe learns when it is first asked; those that learn alike do so once. `learn` makes it.

    **Arguments:** as `compare` takes them; `past` is a question whose past is learnt from.
    """

    def __init__(
        self,
        network: Callable[[Key[Array, ""]], Model],
        past: AbstractQuestion,
        key: Key[Array, ""],
        budget: Budget,
        folder: Path | None,
        keeping: Keeping,
        executor: Executor | None = None,
    ):
        self.key, self.budget, self.seeds = key, budget, past.seeds
        self.folder, self.keeping = folder, keeping
        self.executor, self.locks = executor or Serial(), True
        keys = seed_keys(key, Purpose.MODEL, past.seeds)
        self.models = eqx.filter_jit(eqx.filter_vmap(network))(keys)
        self.past, self.stacked = past.past()
        self.kept: list[tuple[Recipe, Learnt]] = []
        self._pasts: dict[Any, HostPast] = {}
        self._asked: list[str] = []  # digests of questions, in their order

    def ask(
        self,
        question: AbstractQuestion,
        recipes: Sequence[Recipe],
        *,
        models: Mapping[str, Model] | None = None,
    ) -> Comparison:
        """Asks recipes a question: the one whose past they learnt from, or another.

        **Arguments:** `models`: in place of what a recipe has learnt (or the recipe that it starts
        from), by its name, one for each seed on a leading axis; of a question whose inputs are
        features already, say.

        **Returns:** a `Comparison`; a recipe that diverges is among its `failures`.

        **Raises:** `InputError` if two recipes have one name, or for another number of seeds.
        """
        names = [recipe.name for recipe in recipes]
        if len(set(names)) < len(names):
            raise InputError(f"Recipes need different names to be told apart; these are {names}.")
        if self.folder is not None and len({slug(name) for name in names}) < len(names):
            raise InputError(
                f"Names of recipes become names of files, and some of {names} differ in signs or"
                " capital letters alone. Give them other words."
            )
        if question.seeds != self.seeds:
            raise InputError(f"{question.seeds} seeds are asked, but {self.seeds} have learnt.")
        asking, outcomes, failures = Asking(question, self.key), {}, {}

        def take(recipe: Recipe, answers: Answers | str) -> None:
            if isinstance(answers, str):  # it is reported, and the others go on
                failures[recipe.name] = answers
            else:
                asked = asking.asked_of_all()
                outcomes[recipe.name] = answers.outcome(recipe, question, asked)

        with self._writing(), Bar("recipes", len(recipes), shown=self._shows(recipes)) as bar:
            kept = KeptAnswers(
                self.folder,
                question,
                self.models,
                self.key,
                self.budget,
                resume=self.keeping.resume,
                asked=self._asked,
            )
            left = []
            for recipe in recipes:
                if (answers := kept.read(recipe)) is None:
                    left.append(recipe)
                else:
                    if question.tasks == "new":
                        learnt = self.learnt(recipe, models)
                        chosen = asking.chosen(recipe, learnt, answers.chosen[-1])
                        answers = answers._replace(models=chosen)
                    take(recipe, answers)
            for recipe, answers in answered(self, left, asking, models or {}):
                if isinstance(answers, Answers):
                    kept.write(recipe, answers)
                take(recipe, answers)
                self._gather_metrics()
                bar.at(len(outcomes) + len(failures))
        in_order = tuple(outcomes[name] for name in names if name in outcomes)
        failed = {name: failures[name] for name in names if name in failures}
        return Comparison(question, in_order, failed, asking.asked_of_all())

    def sent(self) -> "Experience":
        """This experience for other threads and processes, for which this one holds the folder.
        Work that was cut there is resumed by whoever does it again."""
        sent = copy.copy(self)
        sent.keeping = self.keeping._replace(resume=True, progress=False)
        sent.folder = None if self.folder is None else self.folder.resolve()
        sent.executor, sent.locks = Serial(), False
        return sent

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_pasts": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.folder is not None and not self.folder.is_dir():
            self.folder = None  # of a machine whose disk this one does not share

    def answers(self, recipe: Recipe, asking: Asking, models: Mapping[str, Model]) -> Answers | str:
        """What a recipe answers, after it has learnt; in words why it diverged."""
        try:
            with named(recipe.name):
                learnt = self.learnt(recipe, models)
                again = None
                if asking.question.refits and learnt.rounds is not None:
                    again = functools.partial(self.learnt_again, recipe, learnt)
                return asking.answers(
                    recipe,
                    learnt.models,
                    learnt.places,
                    learnt.seconds,
                    learnt.compile_seconds,
                    again=again,
                )
        except DivergedError as error:
            return str(error)

    def learnt(self, recipe: Recipe, models: Mapping[str, Model] | None = None) -> Learnt:
        """What a recipe learnt; it learns now, if it has not been asked before. What was trained on
        the host is kept for other questions. Its seconds are also those of what it starts from.

        **Arguments:** `models`: as for `ask`.
        """
        models = models or {}
        if recipe.name in models:
            return _given(models[recipe.name])
        own = not _names(recipe.start) & models.keys()  # all of it is learnt here
        same = next((learnt for other, learnt in self.kept if other.learns_as(recipe)), None)
        if own and same is not None:
            return same
        if recipe.start is None:
            learnt = self._learn(recipe, self.models)
        else:
            start = self.learnt(recipe.start, models)
            learnt = self._learn(recipe, start.of_one)
            learnt = learnt._replace(
                seconds=start.seconds + learnt.seconds,
                compile_seconds=start.compile_seconds + learnt.compile_seconds,
            )
        if own and recipe.on_host:
            self.kept.append((recipe, learnt))
        return learnt

    def _learn(self, recipe: Recipe, start: Model) -> Learnt:
        """Learns, from initial models or from those of another recipe."""
        past = recipe.view(self.past)
        if isinstance(recipe.learners[0], AbstractHostLearner):
            return self._fit(recipe, start)
        if recipe.on_host:
            with self._writing():
                return self._train(recipe, past, start)
        began = time.perf_counter()
        learns = not isinstance(recipe.learners[0], NothingLearnt)
        purpose = Purpose.TRAINING if learns else Purpose.PREPARATION
        common = (self.stacked, start, past, self.budget)
        keys = seed_keys(self.key, purpose, self.seeds)
        groups = alike(recipe.learners)
        models = tuple(_learn_alike(stack(group), len(group), *common, keys) for group in groups)
        jax.block_until_ready(models)
        places = [(g, place) for g, group in enumerate(groups) for place in range(len(group))]
        seconds = time.perf_counter() - began if learns else 0.0
        return Learnt(models, tuple(places), seconds)

    def _fit(self, recipe: Recipe, start: Model) -> Learnt:
        """Learns on the host, a learner and a seed at a time."""
        began, seeds = time.perf_counter(), range(self.seeds)
        models, rounds = [], []
        learner: Any  # one that is learnt on the host
        for learner in recipe.learners:
            # Without a key, and from one past for all seeds, all learn the same.
            once = not self.stacked and not learner.seeded
            fitted = [
                self._fit_one(recipe, learner, start, seed)
                for seed in (seeds[:1] if once else seeds)
            ]
            fitted *= self.seeds // len(fitted)
            models.append(stacked([model for model, _ in fitted])[0][0])
            rounds.append([number for _, number in fitted])
        groups = stacked(models)
        place = {
            number: (g, place)
            for g, (_, numbers) in enumerate(groups)
            for place, number in enumerate(numbers)
        }
        places = tuple(place[number] for number in range(len(models)))
        learnt = Learnt(tuple(group for group, _ in groups), places, rounds=rounds, start=start)
        return learnt._replace(seconds=time.perf_counter() - began)

    def _fit_one(
        self, recipe: Recipe, learner: Any, start: Model, seed: int, rounds: Any = None
    ) -> tuple[Model, Any]:
        key = seed_keys(self.key, Purpose.TRAINING, self.seeds)[seed]
        past = self._past_of(recipe, seed)
        return learner.fit(at(start, seed), past, self.budget, key=key, rounds=rounds)

    def _past_of(self, recipe: Recipe, seed: int) -> HostPast:
        """What a seed learns from, with what was computed of it."""
        view, seed = recipe.view, seed if self.stacked else 0
        if (view, seed) not in self._pasts:
            past = view(self.past)
            if self.stacked:  # without a copy
                past = jax.tree.map(
                    lambda leaf: np.asarray(leaf)[seed] if eqx.is_array(leaf) else leaf, past
                )
            if sum(leaf.nbytes for leaf in map(np.asarray, jax.tree.leaves(past))) > MOST_BYTES:
                self._pasts.clear()
            self._pasts[view, seed] = HostPast(past)
        return self._pasts[view, seed]

    def learnt_again(
        self, recipe: Recipe, learnt: Learnt, chosen: Sequence[int]
    ) -> tuple[tuple[Model, ...], list[int]]:
        """Learns what was chosen for each seed once more, from validation rows as well.

        **Returns:** the models of each group of models that are alike, with the axes "1 seeds", and
        the group of each seed.
        """
        assert learnt.rounds is not None  # its learners can learn again
        models = [
            self._fit_one(
                recipe, recipe.learners[learner], learnt.start, seed, learnt.rounds[learner][seed]
            )[0]
            for seed, learner in enumerate(chosen)
        ]
        groups, group_of = [], [0] * self.seeds
        for number, (group, seeds) in enumerate(stacked(models)):
            # A seed of another group has a model of this one standing in.
            place = np.array([seeds.index(s) if s in seeds else 0 for s in range(self.seeds)])
            groups.append(at(group, place[None]))
            for seed in seeds:
                group_of[seed] = number
        return tuple(groups), group_of

    def _train(self, recipe: Recipe, past: Any, start: Model) -> Learnt:
        learner: Any = recipe.learners[0]
        place = None if self.folder is None else self.folder / "checkpoints" / slug(recipe.name)
        trained = learner.train_seeds(
            start,
            past,
            self.budget,
            key=self.key,
            seeds=self.seeds,
            name=recipe.name,
            stacked=self.stacked,
            keeping=self.keeping._replace(out=place),
        )
        metrics = {name: np.asarray(values) for name, values in trained.metrics.items()}
        costs = (trained.seconds, trained.compile_seconds)
        models = (_alone(trained.model),)
        return Learnt(models, ((0, 0),), *costs, metrics, scores=trained.scores)

    def _writing(self) -> contextlib.AbstractContextManager[Any]:
        """Locks the folder, if there is one, while it is written into."""
        if self.folder is None or not self.locks:
            return contextlib.nullcontext()
        return written_folder(self.folder)

    def _shows(self, recipes: Sequence[Recipe]) -> bool:
        """Whether a bar counts the recipes: trainings on the host have bars of their own."""
        wanted = self.keeping.progress
        shown = shown_by_default() if wanted is None else wanted
        here = isinstance(self.executor, Serial)
        return shown and not (here and any(recipe.on_host for recipe in recipes))

    def _gather_metrics(self) -> None:
        """One `metrics.jsonl` of all trainings so far that are logged."""
        if self.folder is None:
            return
        logs = (self.folder / "checkpoints").glob("*/metrics.jsonl")
        if logs := sorted(logs, key=lambda path: path.stat().st_mtime):
            write_file(self.folder / "metrics.jsonl", *(log.read_bytes() for log in logs))


def _names(recipe: Recipe | None) -> set[str]:
    """The names of a recipe and of those that it starts from."""
    return set() if recipe is None else {one.name for one in recipe.chain}


def _given(models: Model) -> Learnt:
    """Models that were learnt elsewhere."""
    return Learnt((_alone(models),), ((0, 0),))


def _alone(models: Model) -> Model:
    """Models of all seeds with the axis of one learner in front."""
    return at(models, None)


@eqx.filter_jit
def _learn_alike(
    learners: AbstractLearner,
    count: int,
    stacked: bool,
    models: Model,
    past: Any,
    budget: Budget,
    keys: Key[Array, "seeds"],
) -> Model:
    """Models of all seeds by learners that differ in numbers alone, "learners seeds"."""

    def one(learner: AbstractLearner, model: Model, past: Any, key: Array) -> Model:
        return learner.learn(model, past, budget, key=key)

    arrays = eqx.if_array(0)
    of_seed = eqx.filter_vmap(
        one, in_axes=(None, arrays, arrays if stacked else None, 0), axis_size=len(keys)
    )
    of_all = eqx.filter_vmap(of_seed, in_axes=(arrays, None, None, None), axis_size=count)
    return fast_dots(of_all)(learners, models, past, keys)
