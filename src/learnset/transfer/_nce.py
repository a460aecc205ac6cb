"""NCE: the entropy of labels that source labels leave."""

import numpy as np
from jaxtyping import Shaped

from ._leep import leep
from ._scored_features import codes, one_hot


def nce(
    source_labels: Shaped[np.ndarray, "points"], labels: Shaped[np.ndarray, "points *classes"]
) -> float:
    """NCE: the negative conditional entropy of labels given the labels of the source task on the
    same points, in nats. It is from minus the entropy of the labels (source labels say nothing) to
    0 (they determine the labels).

    **Raises:** `InputError` for targets that are no classes, and for other numbers of points.

    Source: Tran et al. 2019, *Transferability and Hardness of Supervised Classification Tasks*,
    equation 5. The bound on the log-likelihood of the transferred classifier is its theorem 1.

    >>> import numpy as np
    >>> nce(np.array([2, 2, 5, 5]), np.array([0, 0, 1, 1])) == 0
    True
    >>> round(nce(np.array([2, 5, 2, 5]), np.array([0, 0, 1, 1])), 4)
    -0.6931
    """
    source = np.unique(np.asarray(source_labels), return_inverse=True)[1]
    target = codes("nce", labels, len(source))
    return leep(one_hot(source), target)
