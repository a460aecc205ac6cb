"""Asking: what recipes answer to a question, after their settings are chosen on validation
tasks."""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import (
    DivergedError,
    for_task,
    InputError,
    is_transductive,
    Model,
    nbytes,
    Split,
    stack,
)
from ..transfer import StoppedFineTune
from ._answers import Answers
from ._outcome import Choice, Cost
from ._question import AbstractQuestion
from ._recipe import in_full, Recipe

# Of the learner that was chosen for each seed: models with the axes "1 seeds" for each group of
# models that are alike, and the group of each seed.
Again = Callable[[Sequence[int]], tuple[tuple[Model, ...], Sequence[int]]]


class _Round(NamedTuple):
    """What came of one number of shots."""

    observed: np.ndarray
    chosen: tuple[Choice, ...]  # for each seed
    validation: Float[np.ndarray, "seeds"]  # the values of what was chosen
    watched: tuple[int, ...]
    seconds: float  # for one task
    models: Model  # those that were chosen
    stopped: tuple[int, int] | None  # how many adaptations were stopped, and of how many


class _Candidate(NamedTuple):
    """A learner and an adapter, and their places among those that are alike."""

    learner: int
    adapter: int
    learner_group: int
    learner_place: int
    adapter_group: int


class Asking:
    """One question, asked of one recipe after the other."""

    def __init__(self, question: AbstractQuestion, key: Key[Array, ""]):
        self.question, self.key = question, key
        self._asked: dict[Split, tuple[Any, Any]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_asked": {}}  # a worker draws them itself

    def asked_of_all(self) -> Any:
        """What the measure needs to know of what was asked of all recipes."""
        return self._ask_all(Split.TEST, in_full)[1]

    def answers(
        self,
        recipe: Recipe,
        models: tuple[Model, ...],
        places: Sequence[tuple[int, int]],
        train_seconds: float = 0.0,
        compile_seconds: float = 0.0,
        *,
        again: Again | None = None,
    ) -> Answers:
        """The answers of a recipe, from what it learnt: models with the axes "learners seeds", for
        each group of models that are alike, and the group and place of each learner.

        **Arguments:** `again`: learns what was chosen once more, from validation rows as well.
        """
        question = self.question
        if question.tasks == "new":
            models = tuple(map(_for_new_tasks, models))
        candidates = _candidates(recipe, places)
        test = self._ask_all(Split.TEST, recipe.view)
        validation = None
        if question.chooses(len(candidates)):
            validation = self._ask_all(Split.VALIDATION, recipe.view)
        rounds = [
            self._at(shots, recipe, models, candidates, validation, test, again)
            for shots in question.shots
        ]
        best = rounds[-1].models
        cost = Cost(
            nbytes(best) // question.seeds if recipe.learns else 0,
            train_seconds,
            compile_seconds,
            float(np.median([one.seconds for one in rounds])),
        )
        return Answers(
            [one.observed for one in rounds],
            [one.chosen for one in rounds],
            np.stack([one.validation for one in rounds]),
            rounds[0].watched,
            cost,
            best,
            recipe.adapters[0].transductive or is_transductive(best),
            tuple(one.stopped for one in rounds),
        )

    def chosen(self, recipe: Recipe, learnt: Any, choices: Sequence[Choice]) -> Model:
        """The models that earlier answers chose, of what the recipe learnt."""
        candidates = {(c.learner, c.adapter): c for c in _candidates(recipe, learnt.places)}
        each = [candidates[choice.learner, choice.adapter] for choice in choices]
        group = each[0].learner_group
        places = [c.learner_place if c.learner_group == group else 0 for c in each]
        return _of_seeds(_for_new_tasks(learnt.models[group]), places)

    def _ask_all(self, split: Split, view: Callable[[Any], Any]) -> tuple[Any, Any]:
        """What is asked in a split, and what the measure needs to know of it; the same for all
        recipes that see tasks in full."""
        if view is in_full and split in self._asked:
            return self._asked[split]
        asked = self.question.ask(split, view, self.key)
        both = asked, self.question.for_measure(asked)
        if view is in_full:
            self._asked[split] = both
        return both

    def _at(
        self,
        shots: int | None,
        recipe: Recipe,
        models: tuple[Model, ...],
        candidates: list[_Candidate],
        validation: tuple[Any, Any] | None,
        test: tuple[Any, Any],
        again: Again | None,
    ) -> _Round:
        """Chooses for one number of shots, and asks what was chosen."""
        seeds, measure = self.question.seeds, self.question.measure
        chosen, value, places = [candidates[0]] * seeds, np.full(seeds, np.nan), None
        settling = None
        if validation is not None:
            scores = self._scores(shots, recipe, models, candidates, validation)
            scores = self.question.for_choice(scores)
            best = _best(scores, recipe.name)
            chosen = [candidates[candidate] for candidate, _ in best]
            places = [place for _, place in best]
            value = np.array([measure.sign * scores[s, c, p] for s, (c, p) in enumerate(best)])
            if measure.settles:  # by models that have not learnt from validation rows
                settling = self._ask(recipe, models, chosen, validation[0], shots)[0]
            if again is not None:
                models, groups = again([candidate.learner for candidate in chosen])
                chosen = [
                    candidate._replace(learner_group=group, learner_place=0)
                    for candidate, group in zip(chosen, groups, strict=True)
                ]
            first = shots == self.question.shots[0]
            if first and _shapes(test[0]) != _shapes(validation[0]):
                # Compiles, so that what follows is timed: one program serves all numbers of shots.
                self._ask(recipe, models, chosen, test[0], shots)
        observed, seconds, of_seeds = self._ask(recipe, models, chosen, test[0], shots)
        ends = places or [observed.shape[2] - 1] * seeds
        stopped = _stopped(recipe.adapters[0], observed, ends)
        if validation is not None and settling is not None:
            observed = measure.settled(observed, settling, validation[1])
        if not np.isfinite(measure.overall(observed, test[1])).any():
            raise DivergedError(f"{recipe.name}: its predictions are not finite.")
        steps = self.question.steps(recipe.adapters[chosen[0].adapter], observed.shape[2])
        choices = tuple(
            Choice(candidate.learner, candidate.adapter, steps[place])
            for candidate, place in zip(chosen, places or [-1] * seeds, strict=True)
        )
        return _Round(observed, choices, value, steps, seconds, of_seeds, stopped)

    def _scores(
        self,
        shots: int | None,
        recipe: Recipe,
        models: tuple[Model, ...],
        candidates: list[_Candidate],
        validation: tuple[Any, Any],
    ) -> Float[np.ndarray, "seeds candidates steps"]:
        """The scores of all candidates on validation tasks; higher is better."""
        measure, scores = self.question.measure, []
        for candidate in candidates:
            one = [candidate] * self.question.seeds
            observed = self._ask(recipe, models, one, validation[0], shots)[0]
            scores.append(measure.choice(observed, validation[1]))
        if len({score.shape for score in scores}) > 1:
            raise InputError(
                f"Adapters of recipe {recipe.name!r} are scored after different steps. Give each"
                " number of steps a recipe of its own."
            )
        return np.stack(scores, axis=1)

    def _ask(
        self,
        recipe: Recipe,
        models: tuple[Model, ...],
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
            of_seeds = _of_seeds(models[group[0]], [c.learner_place for c in each])
            adapters = stack([recipe.adapters[c.adapter] for c in each])
            began = time.perf_counter()
            found = self.question.answers(adapters, of_seeds, asked, shots)
            seconds += (time.perf_counter() - began) / max(1, found.shape[0] * found.shape[1])
            first = of_seeds if first is None else first
            observed = found.copy() if observed is None else observed
            observed[inside] = found[inside]
        assert observed is not None  # there is at least one seed
        return observed, seconds, first


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


def _candidates(recipe: Recipe, learners: Sequence[tuple[int, int]]) -> list[_Candidate]:
    adapters = _numbered(recipe.adapters)
    return [
        _Candidate(learner, adapter, *learners[learner], adapters[adapter][0])
        for learner, adapter in itertools.product(range(len(learners)), range(len(adapters)))
    ]


def _numbered(things: Sequence[Any]) -> list[tuple[int, int]]:
    """For each thing the number of its group, and its place in it."""
    return [(g, place) for g, group in enumerate(alike(things)) for place in range(len(group))]


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


def _stopped(adapter: Any, observed: np.ndarray, places: Sequence[int]) -> tuple[int, int] | None:
    """How many adaptations were stopped, and of how many; None where none can be. One that was
    stopped answers as before any step, bit for bit: one program computes both answers."""
    if not isinstance(adapter, StoppedFineTune):
        return None
    adapted = [(seed, place) for seed, place in enumerate(places) if place]
    same = [
        (observed[seed, :, place] == observed[seed, :, 0]).reshape(observed.shape[1], -1).all(1)
        for seed, place in adapted
    ]
    return int(np.sum(same)), len(adapted) * observed.shape[1]


@eqx.filter_jit
def _for_new_tasks(models: Model) -> Model:
    """The models as a task sees them that no set numbers."""
    view = eqx.filter_vmap(lambda model: for_task(model, jnp.asarray(-1)))
    return eqx.filter_vmap(view)(models)


def _of_seeds(models: Model, places: Sequence[int]) -> Model:
    """The model of each seed, from models with the axes "learners seeds"."""
    seeds = np.arange(len(places))
    chosen = np.asarray(places)

    def of_each(leaf: Any) -> Any:
        return jax.device_put(np.asarray(leaf)[chosen, seeds]) if eqx.is_array(leaf) else leaf

    return jax.tree.map(of_each, models)


def _shapes(asked: Any) -> list[tuple[int, ...]]:
    return [leaf.shape for leaf in jax.tree.leaves(asked) if eqx.is_array(leaf)]
