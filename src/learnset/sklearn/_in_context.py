"""In-context learning of tables as scikit-learn estimators: the part that both have in common."""

import copy
from typing import Any, ClassVar, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from sklearn.utils.validation import check_is_fitted, check_random_state

from ..core import Batch, InputError
from ..data import Encoding
from ..meta import InUnits, too_large
from ..models import TableTransformer
from ..recipes.in_context import MOST_ROWS as OF_SIBLING, MOST_SIBLINGS, table_of
from ._arrays import room
from ._of_tasks import OfTasks

MOST_ROWS = 1000  # of a task that are read
BLOCKS = 64, 512  # rows that one program answers, each as if it were alone


class InContext(OfTasks):
    """The part that both estimators have in common: `fit` keeps the rows of tasks, and reads some
    tasks as siblings of all."""

    stranger: ClassVar[str] = "what is known of other tasks answers them"

    def __init__(
        self,
        network: TableTransformer | None = None,
        *,
        siblings: int = MOST_SIBLINGS,
        task_column: int | str | None = None,
        random_state: Any = None,
    ):
        self.network = network
        self.siblings = siblings
        self.task_column = task_column
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags

    def _read(
        self,
        x: Float[np.ndarray, "rows columns"],
        labels: Float[np.ndarray, "rows"],
        y: Float[np.ndarray, "rows targets"],
        task: Any,
        classes: tuple[str, ...] = (),
    ) -> None:
        """Keeps the rows of each task, and reads siblings."""
        if not isinstance(self.siblings, (int, np.integer)) or self.siblings < 0:
            raise InputError(
                f"{type(self).__name__}: `siblings={self.siblings}`, but it must be a whole number,"
                " at least 0."
            )
        number = self._learn_tasks(task, len(x))
        # Of a table, for its inputs, whose targets must differ; here a constant one is an answer.
        named = labels if classes else np.arange(len(x), dtype=float)
        table = self._table(x, named[:, None], number, (classes,) if classes else ())
        self.encoding_ = Encoding.fit(table, np.arange(len(x)))
        inputs = self.encoding_(x).astype(np.float32)
        if why := too_large(inputs.shape[1], len(classes)):
            raise InputError(f"{type(self).__name__} is out of its range: {why}.")
        random = check_random_state(self.random_state)
        count = len(self.tasks_)
        self.rows_ = [_some(inputs[number == i], y[number == i], random) for i in range(count)]
        self.added_: tuple[Any, ...] = ()
        table = table_of(self.network, classes=bool(classes))
        self.table_ = table.alone()
        chosen = np.sort(random.permutation(count)[: self.siblings])
        if count > 1 and len(chosen):
            each = []
            for sibling in chosen:
                rows, targets = self.rows_[sibling]
                some_rows, some_targets = _some(rows, targets, random, OF_SIBLING)
                each.append(_padded(some_rows, some_targets, OF_SIBLING))
            siblings: Batch = jax.tree.map(lambda *parts: jnp.stack(parts), *each)
            self.table_ = table.with_siblings(siblings, jnp.asarray(chosen))

    def _with_tasks(self, x: Any, y: Float[np.ndarray, "rows targets"], task: Any) -> Self:
        """A copy of the estimator that also knows the tasks of these rows."""
        inputs, task = self._inputs(x, task, fitting=False)
        inputs = self.encoding_(inputs).astype(np.float32)
        names = self._labels(task, len(inputs))
        if not self.has_tasks_:
            raise InputError("`adapt` is of estimators that know tasks: give `task` to `fit`.")
        if known := [name for name in names if name in self.tasks_.tolist()]:
            raise InputError(f"Task {known[0]!r} was in `fit`. `adapt` adds new tasks.")
        adapted, random = copy.copy(self), check_random_state(self.random_state)
        rows = dict(zip(self.added_, self.rows_[len(self.tasks_) :], strict=True))
        for name in dict.fromkeys(names):
            inside = np.array([other == name for other in names])
            rows[name] = _some(inputs[inside], y[inside], random)
        adapted.added_ = tuple(rows)
        adapted.rows_ = [*self.rows_[: len(self.tasks_)], *rows.values()]
        return adapted

    def _predictor(self, number: int) -> InUnits:
        """The predictor of a task; of one that is not known for -1."""
        x, y = self.rows_[max(number, 0)]
        predictor: Any = self.table_.for_task(jnp.asarray(number)).adapt(_padded(x, y, 1))
        return predictor if number >= 0 else predictor.without_rows()

    def _answers(self, x: Any, task: Any, final: Any) -> Float[np.ndarray, "rows ..."]:
        """`final` of the predictor of each row's task, and of the row."""
        check_is_fitted(self)
        inputs, task = self._inputs(x, task, fitting=False)
        inputs = self.encoding_(inputs).astype(np.float32)
        number = self._numbers(task, len(inputs))
        order, answers = [], []
        for one in np.unique(number).tolist():
            of_task = np.flatnonzero(number == one)
            predictor, size = self._predictor(one), BLOCKS[len(of_task) > BLOCKS[0]]
            for start in range(0, len(of_task), size):
                block = of_task[start : start + size]
                xs = np.pad(inputs[block], ((0, size - len(block)), (0, 0)))
                found = _answered(predictor, jnp.asarray(xs), final)
                order.append(block)
                answers.append(np.asarray(found, float)[: len(block)])
        return np.concatenate(answers)[np.argsort(np.concatenate(order))]


@eqx.filter_jit
def _answered(predictor: InUnits, xs: Float[Array, "rows in"], final: Any) -> Array:
    return jax.vmap(lambda x: final(predictor, x))(xs)


def _some(x: np.ndarray, y: np.ndarray, random: Any, most: int = MOST_ROWS) -> tuple[Any, Any]:
    """At most as many rows, drawn at random, in their order."""
    rows = np.sort(random.permutation(len(x))[:most])
    return x[rows], y[rows]


def _padded(x: np.ndarray, y: np.ndarray, least: int) -> Batch:
    """Rows as points, with room for at least as many."""
    lack = room(max(len(x), least)) - len(x)
    weight = np.arange(len(x) + lack) < len(x)
    arrays = np.pad(x, ((0, lack), (0, 0))), np.pad(y, ((0, lack), (0, 0))), weight
    return Batch(*(jnp.asarray(array, jnp.float32) for array in arrays))
