"""The part that both estimators have in common."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, check_random_state, column_or_1d

from ..core import check_not_negative, check_positive, DivergedError, InputError
from ..multitask import Mean, SoftSharing
from ._arrays import check_array, padded_tasks, room, validate_data, without_column
from ._program import ALL, answers, BODY, NONE, trained


class MultiTask(BaseEstimator):
    """The part that both estimators have in common: tasks are numbered, padded and trained
    together, and answer for rows."""

    n_outputs_: int  # columns of `y`

    def __init__(
        self,
        method: Any = None,
        *,
        sharing: str = BODY,
        width: int = 32,
        depth: int = 1,
        steps: int = 1000,
        learning_rate: float = 0.01,
        l2: float = 0.0,
        batch_size: int = 64,
        task_column: int | str | None = None,
        random_state: Any = None,
    ):
        self.method = method
        self.sharing = sharing
        self.width = width
        self.depth = depth
        self.steps = steps
        self.learning_rate = learning_rate
        self.l2 = l2
        self.batch_size = batch_size
        self.task_column = task_column
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        return tags

    # Arrays

    def _inputs(
        self, x: Any, task: Any, *, fitting: bool, y: Any = "no_validation"
    ) -> tuple[Any, Any]:
        """The scaled inputs, without the task column, and the label of each row's task."""
        y = None if y is None else "no_validation"
        if self.task_column is None:
            inputs = validate_data(self, x, y, reset=fitting, dtype="numeric")
        else:
            if task is not None:
                raise InputError(
                    "`task` and `task_column` both give the tasks of the rows. Give one of them."
                )
            validate_data(self, x, y, reset=fitting, skip_check_array=True)
            x, task = without_column(x, self.task_column)
            inputs = check_array(x)
        inputs = inputs.astype(np.float64)
        if fitting:
            scale = inputs.std(axis=0)
            self.x_mean_, self.x_scale_ = inputs.mean(axis=0), np.where(scale > 0, scale, 1.0)
        return ((inputs - self.x_mean_) / self.x_scale_).astype(np.float32), task

    def _labels(self, task: Any, rows: int) -> np.ndarray:
        """The labels of the rows' tasks; by default, all the same."""
        labels = np.zeros(rows, int) if task is None else column_or_1d(task)
        if len(labels) != rows:
            raise InputError(
                f"`task` has {len(labels)} labels, but there are {rows} rows. Give one for each."
            )
        return labels

    def _numbers(self, task: Any, rows: int) -> Int[np.ndarray, "rows"]:
        """The numbers of the rows' tasks; -1 for tasks that were not in `fit`."""
        if task is None and self.has_tasks_:
            raise InputError(
                "`fit` was given the task of each row, but this call was not. Give `task`, with a"
                " label for each row."
            )
        labels = self._labels(task, rows)
        known = {label: number for number, label in enumerate(self.tasks_.tolist())}
        return np.array([known.get(label, -1) for label in labels.tolist()])

    @property
    def _groups(self) -> int:
        """The number of tasks of rows between which the model distinguishes."""
        return 1 if self.sharing == ALL else len(self.tasks_)

    def _group(self, number: Int[np.ndarray, "rows"]) -> Int[np.ndarray, "rows"]:
        return np.zeros_like(number) if self.sharing == ALL else number

    # Training

    def _fit(
        self,
        x: Any,
        y: Float[np.ndarray, "rows columns out"],
        known: np.ndarray,
        task: Any,
        loss: Any,
    ) -> None:
        self._check_settings()
        labels = self._labels(task, len(x))
        self.has_tasks_ = task is not None
        self.tasks_, number = np.unique(labels, return_inverse=True)
        points = padded_tasks(x, y, known, self._group(number), self._groups)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        # Numbers that a search varies are arrays, so that a new value needs no new compilation.
        numbers = jnp.float32(self.learning_rate), jnp.float32(self.l2)
        sizes = (self.width, self.depth, self.steps, min(self.batch_size, points.x.shape[1]))
        method = Mean() if self.method is None else self.method
        method = eqx.tree_at(lambda m: m.loss, method, loss)
        self.model_, losses, finite = trained(
            method, self.sharing, sizes, points, *numbers, jr.key(seed)
        )
        if not finite:
            raise DivergedError(
                f"{type(self).__name__} met NaN or infinity. Usually"
                f" `learning_rate={self.learning_rate}` is too large: try a tenth of it."
            )
        self.loss_curve_ = np.asarray(losses)

    def _check_settings(self) -> None:
        name = type(self).__name__
        if self.sharing not in (BODY, ALL, NONE):
            raise InputError(
                f"{name}: `sharing={self.sharing!r}`, but it must be {BODY!r}, {ALL!r} or {NONE!r}."
            )
        for size, least in {"width": 1, "depth": 0, "steps": 1, "batch_size": 2}.items():
            value = getattr(self, size)
            if not isinstance(value, (int, np.integer)) or value < least:
                raise InputError(
                    f"{name}: `{size}={value}`, but it must be a whole number, at least {least}."
                )
        check_positive(name, learning_rate=self.learning_rate)
        check_not_negative(name, l2=self.l2)
        if isinstance(self.method, SoftSharing) and self.sharing != NONE:
            raise InputError(
                f"{name}: SoftSharing pulls separate models together. Set `sharing={NONE!r}`."
            )

    # Answers

    def _answers(self, x: Any, task: Any, final: Any) -> Float[np.ndarray, "rows columns out"]:
        """`final` of the model's outputs; for a new task, its mean over the known tasks."""
        check_is_fitted(self)
        inputs, task = self._inputs(x, task, fitting=False)
        number = self._group(self._numbers(task, len(inputs)))
        length = room(len(inputs))  # few lengths, and so few compiled programs
        inputs = np.pad(inputs, ((0, length - len(inputs)), (0, 0)))
        padded = np.pad(number, (0, length - len(number)))
        arrays = jnp.asarray(inputs), jnp.asarray(padded)
        outputs = answers(self.model_, *arrays, self._groups, self.n_outputs_, final)
        return np.asarray(outputs, float)[: len(number)]
