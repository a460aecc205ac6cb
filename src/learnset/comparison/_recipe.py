"""A recipe: one way to use past tasks, from training to adaptation."""

import enum
from collections.abc import Callable

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Key

from ..core import AbstractAdapter, AbstractMethod, InputError, Model
from ..tasks import AbstractTasks, FiniteTasks


class Setting(enum.Enum):
    """The problem setting that a recipe belongs to, and whether it needs past tasks' data later on."""

    SCRATCH = "scratch"  # no past tasks
    TRANSFER = "transfer"  # a model of past tasks, then the new one
    MULTI_TASK = "multi-task"  # all tasks at once
    META = "meta"  # learning so that the next task is quick
    BOUND = "oracle"  # told what has to be learnt

    @property
    def keeps_data(self) -> bool:
        """Whether the data of past tasks are needed when a task is added."""
        return self is Setting.MULTI_TASK


class Recipe(eqx.Module):
    """A training method and the adapters to choose from, as one entry of a comparison.

    **Arguments:**

    - `name`, `setting`, `source`: what the table says of it.
    - `candidates`: adapters alike but for numbers; the one with the lowest error on validation tasks is scored.
    - `method`: how past tasks are used; `None` if they are not.
    - `model`: what this recipe makes of the common initial model: `(model, key) -> model`.
    - `training_tasks`: what it trains on: `(tasks, key) -> tasks`.
    - `view`: what it may see of any task, in training and later.
    - `finish`: what is made of the trained model before it is scored: `(model, training_tasks, key) -> model`.
    - `on_seen`: scored on the tasks that it was trained on, and not on new ones.
    """

    name: str
    setting: Setting
    candidates: tuple[AbstractAdapter, ...]
    method: AbstractMethod | None = None
    model: Callable[[Model, Key[Array, ""]], Model] = lambda model, key: model
    training_tasks: Callable[[AbstractTasks, Key[Array, ""]], AbstractTasks] = lambda tasks, key: (
        tasks
    )
    view: Callable[[AbstractTasks], AbstractTasks] = lambda tasks: tasks
    finish: Callable[[Model, AbstractTasks, Key[Array, ""]], Model] | None = None
    on_seen: bool = False
    source: str = ""

    def __check_init__(self):
        if not self.candidates:
            raise InputError(f"Recipe {self.name!r} has no adapter: give at least one candidate.")
        if self.on_seen and self.method is None:
            raise InputError(
                f"Recipe {self.name!r} is scored on tasks it was trained on, but has no training method."
            )

    def trains_as(self, other: "Recipe") -> bool:
        """Whether the two are trained in the same way, so that one training serves both."""
        mine, theirs = ((r.method, r.model, r.training_tasks, r.view) for r in (self, other))
        return self.method is not None and eqx.tree_equal(mine, theirs) is True

    def make_model(self, models: Model, keys: Key[Array, "seeds"]) -> Model:
        """This recipe's initial models, one for each seed."""
        return eqx.filter_jit(eqx.filter_vmap(self.model))(models, keys)

    def make_training_tasks(self, tasks: AbstractTasks, keys: Key[Array, "seeds"]) -> AbstractTasks:
        """This recipe's training tasks, their arrays with a leading `seeds` axis."""

        def make(tasks: AbstractTasks, key: Key[Array, ""]) -> AbstractTasks:
            return self.training_tasks(self.view(tasks), key)

        return eqx.filter_jit(eqx.filter_vmap(make, in_axes=(None, 0)))(tasks, keys)

    def finished(self, models: Model, tasks: AbstractTasks, keys: Key[Array, "seeds"]) -> Model:
        """What is scored of trained models."""
        if self.finish is None:
            return models
        return eqx.filter_jit(eqx.filter_vmap(self.finish))(models, tasks, keys)


class Numbered(eqx.Module):
    """`training_tasks` of recipes that train on a fixed set: `num_tasks` tasks with `points` points each.

    >>> import jax.random as jr, learnset as ls
    >>> len(ls.comparison.Numbered(30, 20)(ls.Sinusoids(), jr.key(0)))
    30
    """

    num_tasks: int
    points: int

    def __call__(self, tasks: AbstractTasks, key: Key[Array, ""]) -> FiniteTasks:
        return FiniteTasks.from_family(tasks, num_tasks=self.num_tasks, points=self.points, key=key)


def seed_keys(key: Key[Array, ""], purpose: int, seeds: int) -> Key[Array, "seeds"]:
    """Keys for one purpose, one for each seed; seed `i` has the same keys however many seeds there are."""
    return jax.vmap(lambda seed: jr.fold_in(jr.fold_in(key, purpose), seed))(
        jax.numpy.arange(seeds)
    )
