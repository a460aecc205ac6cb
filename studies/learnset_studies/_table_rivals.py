"""What is usually done with one table, tuned by a cross-validation of its own rows."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from learnset.core import needs

INNER = 3  # folds, on which settings are chosen
FOREST = "random forest"
LINEAR = ("logistic or ridge regression", "nearest neighbours")
NAMES = (LINEAR[0], FOREST, "boosting", LINEAR[1])
SCORES = {True: "roc_auc_ovr", False: "r2"}


class Rival(NamedTuple):
    """An estimator of scikit-learn, and the settings to choose from."""

    estimator: Any
    grid: Any


def rivals(*, classes: bool, rows: int, trees: int) -> dict[str, Rival]:
    """All of them by name.

    **Arguments:** `rows`: to learn from. `trees`: of a forest, and rounds of boosting.
    """
    with needs("tables"):
        from sklearn import ensemble, linear_model, neighbors
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

    kind = "Classifier" if classes else "Regressor"
    linear, strengths = linear_model.Ridge(), {"ridge__alpha": np.geomspace(0.01, 1000, 11)}
    if classes:
        linear = linear_model.LogisticRegression(max_iter=1000)
        strengths = {"logisticregression__C": np.geomspace(0.001, 100, 6)}
    nearest = getattr(neighbors, f"KNeighbors{kind}")()
    prefix = type(nearest).__name__.lower()
    near = {
        f"{prefix}__n_neighbors": [n for n in (1, 3, 5, 10, 20, 40) if n <= rows // 2],
        f"{prefix}__weights": ("uniform", "distance"),
    }
    forest = getattr(ensemble, f"RandomForest{kind}")(trees, random_state=0)
    boosting = getattr(ensemble, f"HistGradientBoosting{kind}")(
        max_iter=trees, min_samples_leaf=max(1, min(20, rows // 15)), random_state=0
    )
    of_forest = [
        {"max_features": (1 / 3, 1.0), "min_samples_leaf": (1,)},
        {"max_features": (1 / 3,), "min_samples_leaf": (5,)},
    ]
    of_boosting = {"learning_rate": (0.03, 0.1), "max_leaf_nodes": (4, 16)}
    each = (
        Rival(make_pipeline(StandardScaler(), linear), strengths),
        Rival(forest, of_forest),
        Rival(boosting, of_boosting),
        Rival(make_pipeline(StandardScaler(), nearest), near),
    )
    return dict(zip(NAMES, each, strict=True))


def tuned(
    rival: Rival,
    x: Float[np.ndarray, "rows in"],
    y: Shaped[np.ndarray, "rows"],
    *,
    classes: bool,
) -> Any:
    """The estimator with the settings that predict held-out rows best, fitted to all rows."""
    with needs("tables"):
        from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
        from threadpoolctl import threadpool_limits

    folds = (StratifiedKFold if classes else KFold)(INNER, shuffle=True, random_state=0)
    options: dict[str, Any] = {"scoring": SCORES[classes], "error_score": "raise"}
    search = GridSearchCV(rival.estimator, rival.grid, cv=folds, **options)
    with threadpool_limits(1):
        return search.fit(x, y)


def answers(
    estimator: Any, x: Float[np.ndarray, "rows in"], *, classes: bool
) -> Float[np.ndarray, "rows ..."]:
    """Probabilities of classes, or numbers."""
    return estimator.predict_proba(x) if classes else estimator.predict(x)
