"""Class means that the queries correct."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_positive
from ._prototypes import ABSENT, class_means, unit
from ._transductive import AbstractTransductive


class BDCSPN(AbstractTransductive):
    """Prototype rectification (BD-CSPN): the queries correct the class means.

    It shifts the queries to the mean of the support set, labels them by the nearest class mean, and
    takes the means again over support points and queries, weighted by their nearness.

    **Arguments:**

    - `scale`: the factor of the cosines, whose exponentials are the weights.

    Source: Liu, Song & Qin 2020, *Prototype Rectification for Few-Shot Learning* ("BD-CSPN"), §3.2.
    Different from there: all queries take part, not only the most certain of each class.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.BDCSPN().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))
    >>> ls.predict(predictor, jnp.array([[0.9, 0.2], [0.1, 0.7]])).argmax(axis=1).tolist()
    [0, 1]
    """

    scale: float | Float[Array, "..."] = 10.0

    def __check_init__(self):
        check_positive("BDCSPN", scale=self.scale)

    def logits(
        self,
        support: Batch,
        queries: Float[Array, "queries features"],
        weight: Float[Array, "queries"],
    ) -> Float[Array, "queries classes"]:
        points = Batch(unit(support.x), support.y, support.weight)
        queries = shifted(points, unit(queries), weight)
        return self.scale * unit(queries) @ unit(rectified(points, queries, weight, self.scale)).T


def shifted(
    support: Batch, queries: Float[Array, "queries features"], weight: Float[Array, "queries"]
) -> Float[Array, "queries features"]:
    """The queries, shifted so that their mean is that of the support set."""
    means = (
        w @ x / jnp.maximum(w.sum(), 1e-9)
        for w, x in ((support.weight, support.x), (weight, queries))
    )
    support_mean, query_mean = means
    return queries + (support_mean - query_mean)[None]


def rectified(
    support: Batch,
    queries: Float[Array, "queries features"],
    weight: Float[Array, "queries"],
    scale: float | Float[Array, ""],
) -> Float[Array, "classes features"]:
    """Class means over the support set and the queries nearest to each, weighted by nearness."""
    means, present = class_means(support.x, support)
    x = jnp.concatenate([support.x, queries])
    cosine = jnp.where(present[None], unit(x) @ unit(means).T, ABSENT)
    guess = jax.nn.one_hot(cosine[len(support.x) :].argmax(axis=1), len(means), dtype=x.dtype)
    member = jnp.concatenate([support.y * support.weight[:, None], guess * weight[:, None]])
    # At most one, so that nothing overflows.
    nearness = member * jnp.exp(scale * jnp.minimum(cosine - 1, 0))
    return (nearness / jnp.maximum(nearness.sum(axis=0), 1e-9)[None]).T @ x
