"""Classification of several tasks that are learnt together."""

from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..core import cross_entropy, InputError
from ._arrays import check_array, check_each_column, labelled, mean_over_columns
from ._multi_task import AUTO, MultiTask
from ._program import Probabilities


class MultiTaskClassifier(ClassifierMixin, MultiTask):
    """A classifier of several tasks that are learnt together.

    It differs from `MultiTaskRegressor` as follows: the loss is the cross entropy; each column of
    `y` may have its own classes, and a missing label is NaN (or `None`, in an array of objects);
    tasks of rows have the classes of all rows, and a task that was not in `fit` gets the mean of
    the probabilities of all tasks.

    **Arguments:** see `MultiTaskRegressor`; and `class_weight`, of one column of `y`:
    `"balanced"`, or a weight for each class, by which rows are weighed, times their
    `sample_weight`. Probabilities are then those of rows that are weighed so.

    **Attributes:** `classes_`: the classes of `y`, or a list with those of each column; and the
    attributes of `MultiTaskRegressor`.

    >>> import numpy as np
    >>> from learnset.sklearn import MultiTaskClassifier
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> assays = np.where(x > 0, 1.0, 0.0)  # two of them on the same rows
    >>> assays[:50, 0] = np.nan  # not measured
    >>> MultiTaskClassifier(steps=300, random_state=0).fit(x, assays).predict([[3.0, -3.0]])
    array([[1., 0.]])
    """

    def __init__(
        self,
        method: Any = None,
        *,
        recipe: str = AUTO,
        sharing: str | None = None,
        width: int = 32,
        depth: int = 1,
        steps: int = 1000,
        learning_rate: float = 0.01,
        l2: float = 0.0,
        batch_size: int = 64,
        early_stopping: bool = True,
        class_weight: Any = None,
        task_column: int | str | None = None,
        random_state: Any = None,
    ):
        super().__init__(
            method, recipe=recipe, sharing=sharing, width=width, depth=depth, steps=steps,
            learning_rate=learning_rate, l2=l2, batch_size=batch_size,
            early_stopping=early_stopping, task_column=task_column, random_state=random_state,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> Self:
        """The estimator, fitted to all tasks.

        **Arguments:** `X`: (rows, columns). `y`: labels, (rows,) or (rows, tasks).
        `sample_weight`, `task`: (rows,).
        """
        inputs, task = self._inputs(X, task, fitting=True, y=y)
        labels = check_array(
            y, ensure_2d=False, dtype=None, ensure_all_finite="allow-nan", input_name="y"
        )
        check_consistent_length(X, labels)
        self._one_column = labels.ndim == 1
        labels = labels.reshape(len(labels), -1)
        self.n_outputs_, self._type = labels.shape[1], labels.dtype
        known = labelled(labels)
        check_each_column(known)
        classes, codes = [], np.zeros(labels.shape, int)
        for column in range(self.n_outputs_):
            rows = known[:, column]
            # A list, because the type of a column may differ from that of an array of objects.
            values = np.asarray(labels[rows, column].tolist())
            check_classification_targets(values)
            of_column, codes[rows, column] = np.unique(values, return_inverse=True)
            classes.append(of_column)
        self.classes_ = classes[0] if self._one_column else classes
        targets = np.eye(max(map(len, classes)))[codes]
        names = tuple(tuple(map(str, of_column.tolist())) for of_column in classes)
        numbers = np.where(known, codes, np.nan)
        weight = self._weight(labels, known, sample_weight)
        self._fit(inputs, numbers, targets, task, cross_entropy, weight, names)
        return self

    def _weight(self, labels: np.ndarray, known: np.ndarray, sample_weight: Any) -> Any:
        """The weights of rows, by their own and by those of classes."""
        if self.class_weight is None:
            return sample_weight
        if self.n_outputs_ > 1:
            raise InputError(
                f"`class_weight` is for one column of `y`, but there are {self.n_outputs_}. Give"
                " `sample_weight`, a weight for each row."
            )
        rows, weight = known[:, 0], np.zeros(len(labels))
        weight[rows] = compute_sample_weight(self.class_weight, labels[rows, 0].tolist())
        return weight if sample_weight is None else weight * np.asarray(sample_weight)

    def adapt(self, X: Any, y: Any, *, task: Any) -> Self:
        """A copy of the estimator that also knows the tasks of a few rows, which were not in
        `fit`.

        **Raises:** `InputError` for a class that was not in `fit`.
        """
        check_is_fitted(self)
        code = {label: float(i) for i, label in enumerate(self._each_class()[0].tolist())}
        labels = np.asarray(y).reshape(-1).tolist()
        if new := [label for label in labels if label not in code]:
            raise InputError(f"`y` has the class {new[0]!r}, which was not in `fit`.")
        return self._adapted(X, np.array([[code[label]] for label in labels]), task)

    def predict_proba(self, X: Any, *, task: Any = None) -> Any:
        """The probabilities of `classes_`, (rows, classes); a list of them for several columns of
        `y`."""
        each = self._each_class()
        sizes = np.array([len(classes) for classes in each])
        possible = np.arange(sizes.max()) < sizes[:, None]
        if self.fitted_ is not None:
            probabilities: Any = self._recipe_answers(self.fitted_, X, task).probabilities
        else:
            probabilities = self._answers(X, task, Probabilities(jnp.asarray(possible)))
        columns = [probabilities[:, i, : len(classes)] for i, classes in enumerate(each)]
        return columns[0] if self._one_column else columns

    def predict(self, X: Any, *, task: Any = None) -> np.ndarray:
        """The most probable class of each row, and of each column of `y`."""
        probabilities = self.predict_proba(X, task=task)
        probabilities = [probabilities] if self._one_column else probabilities
        pairs = zip(probabilities, self._each_class(), strict=True)
        columns = [classes[p.argmax(axis=1)] for p, classes in pairs]
        if self._one_column:
            return columns[0]
        return np.stack([column.astype(self._type) for column in columns], axis=1)

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> float:
        """The accuracy, averaged over the columns of `y`, without missing labels."""
        labels = np.asarray(y)
        labels = labels.reshape(len(labels), -1)
        predicted = self.predict(X, task=task).reshape(labels.shape)
        return mean_over_columns(_accuracy, labels, predicted, labelled(labels), sample_weight)

    def _each_class(self) -> list[np.ndarray]:
        check_is_fitted(self)
        classes: Any = self.classes_
        return [classes] if self._one_column else classes


def _accuracy(y: np.ndarray, predicted: np.ndarray, *, sample_weight: Any) -> float:
    return float(np.average(y == predicted, weights=sample_weight))
