"""Questions: what recipes are asked after they learnt from the past, and how it is scored."""

import abc
from collections.abc import Sequence
from typing import Any, ClassVar, TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from ..core import (
    AbstractAdapter,
    AbstractIterativeAdapter,
    Batch,
    fast_dots,
    InputError,
    Model,
    Split,
    Task,
)
from ..tasks import AbstractTasks
from ..training import draw_seeds, score
from ._measure import AbstractMeasure, AbstractPointMeasure, MeanSquaredError
from ._seeds import Purpose, seed_keys

if TYPE_CHECKING:  # type checkers take an AbstractVar for the first argument
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar


class AbstractQuestion(eqx.Module):
    """A question to all recipes of a comparison, the same for all.

    - `measure`: how answers are scored. `seeds`: independent repetitions.
    - `shots`: how many support points of a task are given, rising; `(None,)` where tasks were
      trained on, so that none are.
    - `tasks`: "new" or "seen".
    """

    measure: AbstractVar[AbstractMeasure]
    seeds: AbstractVar[int]
    shots: AbstractVar[tuple[int | None, ...]]
    tasks: ClassVar[str]

    @property
    def overlap(self) -> float:
        """The number of scored rows over that of the others, where seeds divide the same rows; zero
        where seeds are independent."""
        return 0.0

    @property
    def units(self) -> Int[np.ndarray, "seeds tasks"] | None:
        """The number of each task that is scored, where some are scored several times; None where
        all are different."""
        return None

    @property
    def refits(self) -> bool:
        """Whether what was chosen is learnt once more, from validation rows as well, by learners
        that work on the host."""
        return False

    @abc.abstractmethod
    def past(self) -> tuple[Any, bool]:
        """What recipes learn from, and whether its arrays have a leading `seeds` axis."""

    @abc.abstractmethod
    def ask(self, split: Split, view: Any, key: Key[Array, ""]) -> Any:
        """What is asked of each seed, to choose settings on or to score on, as a recipe sees it."""

    @abc.abstractmethod
    def answers(
        self, adapters: AbstractAdapter, models: Model, asked: Any, shots: int | None
    ) -> np.ndarray:
        """What the measure observes, "seeds tasks steps ...".

        **Arguments:** `adapters`, `models`: one for each seed, on a leading axis.
        """

    def for_choice(
        self, scores: Float[np.ndarray, "seeds candidates steps"]
    ) -> Float[np.ndarray, "seeds candidates steps"]:
        """The scores on validation tasks (higher is better) of which the highest is chosen; minus
        infinity for steps that are not to choose from."""
        return scores

    def chooses(self, candidates: int) -> bool:
        """Whether validation tasks are asked of a recipe with that many candidates: to choose among
        them, and among recipes."""
        del candidates
        return True

    def for_measure(self, asked: Any) -> Any:
        """What the measure needs to know of what was asked."""
        return asked

    def steps(self, adapter: Any, observed: int) -> tuple[int, ...]:
        """After which steps of adaptation answers are scored; 0 is before any.

        **Arguments:** `observed`: how many steps an answer has.
        """
        del adapter
        return tuple(range(observed))


class AbstractNewTasks(AbstractQuestion):
    """Tasks that no recipe has seen, each to be learnt from a few points.

    - `family`: the distribution over tasks that is learnt from.
    - `watched`: steps of adaptation after which a task is scored, in addition to before the first
        and after the last; None for all.
    - `chooses_steps`: whether the number of steps is chosen among these; otherwise all are taken.
    - `at_once`: how many tasks are answered at once, where all of them would take too much memory.
    """

    measure: AbstractVar[AbstractPointMeasure]
    family: AbstractVar[AbstractTasks]
    watched: AbstractVar[tuple[int, ...] | None]
    chooses_steps: AbstractVar[bool]
    at_once: AbstractVar[int | None]
    tasks: ClassVar[str] = "new"

    def past(self) -> tuple[AbstractTasks, bool]:
        return self.family, False

    def answers(
        self, adapters: AbstractAdapter, models: Model, asked: Task, shots: int | None
    ) -> np.ndarray:
        points = jnp.asarray((shots or 0) * self.family.points_per_shot)
        options = (points, self.measure, self._steps(adapters))
        count = asked.query.weight.shape[1]
        size = self.at_once or count
        parts = [
            jax.tree.map(lambda leaf, s=start: leaf[:, s : s + size], asked)
            for start in range(0, count, size)
        ]
        observed = [np.asarray(_learn_new(adapters, models, part, *options)) for part in parts]
        return np.concatenate(observed, axis=1)

    def steps(self, adapter: Any, observed: int) -> tuple[int, ...]:
        return self._steps(adapter) or tuple(range(observed))

    def for_choice(
        self, scores: Float[np.ndarray, "seeds candidates steps"]
    ) -> Float[np.ndarray, "seeds candidates steps"]:
        if self.chooses_steps:
            return scores
        last = np.arange(scores.shape[2]) == scores.shape[2] - 1
        return np.where(last, scores, -np.inf)

    def chooses(self, candidates: int) -> bool:
        return candidates > 1 or self.chooses_steps

    def _steps(self, adapter: AbstractAdapter) -> tuple[int, ...] | None:
        """The steps that are scored; None for all of them, and where there are no steps."""
        steps = getattr(adapter, "steps", None)
        iterative = isinstance(adapter, AbstractIterativeAdapter)
        if self.watched is None or not iterative or not isinstance(steps, int):
            return None
        between = (step for step in self.watched if step < steps)
        return tuple(sorted({0, min(1, steps), steps, *between}))


class NewTasks(AbstractNewTasks):
    """New tasks of a family, each to be learnt from a few points.

    **Arguments:**

    - `family`: the distribution over tasks, as it is trained on.
    - `measure`: of the predictions for a task's queries.
    - `seeds`: repetitions with a new initial model, new training tasks and new test tasks.
    - `shots`: support points of the tasks. A smaller support set is the beginning of a larger one.
    - `queries`: query points of the tasks.
    - `validation_tasks`, `test_tasks`: for each seed, to choose settings on and to score on.
    - `watched`, `chooses_steps`, `at_once`: as for `AbstractNewTasks`; default: all steps are
        scored, and their number is chosen.

    >>> import learnset as ls
    >>> ls.comparison.NewTasks(ls.Sinusoids(), shots=(5, 10)).shots
    (5, 10)
    """

    family: AbstractTasks
    measure: AbstractPointMeasure = MeanSquaredError()
    seeds: int = 5
    shots: tuple[int, ...] = (2, 5, 10, 20)
    queries: int = 50
    validation_tasks: int = 100
    test_tasks: int = 120
    watched: tuple[int, ...] | None = None
    chooses_steps: bool = True
    at_once: int | None = None

    def __check_init__(self):
        if not self.shots or min(self.shots) < 1 or list(self.shots) != sorted(set(self.shots)):
            raise InputError(
                f"`shots={self.shots}`, but they must be different whole numbers, rising, at"
                " least 1."
            )
        for name in ("seeds", "queries", "validation_tasks", "test_tasks"):
            if getattr(self, name) < 1:
                raise InputError(f"`{name}={getattr(self, name)}`, but it must be at least 1.")
        if self.watched is not None and min(self.watched, default=1) < 1:
            raise InputError(
                f"`watched={self.watched}`, but the first step is 1; before it is always watched."
            )

    def ask(self, split: Split, view: Any, key: Key[Array, ""]) -> Task:
        purpose, number = Purpose.TEST, self.test_tasks
        if split is Split.VALIDATION:
            purpose, number = Purpose.VALIDATION, self.validation_tasks
        tasks = view(self.family).with_shots(max(self.shots), self.queries)
        return draw_seeds(tasks, number, split, seed_keys(key, purpose, self.seeds))


class GivenTasks(AbstractNewTasks):
    """Given tasks: a fixed list, such as a published set, the same for all seeds.

    **Arguments:**

    - `family`: the distribution that is learnt from.
    - `test`: the tasks, on a leading axis. `validation`: others to choose settings on; None where
        recipes leave nothing to choose.
    - `shots`: support points of each that count, for each class where there are classes.

    **Raises:** `InputError` from `compare` where settings are to be chosen, but there are no
    validation tasks.
    """

    family: AbstractTasks
    test: Task
    validation: Task | None = None
    measure: AbstractPointMeasure = MeanSquaredError()
    seeds: int = 1
    shots: tuple[int, ...] = (1,)
    watched: tuple[int, ...] | None = None
    chooses_steps: bool = False
    at_once: int | None = None

    def ask(self, split: Split, view: Any, key: Key[Array, ""]) -> Task:
        del view, key
        tasks = self.test if split is Split.TEST else self.validation
        if tasks is None:
            raise InputError(
                "GivenTasks: settings are to be chosen, but there are no validation tasks. Give"
                " `validation`, or recipes with one learner and one adapter."
            )
        each = self.seeds
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (each, *leaf.shape)), tasks)


@eqx.filter_jit
def _learn_new(
    adapters: AbstractAdapter,
    models: Model,
    asked: Task,
    points: Array,
    measure: AbstractPointMeasure,
    steps: tuple[int, ...] | None,
) -> Array:
    # Points beyond these get weight zero instead of being cut off: one program then serves all
    # numbers of shots.
    weight = asked.support.weight
    inside = jnp.arange(weight.shape[2]) < points
    inside = jnp.expand_dims(inside, (0, 1, *range(3, weight.ndim)))
    asked = eqx.tree_at(lambda a: a.support.weight, asked, jnp.where(inside, weight, 0))

    def of_seed(adapter: AbstractAdapter, model: Model, tasks: Task) -> Array:
        return score(adapter, model, tasks, measure.observe, steps)

    return fast_dots(eqx.filter_vmap(of_seed))(adapters, models, asked)


def stacked(divisions: Sequence[Any]) -> Any:
    """The tasks of several divisions as one, with a leading axis of their arrays; those on the host
    stay there, in double precision. Nothing is compiled."""

    def of_leaves(*leaves: Any) -> Any:
        if isinstance(leaves[0], np.ndarray):
            return np.stack(leaves)
        return jax.device_put(np.stack(leaves)) if eqx.is_array(leaves[0]) else leaves[0]

    return jax.tree.map(of_leaves, *divisions)


def padded(batch: Batch, axis: int, points: int, width: int) -> Batch:
    """A batch with this many points along an axis, and this many inputs; those that are added are
    zeros. Nothing is compiled."""

    def longer(leaf: Array, inputs: int | None = None) -> Array:
        more = [(0, 0)] * leaf.ndim
        more[axis] = (0, points - leaf.shape[axis])
        if inputs is not None:
            more[-1] = (0, inputs - leaf.shape[-1])
        return jax.device_put(np.pad(leaf, more)) if any(after for _, after in more) else leaf

    return Batch(longer(batch.x, width), longer(batch.y), longer(batch.weight))
