"""Experience: what recipes have learnt from one past."""

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float, Key

from ..core import DivergedError, fast_dots, InputError, Model, stack, write_file
from ..training import Bar, shown_by_default, written_folder
from ._answers import KeptAnswers
from ._ask import alike, Asking
from ._comparison import Comparison
from ._learner import AbstractLearner, Budget, ByGradient, Keeping
from ._outcome import Outcome
from ._question import AbstractQuestion
from ._recipe import Recipe, slug
from ._seeds import Purpose, seed_keys


class Learnt(NamedTuple):
    """What a recipe learnt: for each group of learners that are alike the models, with the axes
    "learners seeds". `metrics` are those of a training on the host, "seeds windows"."""

    models: tuple[Model, ...]
    seconds: float = 0.0
    compile_seconds: float = 0.0
    metrics: Mapping[str, Float[np.ndarray, "seeds windows"]] = {}

    @property
    def of_one(self) -> Model:
        """The models of the first learner, one for each seed."""
        return jax.tree.map(lambda leaf: leaf[0] if eqx.is_array(leaf) else leaf, self.models[0])


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
    ):
        self.key, self.budget, self.seeds = key, budget, past.seeds
        self.folder, self.keeping = folder, keeping
        keys = seed_keys(key, Purpose.MODEL, past.seeds)
        self.models = eqx.filter_jit(eqx.filter_vmap(network))(keys)
        self.past, self.stacked = past.past()
        self._learnt: list[tuple[Recipe, Learnt]] = []

    def ask(
        self,
        question: AbstractQuestion,
        recipes: Sequence[Recipe],
        *,
        models: Mapping[str, Model] | None = None,
    ) -> Comparison:
        """Asks recipes a question: the one whose past they learnt from, or another.

        **Arguments:** `models`: in place of what a recipe has learnt, by its name, one for each
        seed on a leading axis; of a question whose inputs are features already, say.

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
        asking, replaced = Asking(question, self.key), models or {}
        outcomes, failures = [], {}
        with self._writing(), Bar("recipes", len(recipes), shown=self._shows(recipes)) as bar:
            kept = KeptAnswers(
                self.folder,
                question,
                self.models,
                self.key,
                self.budget,
                resume=self.keeping.resume,
            )
            for number, recipe in enumerate(recipes):
                try:
                    outcomes.append(self._outcome(recipe, asking, kept, replaced.get(recipe.name)))
                except DivergedError as error:  # it is reported, and the others go on
                    failures[recipe.name] = str(error)
                self._gather_metrics()
                bar.at(number + 1)
        return Comparison(question, tuple(outcomes), failures, asking.asked_of_all())

    def _outcome(
        self, recipe: Recipe, asking: Asking, kept: KeptAnswers, models: Model | None
    ) -> Outcome:
        answers = kept.read(recipe)
        if answers is None:
            learnt = self.learnt(recipe) if models is None else Learnt((_alone(models),))
            costs = (learnt.seconds, learnt.compile_seconds)
            answers = asking.answers(recipe, learnt.models, *costs)
            kept.write(recipe, answers)
        return answers.outcome(recipe, asking.question, asking.asked_of_all())

    def learnt(self, recipe: Recipe) -> Learnt:
        """What a recipe learnt; it learns now, if it has not been asked before. What was trained on
        the host is kept for other questions."""
        same = next((learnt for other, learnt in self._learnt if other.learns_as(recipe)), None)
        if same is not None:
            return same
        past = recipe.view(self.past)
        if _on_host(recipe.learners):
            with self._writing():
                learnt = self._train(recipe, past)
            self._learnt.append((recipe, learnt))
            return learnt
        began = time.perf_counter()
        purpose = Purpose.TRAINING if recipe.learns else Purpose.PREPARATION
        common = (self.stacked, self.models, past, self.budget)
        keys = seed_keys(self.key, purpose, self.seeds)
        groups = alike(recipe.learners)
        models = tuple(_learn_alike(stack(group), len(group), *common, keys) for group in groups)
        jax.block_until_ready(models)
        return Learnt(models, time.perf_counter() - began if recipe.learns else 0.0)

    def _train(self, recipe: Recipe, past: Any) -> Learnt:
        learner: Any = recipe.learners[0]
        place = None if self.folder is None else self.folder / "checkpoints" / slug(recipe.name)
        trained = learner.train_seeds(
            self.models,
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
        return Learnt((_alone(trained.model),), *costs, metrics)

    def _writing(self) -> contextlib.AbstractContextManager[Any]:
        """Locks the folder, if there is one, while it is written into."""
        if self.folder is None:
            return contextlib.nullcontext()
        return written_folder(self.folder)

    def _shows(self, recipes: Sequence[Recipe]) -> bool:
        """Whether a bar counts the recipes: trainings on the host have bars of their own."""
        wanted = self.keeping.progress
        shown = shown_by_default() if wanted is None else wanted
        return shown and not any(_on_host(recipe.learners) for recipe in recipes)

    def _gather_metrics(self) -> None:
        """One `metrics.jsonl` of all trainings so far that are logged."""
        if self.folder is None:
            return
        logs = (self.folder / "checkpoints").glob("*/metrics.jsonl")
        if logs := sorted(logs, key=lambda path: path.stat().st_mtime):
            write_file(self.folder / "metrics.jsonl", *(log.read_bytes() for log in logs))


def _alone(models: Model) -> Model:
    """Models of all seeds with the axis of one learner in front."""
    return jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, models)


def _on_host(learners: Sequence[AbstractLearner]) -> bool:
    """Whether a recipe trains once, with the host to talk to; several candidates are one
    program."""
    first = learners[0]
    return len(learners) == 1 and isinstance(first, ByGradient) and first.keep_best is None


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
