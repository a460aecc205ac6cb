"""In-context learning of tables as scikit-learn estimators."""

from typing import Any, Self

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.special import ndtri
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length, check_is_fitted, column_or_1d

from ..core import InputError
from ..meta import InUnits
from ._arrays import check_array
from ._in_context import InContext


class InContextRegressor(RegressorMixin, InContext):
    """A regressor that learns a table in context: a network that was trained on simulated tables
    reads the rows of `fit` whenever it predicts, and nothing is trained.

    Rows may belong to different tasks (schools, patients, sensors), by `task`, a label for each
    row, or by a column of `X`: the network then reads rows of other tasks as well. Of a task at
    most 1000 rows are read, drawn at random. A task that was not in `fit` is answered by what is
    known of others; `adapt` learns one from a few rows.

    Inputs may have missing cells (NaN), and columns of a data frame may be words.

    **Arguments:**

    - `network`: one that was trained by `learnset.TablePFN`; default: the one that comes with the
      package.
    - `siblings`: other tasks that are read, at most; 30 rows of each, drawn at random.
    - `task_column`: the index or name of the column of `X` with the task of each row.
    - `random_state`: of what is drawn.

    **Attributes:** `tasks_`: the labels of the tasks. `table_`: a `learnset.meta.InContextTable`.

    **Raises:** `InputError`, a `ValueError`, for more than 100 inputs, each word and each gap of a
    column counted as one, and for invalid settings and arrays.

    >>> import numpy as np
    >>> from learnset.sklearn import InContextRegressor
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> model = InContextRegressor().fit(x, np.full(40, 5.0))
    >>> model.predict([[0.5]])
    array([5.])
    """

    def fit(self, X: Any, y: Any, *, task: Any = None) -> Self:
        """The estimator, with the rows of all tasks.

        **Arguments:** `X`: (rows, columns). `y`, `task`: (rows,).
        """
        inputs, task = self._inputs(X, task, fitting=True, y=y)
        targets = _targets(y)
        check_consistent_length(X, targets)
        # In units of their spread, because the network computes in single precision.
        spread = float(targets.std())
        self.y_mean_, self.y_scale_ = float(targets.mean()), spread if spread > 0 else 1.0
        self._read(inputs, targets, self._scaled(targets), task)
        return self

    def adapt(self, X: Any, y: Any, *, task: Any) -> Self:
        """A copy of the estimator that also knows the tasks of a few rows, which were not in
        `fit`."""
        check_is_fitted(self)
        return self._with_tasks(X, self._scaled(_targets(y)), task)

    def predict(self, X: Any, *, task: Any = None) -> np.ndarray:
        """The predicted targets: the means of the predicted distributions."""
        return self._answers(X, task, _mean)[:, 0] * self.y_scale_ + self.y_mean_

    def quantiles(
        self, X: Any, levels: Any = (0.05, 0.5, 0.95), *, task: Any = None
    ) -> Float[np.ndarray, "rows levels"]:
        """Quantiles of the predicted distributions, which are normal. They are the network's: they
        were not calibrated on rows of this table.

        **Raises:** `InputError` for levels that are not between 0 and 1.
        """
        at = np.atleast_1d(np.asarray(levels, float))
        if not ((at > 0) & (at < 1)).all():
            raise InputError(f"`levels={levels}`, but they must be between 0 and 1.")
        mean, std = self._answers(X, task, _gaussian)[:, :, 0].T * self.y_scale_
        return self.y_mean_ + mean[:, None] + std[:, None] * ndtri(at)

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> float:
        """R² of all rows."""
        return float(r2_score(y, self.predict(X, task=task), sample_weight=sample_weight))

    def _scaled(self, targets: np.ndarray) -> Float[np.ndarray, "rows 1"]:
        return ((targets - self.y_mean_) / self.y_scale_)[:, None]


class InContextClassifier(ClassifierMixin, InContext):
    """A classifier that learns a table in context, as `InContextRegressor` does.

    The network was trained on regression: it predicts a one or a zero for each class, and the
    probabilities are these numbers, at least 0.01, over their sum.

    **Arguments:** see `InContextRegressor`.

    **Attributes:** `classes_`; and the attributes of `InContextRegressor`.

    **Raises:** `InputError`, a `ValueError`, for more than 100 inputs or 10 classes, and for
    invalid settings and arrays.

    >>> import numpy as np
    >>> from learnset.sklearn import InContextClassifier
    >>> x = np.linspace(-1, 1, 40)[:, None]
    >>> InContextClassifier().fit(x, np.where(x[:, 0] > 0, "up", "down")).predict([[0.9], [-0.9]])
    array(['up', 'down'], dtype='<U4')
    """

    def fit(self, X: Any, y: Any, *, task: Any = None) -> Self:
        """The estimator, with the rows of all tasks.

        **Arguments:** `X`: (rows, columns). `y`: labels, (rows,). `task`: (rows,).
        """
        inputs, task = self._inputs(X, task, fitting=True, y=y)
        labels = column_or_1d(
            check_array(y, ensure_2d=False, dtype=None, input_name="y"), warn=True
        )
        check_consistent_length(X, labels)
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        names = tuple(map(str, self.classes_.tolist()))
        self._read(inputs, codes.astype(float), np.eye(len(names))[codes], task, names)
        return self

    def adapt(self, X: Any, y: Any, *, task: Any) -> Self:
        """A copy of the estimator that also knows the tasks of a few rows, which were not in
        `fit`.

        **Raises:** `InputError` for a class that was not in `fit`.
        """
        check_is_fitted(self)
        labels, known = np.asarray(y).reshape(-1), self.classes_.tolist()
        if new := [label for label in labels.tolist() if label not in known]:
            raise InputError(f"`y` has the class {new[0]!r}, which was not in `fit`.")
        return self._with_tasks(X, (labels[:, None] == self.classes_).astype(float), task)

    def predict_proba(self, X: Any, *, task: Any = None) -> Float[np.ndarray, "rows classes"]:
        """The probabilities of `classes_`."""
        return self._answers(X, task, _probabilities)

    def predict(self, X: Any, *, task: Any = None) -> np.ndarray:
        """The most probable class of each row."""
        best = self.predict_proba(X, task=task).argmax(axis=1)
        return self.classes_[best]

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> float:
        """The accuracy."""
        return float(accuracy_score(y, self.predict(X, task=task), sample_weight=sample_weight))


def _targets(y: Any) -> np.ndarray:
    array = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
    return column_or_1d(array, warn=True)


def _mean(predictor: InUnits, x: Array) -> Float[Array, "targets"]:
    return predictor.gaussian(x)[0]


def _gaussian(predictor: InUnits, x: Array) -> Float[Array, "2 targets"]:
    return jnp.stack(predictor.gaussian(x))


def _probabilities(predictor: InUnits, x: Array) -> Float[Array, "classes"]:
    return predictor.probabilities(x)
