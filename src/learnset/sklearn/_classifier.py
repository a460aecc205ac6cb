"""Classification of several tasks that are learnt together."""

from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_array, check_consistent_length, check_is_fitted

from ..core import cross_entropy
from ._arrays import labelled, mean_over_columns, some_in_each_column
from ._multi_task import MultiTask
from ._program import Probabilities


class MultiTaskClassifier(ClassifierMixin, MultiTask):
    """Classification of several tasks that are learnt together.

    All is as in `MultiTaskRegressor`, but for these: the loss is the cross entropy; each column of `y` may have classes of its
    own, and a missing label is NaN (or `None`, in an array of objects); tasks of rows have the classes of all rows, and a
    task that `fit` did not see gets the mean of what all tasks hold probable.

    **Arguments:** see `MultiTaskRegressor`.

    **Attributes:** `classes_`: of `y`, or a list of those of each of its columns; and those of `MultiTaskRegressor`.

    >>> import numpy as np
    >>> from learnset.sklearn import MultiTaskClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> assays = np.where(x > 0, 1.0, 0.0)  # two of them on the same rows
    >>> assays[:50, 0] = np.nan  # not measured
    >>> MultiTaskClassifier(steps=300, random_state=0).fit(x, assays).predict([[3.0, -3.0]])
    array([[1., 0.]])
    """

    def fit(self, X: Any, y: Any, *, task: Any = None) -> Self:
        """Learns all tasks. `X`: (rows, columns); `y`: (rows,) or (rows, tasks) of labels; `task`: (rows,)."""
        inputs, task = self._inputs(X, task, fitting=True, y=y)
        labels = check_array(
            y, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan", input_name="y"
        )
        check_consistent_length(X, labels)
        self._one_column = labels.ndim == 1
        labels = labels.reshape(len(labels), -1)
        self.n_outputs_, self._type = labels.shape[1], labels.dtype
        there = some_in_each_column(labelled(labels))
        classes, codes = [], np.zeros(labels.shape, int)
        for column in range(self.n_outputs_):
            here = there[:, column]
            known = np.asarray(
                labels[here, column].tolist()
            )  # of a column's own type, where `y` is of objects
            check_classification_targets(known)
            found, codes[here, column] = np.unique(known, return_inverse=True)
            classes.append(found)
        self.classes_ = classes[0] if self._one_column else classes
        targets = np.eye(max(map(len, classes)))[codes]
        self._fit(inputs, targets, there, task, cross_entropy)
        return self

    def predict_proba(self, X: Any, *, task: Any = None) -> Any:
        """Probabilities of `classes_`, (rows, classes); for several columns of `y` a list of such."""
        each = self._each_class()
        sizes = np.array([len(classes) for classes in each])
        possible = np.arange(sizes.max()) < sizes[:, None]
        found = self._answers(X, task, Probabilities(jnp.asarray(possible)))
        columns = [found[:, column, : len(classes)] for column, classes in enumerate(each)]
        return columns[0] if self._one_column else columns

    def predict(self, X: Any, *, task: Any = None) -> np.ndarray:
        """The most probable class of each row, and of each column of `y`."""
        found = self.predict_proba(X, task=task)
        found = [found] if self._one_column else found
        columns = [
            classes[p.argmax(axis=1)] for p, classes in zip(found, self._each_class(), strict=True)
        ]
        return (
            columns[0]
            if self._one_column
            else np.stack([c.astype(self._type) for c in columns], axis=1)
        )

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> float:
        """Accuracy, the mean over columns of `y`, missing labels left out."""
        labels = np.asarray(y)
        labels = labels.reshape(len(labels), -1)
        found = self.predict(X, task=task).reshape(labels.shape)
        return mean_over_columns(_accuracy, labels, found, labelled(labels), sample_weight)

    def _each_class(self) -> list[np.ndarray]:
        check_is_fitted(self)
        return [self.classes_] if self._one_column else self.classes_


def _accuracy(y: np.ndarray, found: np.ndarray, *, sample_weight: Any) -> float:
    return np.average(y == found, weights=sample_weight)
