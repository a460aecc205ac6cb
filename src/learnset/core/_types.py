"""The data that flows between tasks, models and methods.

Axis names used in shapes all over the library:

| name     | meaning                                                         |
|----------|-----------------------------------------------------------------|
| `points` | examples of one task: support (shots) or query                   |
| `in`     | shape of one input                                               |
| `out`    | shape of one target                                              |
| `tasks`  | tasks in one batch; always the leading axis                      |
| `steps`  | steps of adaptation, the first entry being "before any step"     |
| `seeds`  | independent repetitions trained together                         |
| `params` | all parameters of a model as one vector                          |
| `latents`| the numbers that a task was made from, where they are known      |
"""

import enum
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, Shaped

Model = Any  # any Equinox module, or any PyTree that can be called on one input
Predictor = Any  # a model adapted to one task: maps one input to one output
State = Any  # what a method remembers between steps


class Split(enum.Enum):
    """A split of the tasks: to train on, to choose settings on, or to score on. They never
    overlap."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2

    def fold(self, key: Key[Array, ""]) -> Key[Array, ""]:
        """A key that differs between splits: training and evaluation with one key cannot draw the
        same tasks from an endless family.

        **Returns:** a key.

        >>> import jax.random as jr, learnset as ls
        >>> bool(ls.Split.TRAIN.fold(jr.key(0)) == ls.Split.TEST.fold(jr.key(0)))
        False
        """
        return jr.fold_in(key, self.value)


class Batch(eqx.Module):
    """Points of one task: inputs, targets, and how much each point counts.

    `weight` is zero where a point is absent (padding, unequal shots). It may also have the shape of
    `y`: then single labels of a point can be absent, and an absent label may be NaN; inputs are
    always finite. Losses, metrics, ridge solutions, class means and intervals ignore everything
    without weight.

    >>> import jax.numpy as jnp, learnset as ls
    >>> ls.Batch(jnp.zeros((10, 1)), jnp.ones((10, 1))).weight.shape
    (10,)
    """

    x: Shaped[Array, "points *in"]
    y: Shaped[Array, "points *out"]
    weight: Float[Array, "points *labels"]

    def __init__(self, x: Array, y: Array, weight: Array | None = None):
        self.x = x
        self.y = y
        self.weight = jnp.ones(len(x), jnp.result_type(float)) if weight is None else weight

    def first(self, shots: int) -> "Batch":
        """The first `shots` points of each of many tasks, whose fields have a leading `tasks`
        axis."""
        return jax.tree.map(lambda leaf: leaf[:, :shots], self)


class Related(Batch):
    """Points of one task together with those of its siblings: other tasks, which may be related to
    it. A method that reads no siblings sees the task's own points, as in any `Batch`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> siblings = ls.Batch(jnp.zeros((7, 5, 1)), jnp.ones((7, 5, 1)), jnp.ones((7, 5)))
    >>> ls.core.Related(jnp.zeros((2, 1)), jnp.ones((2, 1)), siblings=siblings).weight.shape
    (2,)
    """

    siblings: Batch  # "siblings points"; an absent sibling has only points of weight zero

    def __init__(self, x: Array, y: Array, weight: Array | None = None, *, siblings: Batch):
        super().__init__(x, y, weight)
        self.siblings = siblings

    def first(self, shots: int) -> "Related":
        own = Batch(self.x, self.y, self.weight).first(shots)
        return eqx.tree_at(lambda b: (b.x, b.y, b.weight), self, (own.x, own.y, own.weight))


class Task(eqx.Module):
    """A task: a support set to learn from, and a query set to be scored on.

    Many tasks are one `Task` with a leading axis. `index` is the number of a task in a finite set,
    and -1 for a task of an endless family; a model with parts for each task finds them by it.
    `latents` are the numbers that the task was made from (amplitude and phase of a sine, say),
    which only the oracle and the figures may see.

    `same_inputs` says that all tasks of a batch have the very same inputs in the same order, as
    several targets of the same rows do; a model then computes its shared part once for all tasks.
    """

    support: Batch
    query: Batch
    index: Int[Array, "*tasks"]
    latents: Float[Array, "*tasks latents"]
    same_inputs: bool = eqx.field(static=True)

    def __init__(
        self,
        support: Batch,
        query: Batch,
        index: Array | None = None,
        latents: Array | None = None,
        *,
        same_inputs: bool = False,
    ):
        self.support = support
        self.query = query
        self.index = jnp.asarray(-1) if index is None else index
        self.latents = jnp.zeros(0, support.weight.dtype) if latents is None else latents
        self.same_inputs = same_inputs

    @property
    def points(self) -> Batch:
        """Support and query of one task as one batch."""
        return jax.tree.map(lambda s, q: jnp.concatenate([s, q]), self.support, self.query)
