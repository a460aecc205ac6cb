"""Labels that neighbouring queries share."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_not_negative, InputError
from ._bd_cspn import rectified, shifted
from ._prototypes import ABSENT, classes_there, unit
from ._transductive import AbstractTransductive


class LaplacianShot(AbstractTransductive):
    """LaplacianShot: labels the queries by the nearest class mean, and each like its neighbours
    among the queries.

    **Arguments:**

    - `strength`: the weight of a neighbour's label, in units of a squared distance between features
      of length one (λ).
    - `neighbours`: the number of nearest queries that influence each query.
    - `steps`: of updates of the labels. `scale`: of the correction of the means beforehand, as in
      `BDCSPN`.

    **Raises:** `InputError` for fewer than one neighbour, and for a negative `strength`.

    Source: Ziko et al. 2020, *Laplacian Regularized Few-Shot Learning*, §2.2, equation 12, and its
    code for the settings (its three neighbours are the query itself and two more). There, λ is
    chosen from 0.1 to 1.5 on validation classes.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.LaplacianShot().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))
    >>> ls.predict(predictor, jnp.array([[0.9, 0.2], [0.1, 0.7]])).argmax(axis=1).tolist()
    [0, 1]
    """

    strength: float | Float[Array, "..."] = 1.0
    neighbours: int = 2
    steps: int = 20
    scale: float | Float[Array, "..."] = 10.0

    def __check_init__(self):
        check_not_negative("LaplacianShot", strength=self.strength)
        if self.neighbours < 1:
            raise InputError(
                f"LaplacianShot: `neighbours={self.neighbours}`, but a query needs at least 1."
            )

    def logits(
        self,
        support: Batch,
        queries: Float[Array, "queries features"],
        weight: Float[Array, "queries"],
    ) -> Float[Array, "queries classes"]:
        points = Batch(unit(support.x), support.y, support.weight)
        queries = shifted(points, unit(queries), weight)
        means = rectified(points, queries, weight, self.scale)
        # Minus the squared distance, up to a term that all classes share.
        nearness = 2 * queries @ means.T - (means**2).sum(axis=1)[None]
        nearness = jnp.where(classes_there(support)[None], nearness, ABSENT)
        neighbours = affinity(queries, weight, self.neighbours)

        def step(
            logits: Float[Array, "queries classes"], _: None
        ) -> tuple[Float[Array, "queries classes"], None]:
            return nearness + self.strength * neighbours @ jax.nn.softmax(logits), None

        return jax.lax.scan(step, nearness, length=self.steps)[0]


def affinity(
    x: Float[Array, "points features"], weight: Float[Array, "points"], neighbours: int
) -> Float[Array, "points points"]:
    """The matrix of nearest neighbours: one where the column is among the nearest of the row,
    counting only other points with weight; zero elsewhere.

    >>> import jax.numpy as jnp
    >>> affinity(jnp.array([[0.0], [1.0], [3.0]]), jnp.ones(3), 1).argmax(axis=1).tolist()
    [1, 0, 1]
    """
    inner = x @ x.T
    nearness = 2 * inner - jnp.diagonal(inner)[None]
    other = (weight[None] > 0) & ~jnp.eye(len(x), dtype=bool)
    ranked = jnp.where(other, nearness, -jnp.inf)
    nearest = jax.lax.top_k(ranked, min(neighbours, len(x) - 1))[1]
    chosen = jax.nn.one_hot(nearest, len(x), dtype=x.dtype).sum(axis=1)
    return chosen * other.astype(x.dtype)
