"""Regression of several tasks that are learnt together."""

from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ..core import mse
from ..data import centre_and_spread
from ._arrays import check_array, check_each_column, mean_over_columns
from ._multi_task import MultiTask
from ._program import as_it_is


class MultiTaskRegressor(RegressorMixin, MultiTask):
    """A regressor of several tasks that are learnt together.

    Tasks come in two forms, or both at once: rows may belong to different tasks (schools, patients,
    sensors), by `task`, a label for each row, or by a column of `X`; and each column of `y` is a
    task on the same rows, in which NaN is a missing label. Without either, everything is one task.

    With several tasks a recipe of `learnset compare` learns them: the best on held-out rows of a
    few that take little time, or the one that is named. A network learns one task, tasks in both
    forms, and where `sharing` or `method` is given.

    Inputs may have missing cells (NaN), and columns of a data frame may be words.

    The prediction for a task that was not in `fit` is the mean of tasks; `adapt` learns one from a
    few rows.

    **Arguments:**

    - `recipe`: `"auto"`, a name such as `"mixed model"` (`learnset.recipes.rows.standard`), or
      `"network"`.
    - `method`: of a network, a balancer such as `learnset.UPGrad()`, or `SoftSharing`. Default: the
      mean of the tasks' losses. Its loss is replaced by the squared error.
    - `sharing`: of a network; `"body"` is one body with a head for each task; `"all"` is one model
      for all tasks of rows, between which it does not distinguish (columns of `y` stay separate);
      `"none"` is a model for each task.
    - `width`, `depth`: of hidden layers. With `depth=0` there is a single linear one: tasks then
      share `width` linear features.
    - `steps`, `learning_rate`: of Adam, whose step size falls to zero along a cosine.
    - `l2`: adds `l2 / 2` times the squared norm of all parameters to the loss.
    - `batch_size`: points of each task in one step.
    - `early_stopping`: whether a tenth of the rows is kept aside, and the network is the one that
      predicts them best on the way.
    - `task_column`: the index or name of the column of `X` with the task of each row.
    - `random_state`: of initial parameters and batches.

    **Attributes:** `tasks_`: the labels of the tasks of rows. `fitted_`: a `learnset.Fitted`, or
    None. Of a network: `model_`, an Equinox module, and `loss_curve_`, the mean loss at each step.

    **Raises:** `InputError`, a `ValueError`, for invalid settings and arrays; `DivergedError` if
    training diverges.

    With metadata routing, `task` reaches the steps of a pipeline, or a search, that request it:

    >>> import numpy as np, sklearn
    >>> from learnset.sklearn import MultiTaskRegressor
    >>> from sklearn.model_selection import GridSearchCV
    >>> x, school = np.random.default_rng(0).normal(size=(60, 3)), np.tile(["a", "b"], 30)
    >>> y = np.where(school == "a", 1, -1) * x[:, 0]
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     model = MultiTaskRegressor(sharing="body", steps=200, random_state=0)
    ...     model = model.set_fit_request(task=True).set_score_request(task=True)
    ...     search = GridSearchCV(model, {"sharing": ["body", "all"]}, cv=2).fit(x, y, task=school)
    >>> search.best_params_
    {'sharing': 'body'}
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> Self:
        """The estimator, fitted to all tasks.

        **Arguments:** `X`: (rows, columns). `y`: (rows,) or (rows, tasks), NaN where missing.
        `sample_weight`, `task`: (rows,).
        """
        inputs, task = self._inputs(X, task, fitting=True, y=y)
        targets = self._targets(y)
        check_consistent_length(X, targets)
        self._one_column = targets.ndim == 1
        targets = targets.reshape(len(targets), -1)
        self.n_outputs_ = targets.shape[1]
        known = np.isfinite(targets)
        check_each_column(known)
        self.y_mean_, spread = centre_and_spread(targets)
        self.y_scale_ = np.where(spread > 0, spread, 1.0)
        scaled = np.where(known, (targets - self.y_mean_) / self.y_scale_, 0)
        self._fit(inputs, targets, scaled[:, :, None], task, mse, sample_weight)
        return self

    def adapt(self, X: Any, y: Any, *, task: Any) -> Self:
        """A copy of the estimator that also knows the tasks of a few rows, which were not in
        `fit`."""
        return self._adapted(X, self._targets(y).reshape(-1, 1), task)

    def predict(self, X: Any, *, task: Any = None) -> np.ndarray:
        """The predicted targets, in the shape and the units of `y`."""
        check_is_fitted(self)
        if self.fitted_ is not None:
            answers = self._recipe_answers(self.fitted_, X, task).predicted
        else:
            answers = self._answers(X, task, as_it_is)[:, :, 0]
            answers = answers * self.y_scale_ + self.y_mean_
        return answers[:, 0] if self._one_column else answers

    def _targets(self, y: Any) -> np.ndarray:
        return check_array(
            y, ensure_2d=False, dtype=np.float64, ensure_all_finite="allow-nan", input_name="y"
        )

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, task: Any = None) -> float:
        """R², averaged over the columns of `y`, without missing labels."""
        y = np.asarray(y, float).reshape(len(y), -1)
        predicted = self.predict(X, task=task).reshape(y.shape)
        return mean_over_columns(r2_score, y, predicted, ~np.isnan(y), sample_weight)
