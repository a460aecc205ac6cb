"""Learners that work on the host, a seed at a time, and that learn again from more rows."""

import abc
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

import equinox as eqx
import jax
from jaxtyping import Array, Key

from ..core import Model, Split
from ..multitask import AbstractGrower, AbstractSolver, side_by_side
from ..tasks import TaskRows
from ._learner import AbstractLearner, Budget


class HostPast:
    """The past of one seed on the host: its tasks, and their points as rows."""

    def __init__(self, tasks: Any):
        self.tasks = tasks

    @functools.cached_property
    def train(self) -> TaskRows:
        return self.tasks.flat(Split.TRAIN)

    @functools.cached_property
    def validation(self) -> TaskRows:
        return self.tasks.flat(Split.VALIDATION)

    @functools.cached_property
    def both(self) -> TaskRows:
        """The rows to train on and those to choose settings on."""
        return self.train.joined(self.validation)


class AbstractHostLearner(AbstractLearner):
    """A learner that works on the host: what it does is not compiled as a whole, and not mapped
    over seeds.

    Its winner is learnt once more, from the rows to train on and those to choose settings on
    together, for as many rounds as were found best. `seeded` says whether it depends on the key.
    """

    seeded: ClassVar[bool] = False

    @abc.abstractmethod
    def fit(
        self,
        model: Model,
        past: HostPast,
        budget: Budget,
        *,
        key: Key[Array, ""],
        rounds: Any = None,
    ) -> tuple[Model, Any]:
        """Learns for one seed.

        **Arguments:** `rounds`: None to learn from the rows to train on until those to choose
        settings on are predicted best; otherwise to learn from both for this number of rounds.

        **Returns:** a model, and the rounds (steps, or trees) that were best, as `rounds` takes
        them; 0 where there are none.
        """

    def learn(self, model: Model, past: Any, budget: Budget, *, key: Key[Array, ""]) -> Model:
        return self.fit(model, HostPast(past), budget, key=key)[0]


class InClosedForm(AbstractHostLearner):
    """The solution of a linear model of all tasks."""

    solver: AbstractSolver

    def fit(
        self,
        model: Model,
        past: HostPast,
        budget: Budget,
        *,
        key: Key[Array, ""],
        rounds: Any = None,
    ) -> tuple[Model, Any]:
        del model, budget, key
        return self.solver.solve_rows(past.train if rounds is None else past.both), 0


class ByTrees(AbstractHostLearner):
    """A model that grows in rounds until validation rows are predicted no better: trees."""

    grower: AbstractGrower

    def fit(
        self,
        model: Model,
        past: HostPast,
        budget: Budget,
        *,
        key: Key[Array, ""],
        rounds: Any = None,
    ) -> tuple[Model, Any]:
        del model, budget, key
        if rounds is None:
            return self.grower.grown(past.train, past.validation)
        return self.grower.grown(past.both, rounds=rounds)


def stacked(models: Sequence[Model]) -> list[tuple[Model, list[int]]]:
    """Models of one structure next to each other on a leading axis, their arrays padded with zeros
    to one shape: for each structure the models, and their numbers."""
    groups: dict[Any, list[int]] = {}
    for number, model in enumerate(models):
        leaves, structure = jax.tree.flatten(eqx.filter(model, eqx.is_array))
        kinds = tuple((leaf.ndim, str(leaf.dtype)) for leaf in leaves)
        static = eqx.filter(model, eqx.is_array, inverse=True)
        groups.setdefault((str(structure), kinds, str(static)), []).append(number)
    return [
        (side_by_side([models[number] for number in numbers]), numbers)
        for numbers in groups.values()
    ]
