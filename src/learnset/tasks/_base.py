"""The interface of distributions over tasks."""

import abc
from typing import Any, Self, TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import Batch, InputError, Split, Task

if TYPE_CHECKING:
    # Type checkers would take an AbstractVar for the first argument of the constructor.
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


class AbstractDistribution(eqx.Module):
    """A distribution over tasks of any kind. `sample` draws one task and `draw` draws many."""

    @abc.abstractmethod
    def sample(self, split: Split, *, key: Key[Array, ""]) -> Any:
        """Draws one task.

        **Arguments:**

        - `split`: tasks of different splits never overlap. For an endless family, `split.fold(key)`
          is enough.
        - `key`: the same key gives the same task.
        """

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Any:
        """Draws many tasks.

        **Returns:** a task whose arrays have a leading `tasks` axis.

        >>> import jax.random as jr, learnset as ls
        >>> ls.Sinusoids(shots=5).draw(25, ls.Split.TRAIN, key=jr.key(0)).support.x.shape
        (25, 5, 1)
        """
        return jax.vmap(lambda k: self.sample(split, key=k))(jr.split(key, num_tasks))


class AbstractTasks(AbstractDistribution):
    """A distribution over tasks with a support set and a query set.

    For your own tasks, write a subclass with `shots`, `queries` and `sample`, which returns a
    `Task`.
    """

    shots: AbstractVar[int]  # support points of a task
    queries: AbstractVar[int]  # query points of a task

    @property
    def points_per_shot(self) -> int:
        """The number of support points for each shot: one for each class, if there are classes."""
        return 1

    def with_shots(self, shots: int, queries: int | None = None) -> Self:
        """The same family with different numbers of points."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return type(self)(
            **fields | {"shots": shots, "queries": self.queries if queries is None else queries}
        )


def check_points(owner: str, shots: int, queries: int) -> None:
    """Raises `InputError` unless both are whole numbers above zero."""
    for name, value in {"shots": shots, "queries": queries}.items():
        if not isinstance(value, int) or value < 1:
            raise InputError(
                f"{owner}: `{name}={value}`, but it must be a whole number of points, at least 1."
            )


def halves(
    x: Float[Array, "points *in"], y: Float[Array, "points *out"], shots: int
) -> tuple[Batch, Batch]:
    """The first `shots` points as the support set, and the others as the query set."""
    return Batch(x[:shots], y[:shots]), Batch(x[shots:], y[shots:])


class Revealed(AbstractTasks):
    """The same tasks as an oracle sees them: their latents are appended to every input.

    A model trained on them shows the upper bound, because nothing is left to learn from the support
    set.

    Source: Finn, Abbeel & Levine 2017, §5.1 ("oracle").

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.tasks.Revealed(ls.Sinusoids())  # inputs: x, amplitude, phase
    >>> tasks.sample(ls.Split.TEST, key=jr.key(0)).support.x.shape
    (10, 3)
    """

    tasks: AbstractTasks

    @property
    def shots(self) -> int:
        return self.tasks.shots

    @property
    def queries(self) -> int:
        return self.tasks.queries

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        return _revealed(self.tasks.sample(split, key=key))

    def draw(self, num_tasks: int, split: Split, *, key: Key[Array, ""]) -> Task:
        # The family's own `draw` may use its random numbers differently from `sample`.
        return jax.vmap(_revealed)(self.tasks.draw(num_tasks, split, key=key))

    def with_shots(self, shots: int, queries: int | None = None) -> "Revealed":
        return Revealed(self.tasks.with_shots(shots, queries))


def _revealed(task: Task) -> Task:
    """The task with its latents appended to each input."""

    def more(batch: Batch) -> Batch:
        latents = jnp.broadcast_to(task.latents, (*batch.x.shape[:-1], len(task.latents)))
        return Batch(jnp.concatenate([batch.x, latents], axis=-1), batch.y, batch.weight)

    return Task(more(task.support), more(task.query), task.index, task.latents)
