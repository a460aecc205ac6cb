"""Class centres that are most informative about the queries."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_positive
from ._prototypes import ABSENT, classes_there, unit
from ._transductive import AbstractTransductive, class_mix, squared_distances


class TIM(AbstractTransductive):
    """Transductive information maximisation (TIM): moves the class means until the queries tell the
    most about their labels.

    Each label becomes certain, and labels spread evenly over the classes (the mutual information of
    queries and labels), while the support points keep their labels. It assumes that the classes are
    about equally frequent among the queries.

    **Arguments:**

    - `scale`: the factor of half the squared distances between features of length one, which are
      minus the logits.
    - `support_weight`: of the cross-entropy of the support set (λ).
    - `certainty`: the weight of the entropy of each query's label (α).
    - `steps`: of alternating updates.

    Source: Boudiaf et al. 2020, *Transductive Information Maximization for Few-Shot Learning*,
    §2.3, proposition 1 ("TIM-ADM"), and §3 for the settings.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.TIM().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))
    >>> ls.predict(predictor, jnp.array([[0.9, 0.2], [0.1, 0.7]])).argmax(axis=1).tolist()
    [0, 1]
    """

    scale: float | Float[Array, "..."] = 15.0
    support_weight: float | Float[Array, "..."] = 0.1
    certainty: float | Float[Array, "..."] = 0.1
    steps: int = 150

    def __check_init__(self):
        check_positive(
            "TIM", scale=self.scale, support_weight=self.support_weight, certainty=self.certainty
        )

    def logits(
        self,
        support: Batch,
        queries: Float[Array, "queries features"],
        weight: Float[Array, "queries"],
    ) -> Float[Array, "queries classes"]:
        shots, present = len(support.x), classes_there(support)
        x = unit(jnp.concatenate([support.x, queries]))
        gram = x @ x.T
        # How much each point counts in the update of the centres.
        of_support = self.support_weight / (1 + self.certainty) * support.weight
        of_queries = support.weight.sum() / jnp.maximum(weight.sum(), 1e-9) * weight
        count = jnp.concatenate([of_support, of_queries])[:, None]

        def scores(mix: Float[Array, "classes points"]) -> Float[Array, "points classes"]:
            return jnp.where(
                present[None], -0.5 * self.scale * squared_distances(gram, mix), ABSENT
            )

        def step(
            mix: Float[Array, "classes points"], _: None
        ) -> tuple[Float[Array, "classes points"], None]:
            log_p = jax.nn.log_softmax(scores(mix))
            q = self._labels(log_p[shots:], weight)
            towards = count * jnp.concatenate([support.y, q])
            p = count * jnp.exp(log_p)
            new = (towards - p).T + p.sum(axis=0)[:, None] * mix
            return new / jnp.maximum(towards.sum(axis=0), 1e-9)[:, None], None

        mix = jax.lax.scan(step, class_mix(support, len(queries)), length=self.steps)[0]
        return scores(mix)[shots:]

    def _labels(
        self, log_p: Float[Array, "queries classes"], weight: Float[Array, "queries"]
    ) -> Float[Array, "queries classes"]:
        """The best labels of the queries for the current centres: equation 7."""
        sharper = (1 + self.certainty) * log_p
        frequency = jax.nn.logsumexp(sharper, axis=0, b=weight[:, None])
        return jax.nn.softmax(sharper - 0.5 * jnp.maximum(frequency, ABSENT)[None])
