"""Rows of tasks, as estimators take them."""

import warnings
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int
from sklearn.base import BaseEstimator
from sklearn.utils.validation import column_or_1d

from ..core import InputError
from ..data import Table
from ._arrays import check_array, validate_data, without_column
from ._columns import Columns, is_missing


class OfTasks(BaseEstimator):
    """The part that estimators have in common: inputs as numbers, and tasks by their labels."""

    task_column: int | str | None
    tasks_: np.ndarray
    has_tasks_: bool  # whether `fit` was given tasks
    stranger: ClassVar[str] = "the mean of tasks answers them"  # rows of tasks that are not known

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = True
        tags.input_tags.allow_nan = True
        return tags

    # Arrays

    def _inputs(
        self, x: Any, task: Any, *, fitting: bool, y: Any = "no_validation"
    ) -> tuple[Float[np.ndarray, "rows columns"], Any]:
        """The inputs without the task column, words as their codes and NaN where a cell is empty;
        and the label of each row's task."""
        y = None if y is None else "no_validation"
        options: dict[str, Any] = {"dtype": "numeric", "ensure_all_finite": "allow-nan"}
        if self.task_column is not None:
            if task is not None:
                raise InputError(
                    "`task` and `task_column` both give the tasks of the rows. Give one of them."
                )
            validate_data(self, x, y, reset=fitting, skip_check_array=True)
            x, task = without_column(x, self.task_column)
        if fitting:
            self.columns_ = Columns.of(x)
        if self.columns_.words and self.task_column is None:
            validate_data(self, x, y, reset=fitting, skip_check_array=True)
        if self.columns_.words:
            x, unknown = self.columns_(x)
            for name, count in unknown.items():
                warnings.warn(
                    f"{count} cells of {name!r} have words that were not in `fit`, and are taken as"
                    " missing.",
                    stacklevel=4,
                )
        if self.columns_.words or self.task_column is not None:
            inputs = check_array(x, **options)
        else:
            inputs = validate_data(self, x, y, reset=fitting, **options)
        return inputs.astype(np.float64), task

    def _labels(self, task: Any, rows: int) -> list[Any]:
        """The labels of the rows' tasks; by default, all the same."""
        labels = [0] * rows if task is None else column_or_1d(np.asarray(task)).tolist()
        if len(labels) != rows:
            raise InputError(
                f"`task` has {len(labels)} labels, but there are {rows} rows. Give one for each."
            )
        return labels

    def _numbers(self, task: Any, rows: int) -> Int[np.ndarray, "rows"]:
        """The numbers of the rows' tasks; -1 for tasks that were not in `fit`, of which it
        warns."""
        if task is None and self.has_tasks_:
            raise InputError(
                "`fit` was given the task of each row, but this call was not. Give `task`, with a"
                " label for each row."
            )
        labels = self._labels(task, rows)
        known = {label: number for number, label in enumerate(self.tasks_.tolist())}
        known |= {label: len(known) + i for i, label in enumerate(getattr(self, "added_", ()))}
        unknown = [label for label in labels if label not in known]
        if unknown and self.has_tasks_:
            texts = {str(label): label for label in known}
            for label in unknown:
                if not is_missing(label) and str(label) in texts:
                    other = texts[str(label)]
                    raise InputError(
                        f"`task` has {label!r}, a {type(label).__name__}, but `fit` had {other!r},"
                        f" a {type(other).__name__}. Give labels of the same type."
                    )
            some = ", ".join(map(repr, list(dict.fromkeys(map(str, unknown)))[:5]))
            warnings.warn(
                f"{len(unknown)} of {rows} rows are of tasks that were not in `fit` ({some}):"
                f" {self.stranger}.",
                stacklevel=4,
            )
        return np.array([known.get(label, -1) for label in labels], int)

    def _learn_tasks(self, task: Any, rows: int) -> Int[np.ndarray, "rows"]:
        """Numbers the tasks of the rows that are learnt from.

        **Raises:** `InputError` for a label that is missing.
        """
        names = self._labels(task, rows)
        self.has_tasks_ = task is not None
        missing = [row for row, name in enumerate(names) if is_missing(name)]
        if missing:
            raise InputError(
                f"`task` is missing in {len(missing)} of {len(names)} rows, row {missing[0]} first."
                " Name the tasks, or leave such rows out."
            )
        self.tasks_, number = np.unique(np.asarray(names), return_inverse=True)
        return number

    def _table(self, x: np.ndarray, labels: np.ndarray, number: np.ndarray, classes: Any) -> Table:
        columns = self.columns_.names or tuple(f"x{i}" for i in range(x.shape[1]))
        targets = tuple(f"y{i}" for i in range(labels.shape[1]))
        by_target = len(self.tasks_) == 1
        names = targets if by_target else tuple(map(str, self.tasks_.tolist()))
        if len(names) < 2:  # a network alone: its encoding does not look at tasks
            names = (*names, "")
        task = None if by_target and len(targets) > 1 else number
        options: dict[str, Any] = {"target_classes": classes} if any(classes) else {}
        words = self.columns_.words
        return Table(x, labels, task, names, columns, words, (), targets, **options)
