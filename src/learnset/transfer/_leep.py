"""LEEP: the likelihood of labels given the source classifier's probabilities."""

import numpy as np
from jaxtyping import Shaped

from ..core import InputError
from ._scored_features import codes, double, one_hot


def leep(
    probabilities: Shaped[np.ndarray, "points source_classes"],
    labels: Shaped[np.ndarray, "points *classes"],
) -> float:
    """LEEP: the mean log-likelihood of labels under the "expected empirical predictor", which knows
    of a point only the probabilities that the source classifier gives to its own classes.

    It is at most 0, and at least the negative conditional entropy of labels given a source class
    that is drawn with those probabilities; it is `nce` where all probabilities are 0 or 1.

    **Raises:** `InputError` for targets that are no classes, and for rows that are not
    probabilities.

    Source: Nguyen et al. 2020, *LEEP: A New Measure to Evaluate Transferability of Learned
    Representations*, §3.1.

    >>> import numpy as np
    >>> leep(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1]))
    0.0
    """
    given = double("leep", probabilities)
    if (given < 0).any() or not np.allclose(given.sum(axis=1), 1, atol=1e-4):
        raise InputError(
            "leep: rows must be probabilities, from 0 to 1 with sum 1. Give the softmax of logits."
        )
    number = codes("leep", labels, len(given))
    joint = given.T @ one_hot(number) / len(given)
    weight = joint.sum(axis=1, keepdims=True)
    conditional = np.divide(joint, weight, where=weight > 0, out=np.zeros_like(joint))
    likelihood = (given @ conditional)[np.arange(len(given)), number]
    return float(np.log(likelihood).mean())
