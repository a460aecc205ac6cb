"""Features that are more Gaussian, and labels by optimal transport."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_positive
from ._prototypes import class_means, unit
from ._transductive import AbstractTransductive, class_mix, squared_distances


class PTMAP(AbstractTransductive):
    """PT+MAP: a power makes the features more Gaussian, and optimal transport labels the queries.

    It alternates between labels of the queries, by optimal transport to the class centres, and
    centres, which move towards the means of the labelled points. It assumes that the classes are
    equally frequent among the queries.

    **Arguments:**

    - `power`: of the features. `sharpness`: of the transport, a factor of squared distances (λ).
    - `rate`: how far the centres move in each of `steps` (α). `sinkhorn_steps`: of each transport.

    Source: Hu, Gripon & Pateux 2021, *Leveraging the Feature Distribution in Transfer-based
    Few-Shot Learning*, §3, and its code for the settings. Different from there: features below zero
    keep their sign under the power; a fixed number of Sinkhorn steps.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.PTMAP().adapt(model, ls.Batch(jnp.eye(2), jnp.eye(2)))
    >>> ls.predict(predictor, jnp.array([[0.9, 0.2], [0.1, 0.7]])).argmax(axis=1).tolist()
    [0, 1]
    """

    power: float | Float[Array, "..."] = 0.5
    sharpness: float | Float[Array, "..."] = 10.0
    rate: float | Float[Array, "..."] = 0.2
    steps: int = 20
    sinkhorn_steps: int = 100

    def __check_init__(self):
        check_positive("PTMAP", power=self.power, sharpness=self.sharpness, rate=self.rate)

    def logits(
        self,
        support: Batch,
        queries: Float[Array, "queries features"],
        weight: Float[Array, "queries"],
    ) -> Float[Array, "queries classes"]:
        shots, present = len(support.x), class_means(support.x, support)[1]
        x = jnp.concatenate(
            [self._shaped(support.x, support.weight), self._shaped(queries, weight)]
        )
        gram = x @ x.T
        indicator = present.astype(x.dtype)
        share = indicator / jnp.maximum(indicator.sum(), 1) * weight.sum()

        def labels(mix: Float[Array, "classes points"]) -> Float[Array, "queries classes"]:
            cost = squared_distances(gram, mix)[shots:]
            return transport(self.sharpness * cost, weight, share, self.sinkhorn_steps)

        def step(
            mix: Float[Array, "classes points"], _: None
        ) -> tuple[Float[Array, "classes points"], None]:
            member = jnp.concatenate([support.y * support.weight[:, None], labels(mix)])
            means = (member / jnp.maximum(member.sum(axis=0), 1e-9)[None]).T
            return mix + self.rate * (means - mix), None

        mix = jax.lax.scan(step, class_mix(support, len(queries)), length=self.steps)[0]
        return jnp.log(jnp.maximum(labels(mix), 1e-30))

    def _shaped(
        self, x: Float[Array, "points features"], weight: Float[Array, "points"]
    ) -> Float[Array, "points features"]:
        """Features to a power, scaled to length one, centred, and scaled to length one again."""
        x = unit(jnp.sign(x) * (jnp.abs(x) + 1e-6) ** self.power)
        return unit(x - (weight @ x / jnp.maximum(weight.sum(), 1e-9))[None])


def transport(
    cost: Float[Array, "rows columns"],
    rows: Float[Array, "rows"],
    columns: Float[Array, "columns"],
    steps: int,
) -> Float[Array, "rows columns"]:
    """The plan of entropic optimal transport, by Sinkhorn's algorithm: the mass that moves from
    each row to each column, for a cost in units of the entropy.

    **Arguments:** `rows`, `columns`: the mass that leaves each row and enters each column; sums
    must agree, zeros are allowed.

    **Returns:** a matrix whose rows sum to `rows`, and whose columns sum to `columns` more nearly
    with more `steps`.

    Source: Cuturi 2013, *Sinkhorn Distances*, algorithm 1.

    >>> import jax.numpy as jnp
    >>> transport(jnp.zeros((2, 2)), jnp.ones(2), jnp.ones(2), 3).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    # Subtracting the smallest cost of a row changes no plan, and keeps rows of the kernel from
    # vanishing.
    cost = jnp.where(columns[None] > 0, cost, jnp.inf)
    kernel = jnp.exp(cost.min(axis=1, keepdims=True) - cost)

    def step(across: Float[Array, "columns"], _: None) -> tuple[Float[Array, "columns"], None]:
        down = rows / jnp.maximum(kernel @ across, 1e-30)
        return columns / jnp.maximum(down @ kernel, 1e-30), None

    across = jax.lax.scan(step, jnp.ones_like(columns), length=steps)[0]
    plan = kernel * across[None]
    return rows[:, None] * plan / jnp.maximum(plan.sum(axis=1, keepdims=True), 1e-30)
