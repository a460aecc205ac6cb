"""Several recipes asked the same question, under the same budget."""

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import (
    DivergedError,
    fast_dots,
    for_task,
    InputError,
    is_transductive,
    Model,
    nbytes,
    Split,
    stack,
)
from ..training import Bar, claim, shown_by_default
from ._answers import Answers, KeptAnswers
from ._comparison import Comparison
from ._learner import AbstractLearner, Budget, ByGradient, Keeping
from ._outcome import Choice, Cost, Outcome
from ._question import AbstractQuestion
from ._recipe import in_full, Recipe, slug
from ._seeds import Purpose, seed_keys


def compare(
    recipes: Sequence[Recipe],
    network: Callable[[Key[Array, ""]], Model],
    question: AbstractQuestion,
    *,
    key: Key[Array, ""],
    budget: Budget | None = None,
    out: str | Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: bool | None = None,
) -> Comparison:
    """Gives the same past to several recipes, asks all of them the same question, and scores them
    so that they can be compared: for each seed they share the initial model, what they learn from,
    and what is asked. The settings of a recipe (how it learns, how it adapts, after how many steps)
    are chosen on validation tasks, for each seed and each number of shots. Nothing is chosen on
    test tasks. Recipes that learn alike and differ in their adapters are learnt once.

    **Arguments:**

    - `recipes`: of different names. Those that are `baseline` are what the others are compared
        with.
    - `network`: makes the common initial model from a key.
    - `question`: `NewTasks` or `SeenTasks`, with the number of seeds.
    - `budget`: of training, for recipes that do not bring their own.
    - `out`, `checkpoint_every`, `resume`, `overwrite`, `progress`: as in `train`, for each
        training.

    **Returns:** a `Comparison`; a recipe that diverges is among its `failures`, and the others go
    on.

    **Raises:** as `train`, but for that; and `InputError` if two recipes have one name.

    >>> import jax.random as jr, learnset as ls
    >>> recipes = [ls.recipes.regression.scratch(steps=5), ls.recipes.regression.maml(steps=5)]
    >>> question = ls.comparison.NewTasks(ls.Sinusoids(), seeds=2, shots=(5,), test_tasks=20)
    >>> network = lambda key: ls.MLP(1, 1, key=key)
    >>> result = ls.compare(recipes, network, question, key=jr.key(0), budget=ls.Budget(steps=10))
    >>> [outcome.recipe.name for outcome in result]
    ['scratch', 'MAML']
    """
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InputError(f"Recipes need different names to be told apart; these are {names}.")
    folder = None if out is None else claim(out, resume=resume, overwrite=overwrite)
    keeping = Keeping(None, checkpoint_every, resume, progress)
    session = _Session(network, question, key, budget or Budget(), folder, keeping)
    return session.compare(recipes)


class _Learnt(NamedTuple):
    """What a recipe learnt: for each group of learners that are alike the models, with the axes
    "learners seeds"."""

    models: tuple[Model, ...]
    seconds: float
    compile_seconds: float


class _Candidate(NamedTuple):
    """A learner and an adapter, and their places among those that are alike."""

    learner: int
    adapter: int
    learner_group: int
    learner_place: int
    adapter_group: int


class _Session:
    """All that the recipes of one comparison share."""

    def __init__(
        self,
        network: Callable[[Key[Array, ""]], Model],
        question: AbstractQuestion,
        key: Key[Array, ""],
        budget: Budget,
        folder: Path | None,
        keeping: Keeping,
    ):
        self.question, self.key, self.budget = question, key, budget
        self.folder, self.keeping = folder, keeping
        keys = seed_keys(key, Purpose.MODEL, question.seeds)
        self.models = eqx.filter_jit(eqx.filter_vmap(network))(keys)
        self.past, self.stacked = question.past()
        self.kept = KeptAnswers(folder, question, self.models, key, budget, resume=keeping.resume)
        self.learnt: list[tuple[Recipe, _Learnt]] = []
        self.asked: dict[Split, tuple[Any, Any]] = {}

    def compare(self, recipes: Sequence[Recipe]) -> Comparison:
        outcomes, failures = [], {}
        hosted = any(_on_host(recipe.learners) for recipe in recipes)
        wanted = self.keeping.progress
        shown = (shown_by_default() if wanted is None else wanted) and not hosted
        with Bar("recipes", len(recipes), shown=shown) as bar:
            for number, recipe in enumerate(recipes):
                try:
                    outcomes.append(self._outcome(recipe))
                except DivergedError as error:  # it is reported, and the others go on
                    failures[recipe.name] = str(error)
                self._gather_metrics()
                bar.at(number + 1)
        asked = self._ask_all(Split.TEST, in_full)[1]
        return Comparison(self.question, tuple(outcomes), failures, asked)

    def _outcome(self, recipe: Recipe) -> Outcome:
        answers = self.kept.read(recipe)
        if answers is None:
            answers = self._answers(recipe)
            self.kept.write(recipe, answers)
        return answers.outcome(recipe, self.question)

    # Learning

    def _learn(self, recipe: Recipe) -> _Learnt:
        same = next((learnt for other, learnt in self.learnt if other.learns_as(recipe)), None)
        if same is not None:
            return same
        began = time.perf_counter()
        past = recipe.view(self.past)
        groups = alike(recipe.learners)
        if _on_host(recipe.learners):
            learnt = self._train(recipe, past)
        else:
            keys = seed_keys(self.key, Purpose.TRAINING, self.question.seeds)
            if not recipe.learns:
                keys = seed_keys(self.key, Purpose.PREPARATION, self.question.seeds)
            models = tuple(
                _learn_alike(
                    stack(group), len(group), self.stacked, self.models, past, self.budget, keys
                )
                for group in groups
            )
            jax.block_until_ready(models)
            learnt = _Learnt(models, time.perf_counter() - began if recipe.learns else 0.0, 0.0)
        self.learnt.append((recipe, learnt))
        return learnt

    def _train(self, recipe: Recipe, past: Any) -> _Learnt:
        learner: Any = recipe.learners[0]
        place = None if self.folder is None else self.folder / "checkpoints" / slug(recipe.name)
        trained = learner.train_seeds(
            self.models,
            past,
            self.budget,
            key=self.key,
            seeds=self.question.seeds,
            name=recipe.name,
            stacked=self.stacked,
            keeping=self.keeping._replace(out=place),
        )
        models = jax.tree.map(
            lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, trained.model
        )
        return _Learnt((models,), trained.seconds, trained.compile_seconds)

    # Asking

    def _answers(self, recipe: Recipe) -> Answers:
        question = self.question
        learnt = self._learn(recipe)
        if question.tasks == "new":
            learnt = learnt._replace(models=tuple(map(_for_new_tasks, learnt.models)))
        candidates = _candidates(recipe)
        watched = _watched(recipe, question)
        validation = self._ask_all(Split.VALIDATION, recipe.view)
        test = self._ask_all(Split.TEST, recipe.view)
        rounds = [
            self._at(shots, recipe, learnt, candidates, watched, validation, test)
            for shots in question.shots
        ]
        models = rounds[-1][-1]
        cost = Cost(
            nbytes(models) // question.seeds if recipe.learns else 0,
            learnt.seconds,
            learnt.compile_seconds,
            float(np.median([seconds for *_, seconds, _ in rounds])),
        )
        return Answers(
            [observed for observed, *_ in rounds],
            [chosen for _, chosen, *_ in rounds],
            np.stack([best for _, _, best, *_ in rounds]),
            watched,
            cost,
            models,
            recipe.adapters[0].transductive or is_transductive(models),
            test[1],
        )

    def _ask_all(self, split: Split, view: Callable[[Any], Any]) -> tuple[Any, Any]:
        """What is asked in a split, and what the measure needs to know of it; the same for all
        recipes that see tasks in full."""
        if view is in_full and split in self.asked:
            return self.asked[split]
        asked = self.question.ask(split, view, self.key)
        both = asked, self.question.for_measure(asked)
        if view is in_full:
            self.asked[split] = both
        return both

    def _at(
        self,
        shots: int | None,
        recipe: Recipe,
        learnt: _Learnt,
        candidates: list[_Candidate],
        watched: tuple[int, ...],
        validation: tuple[Any, Any],
        test: tuple[Any, Any],
    ) -> tuple[np.ndarray, tuple[Choice, ...], np.ndarray, float, Model]:
        """Chooses for one number of shots, and asks what was chosen.

        **Returns:** what was observed; what was chosen for each seed; its value on validation
        tasks; seconds for one task; the chosen models."""
        measure, seeds = self.question.measure, self.question.seeds
        values = []
        for candidate in candidates:
            observed = self._ask(recipe, learnt, [candidate] * seeds, validation[0], shots)[0]
            values.append(measure.sign * measure.overall(observed, validation[1]))
        scores = np.stack(values, axis=1)  # "seeds candidates steps"
        best = _best(scores, recipe.name)
        chosen = [candidates[c] for c, _ in best]
        if _shapes(test[0]) != _shapes(validation[0]):  # compiles, so that the next is timed
            self._ask(recipe, learnt, chosen, test[0], shots)
        observed, seconds, models = self._ask(recipe, learnt, chosen, test[0], shots)
        if not np.isfinite(measure.overall(observed, test[1])).any():
            raise DivergedError(f"{recipe.name}: its predictions are not finite.")
        choices = tuple(
            Choice(candidate.learner, candidate.adapter, watched[place])
            for candidate, (_, place) in zip(chosen, best, strict=True)
        )
        value = np.array([measure.sign * scores[s, c, p] for s, (c, p) in enumerate(best)])
        return observed, choices, value, seconds, models

    def _ask(
        self,
        recipe: Recipe,
        learnt: _Learnt,
        chosen: list[_Candidate],
        asked: Any,
        shots: int | None,
    ) -> tuple[np.ndarray, float, Model]:
        """The answers of the candidate of each seed: one program for those that are alike.

        **Returns:** what was observed, the seconds for one task, and the models (those of the first
        group, where the seeds have chosen models of different structures).
        """
        groups = dict.fromkeys((c.learner_group, c.adapter_group) for c in chosen)
        observed, seconds, first = None, 0.0, None
        for group in groups:
            inside = [(c.learner_group, c.adapter_group) == group for c in chosen]
            standing_in = next(c for c, mine in zip(chosen, inside, strict=True) if mine)
            each = [c if mine else standing_in for c, mine in zip(chosen, inside, strict=True)]
            models = _of_seeds(learnt.models[group[0]], [c.learner_place for c in each])
            adapters = stack([recipe.adapters[c.adapter] for c in each])
            began = time.perf_counter()
            found = self.question.answers(adapters, models, asked, shots)
            seconds += (time.perf_counter() - began) / max(1, found.shape[0] * found.shape[1])
            first = models if first is None else first
            observed = found.copy() if observed is None else observed
            observed[inside] = found[inside]
        assert observed is not None  # there is at least one seed
        return observed, seconds, first

    def _gather_metrics(self) -> None:
        """One `metrics.jsonl` of all trainings so far."""
        if self.folder is not None:
            logs = sorted(
                (self.folder / "checkpoints").glob("*/metrics.jsonl"),
                key=lambda path: path.stat().st_mtime,
            )
            partial = self.folder / "metrics.jsonl.partial"
            partial.write_text("".join(log.read_text() for log in logs))
            partial.replace(self.folder / "metrics.jsonl")


def alike(things: Sequence[Any]) -> list[list[Any]]:
    """Neighbours that differ in numbers alone, and so are one program."""
    groups: list[list[Any]] = []
    for thing in things:
        try:
            stack([groups[-1][-1], thing])
            groups[-1].append(thing)
        except (InputError, IndexError):
            groups.append([thing])
    return groups


def _on_host(learners: Sequence[AbstractLearner]) -> bool:
    """Whether a recipe trains once, with the host to talk to; several candidates are one
    program."""
    first = learners[0]
    return len(learners) == 1 and isinstance(first, ByGradient) and first.keep_best is None


def _candidates(recipe: Recipe) -> list[_Candidate]:
    learners = _numbered(recipe.learners)
    adapters = _numbered(recipe.adapters)
    return [
        _Candidate(learner, adapter, *learners[learner], adapters[adapter][0])
        for learner, adapter in itertools.product(range(len(learners)), range(len(adapters)))
    ]


def _numbered(things: Sequence[Any]) -> list[tuple[int, int]]:
    """For each thing the number of its group, and its place in it."""
    return [(g, place) for g, group in enumerate(alike(things)) for place in range(len(group))]


def _watched(recipe: Recipe, question: AbstractQuestion) -> tuple[int, ...]:
    """The steps after which answers are scored."""
    each = {question.steps(adapter) for adapter in recipe.adapters}
    if len(each) > 1:
        raise InputError(
            f"Adapters of recipe {recipe.name!r} are scored after different steps, {sorted(each)}."
            " Give each number of steps a recipe of its own."
        )
    return each.pop()


def _best(scores: Float[np.ndarray, "seeds candidates steps"], name: str) -> list[tuple[int, int]]:
    """For each seed the candidate and the place among its steps with the highest score. What is not
    finite is never it.

    **Raises:** `DivergedError` where a seed has no finite score.
    """
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    if np.isneginf(scores).all(axis=(1, 2)).any():
        raise DivergedError(f"{name}: its predictions are not finite, whatever its settings.")
    places = [np.unravel_index(int(of_seed.argmax()), of_seed.shape) for of_seed in scores]
    return [(int(candidate), int(step)) for candidate, step in places]


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


@eqx.filter_jit
def _for_new_tasks(models: Model) -> Model:
    """The models as a task sees them that no set numbers."""
    view = eqx.filter_vmap(lambda model: for_task(model, jnp.asarray(-1)))
    return eqx.filter_vmap(view)(models)


def _of_seeds(models: Model, places: Sequence[int]) -> Model:
    """The model of each seed, from models with the axes "learners seeds"."""
    seeds = np.arange(len(places))
    chosen = np.asarray(places)
    return jax.tree.map(lambda leaf: leaf[chosen, seeds] if eqx.is_array(leaf) else leaf, models)


def _shapes(asked: Any) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(asked) if eqx.is_array(leaf)]
