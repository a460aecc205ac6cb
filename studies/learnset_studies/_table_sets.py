"""Tables that a network and its rivals learn: those of scikit-learn, simulated ones, and columns of
SARCOS and Tox21 where their data are there."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from learnset.core import InputError, needs
from learnset.data import sarcos, tox21

Made = tuple[Float[np.ndarray, "rows in"], Shaped[np.ndarray, "rows"]]
FOLDED = 64  # inputs of a molecule: each counts the bits whose numbers leave one rest
MOST = 1000  # rows of a simulated set


class TableSet(NamedTuple):
    """A table with one target. Classes are numbers from zero; `classes` is 0 for a regression."""

    name: str
    x: Float[np.ndarray, "rows in"]
    y: Shaped[np.ndarray, "rows"]
    classes: int


def _of_scikit_learn(name: str) -> Made:
    with needs("tables"):
        from sklearn import datasets
    return getattr(datasets, f"load_{name}")(return_X_y=True)


def digits() -> Made:
    """Digits of 4 x 4 points: the means of 2 x 2 of those of scikit-learn."""
    x, y = _of_scikit_learn("digits")
    return x.reshape(-1, 4, 2, 4, 2).mean(axis=(2, 4)).reshape(len(x), -1), y


def assay(name: str) -> Made:
    """One assay of Tox21, at the molecules whose label is known."""
    table = tox21()
    known = table.rows_of(table.names.index(name))
    bits = np.asarray(table.x, np.float64)[known]
    counts = bits.reshape(len(bits), -1, FOLDED).sum(axis=1)
    return counts, table.y[known, table.names.index(name)].astype(int)


def torque(joint: int) -> Made:
    """The torque at one joint."""
    table = sarcos()
    return np.asarray(table.x, np.float64), table.y[:, joint - 1]


def moons() -> Made:
    """Two half moons, and four inputs that say nothing."""
    random = np.random.default_rng(0)
    y = random.integers(0, 2, MOST)
    angle = random.uniform(0, np.pi, MOST)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.where(y[:, None] == 1, np.array([1.0, 0.5]) - x, x) + random.normal(0, 0.3, (MOST, 2))
    return np.concatenate([x, random.normal(size=(MOST, 4))], axis=1), y


def ball() -> Made:
    """Inside or outside of a ball in ten dimensions: Hastie, Tibshirani & Friedman 2009, *The
    Elements of Statistical Learning*, equation 10.2."""
    x = np.random.default_rng(1).normal(size=(MOST, 10))
    return x, ((x**2).sum(axis=1) > 9.34).astype(int)


def clusters() -> Made:
    """Three classes of two clusters each in five inputs, five inputs that are sums of these, and
    ten that say nothing; one label in twenty is wrong."""
    with needs("tables"):
        from sklearn.datasets import make_classification
    options: Any = {"n_informative": 5, "n_redundant": 5, "n_classes": 3, "flip_y": 0.05}
    x, y = make_classification(MOST, 20, random_state=0, **options)[:2]
    return np.asarray(x), np.asarray(y)


def friedman(number: int) -> Made:
    """Friedman 1991, *Multivariate Adaptive Regression Splines*, and Breiman 1996, *Bagging
    Predictors*; the noise is a tenth of the target's variance."""
    with needs("tables"):
        from sklearn import datasets
    x, y = getattr(datasets, f"make_friedman{number}")(MOST, random_state=0)
    return x, y + np.random.default_rng(number).normal(0, y.std() / 3, MOST)


def houses() -> Made:
    """Prices that depend on inputs like those of California housing: income, the age of houses,
    rooms, bedrooms, people, people in a household, and a place near one of two towns. Prices above
    the ninth decile are cut off."""
    random = np.random.default_rng(2)
    income, age = random.lognormal(1.3, 0.45, MOST), random.uniform(1, 52, MOST)
    rooms = 3 + 0.6 * income + random.normal(0, 0.8, MOST)
    bedrooms, people = 0.2 * rooms + random.normal(0, 0.1, MOST), random.lognormal(7, 0.7, MOST)
    household = 2 + random.lognormal(0, 0.5, MOST)
    towns = np.array([[34.0, -118.3], [37.8, -122.4]])
    place = towns[random.integers(0, 2, MOST)] + random.gamma(1.0, 1.0, (MOST, 2))
    away = np.linalg.norm(place[:, None] - towns[None], axis=2).min(axis=1)
    log = 0.6 * np.log(income) - 0.35 * away + 0.004 * age - 0.2 * np.log(household)
    price = np.exp(log + random.normal(0, 0.2, MOST))
    x = np.stack([income, age, rooms, bedrooms, people, household, *place.T], axis=1)
    return x, np.minimum(price, np.quantile(price, 0.9))


CLASSES: dict[str, Callable[[], Made]] = {
    "breast cancer": lambda: _of_scikit_learn("breast_cancer"),
    "wine": lambda: _of_scikit_learn("wine"),
    "iris": lambda: _of_scikit_learn("iris"),
    "digits": digits,
    "moons": moons,
    "ball": ball,
    "clusters": clusters,
    "Tox21 SR-MMP": lambda: assay("SR-MMP"),
    "Tox21 NR-AhR": lambda: assay("NR-AhR"),
}
NUMBERS: dict[str, Callable[[], Made]] = {
    "diabetes": lambda: _of_scikit_learn("diabetes"),
    "Friedman 1": lambda: friedman(1),
    "Friedman 2": lambda: friedman(2),
    "houses": houses,
    "SARCOS torque 1": lambda: torque(1),
    "SARCOS torque 7": lambda: torque(7),
}
ALL = (*CLASSES, *NUMBERS)


def made(names: Sequence[str], rows: int) -> tuple[list[TableSet], dict[str, str]]:
    """The sets with at most this many rows, drawn at random; and why others are not there, in
    words.

    >>> [one.x.shape for one in made(("iris", "houses"), 100)[0]]
    [(100, 4), (100, 8)]
    """
    there, missing = [], {}
    for name in names:
        try:
            x, y = (CLASSES | NUMBERS)[name]()
        except InputError as error:  # LEARNSET_DATA has not these data
            missing[name] = str(error)
            continue
        some = np.random.default_rng(0).permutation(len(x))[:rows]
        classes = int(y.max()) + 1 if name in CLASSES else 0
        there.append(TableSet(name, x[some].astype(np.float64), y[some], classes))
    return there, missing
