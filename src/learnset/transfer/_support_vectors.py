"""A linear head by a multi-class support vector machine."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from ..core import AbstractAdapter, Batch, check_positive, features, Model, settled
from ..models import Headed
from ._heads import LinearHead
from ._prototypes import ABSENT, class_means, encoder


class SupportVectors(AbstractAdapter):
    """A support vector machine as the head: the multi-class one of Crammer and Singer, which has no
    bias.

    Minimises `½ |W|² + cost sum_i weight_i max_k (margin_ik + w_k·f_i - w_y·f_i)`, where the margin
    is one for wrong classes, through its dual.

    **Arguments:**

    - `cost`: of a unit of hinge loss (C).
    - `steps`: of accelerated projected gradient descent on the dual; the gradient through the
      machine goes through all of them.

    **Raises:** `InputError` for a cost that is not above zero.

    Source: Crammer & Singer 2001, *On the Algorithmic Implementation of Multiclass Kernel-based
    Vector Machines*, §3.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.SupportVectors().adapt(model, ls.Batch(jnp.eye(3), jnp.eye(3)))
    >>> predictor(jnp.array([0.0, 1.0, 0.0])).argmax().item()
    1
    """

    cost: float | Float[Array, "..."] = 0.1
    steps: int = 100

    def __check_init__(self):
        check_positive("SupportVectors", cost=self.cost)

    def adapt(self, model: Model, support: Batch) -> Headed:
        model = settled(model, support)
        values = jnp.where(
            support.weight[:, None] > 0, features(model, support.x, support.weight), 0
        )
        points = Batch(values, support.y, support.weight)
        weight = values.T @ svm_dual(values @ values.T, points, self.cost, self.steps)
        present = class_means(values, points)[1]
        return Headed(encoder(model), LinearHead(weight, jnp.zeros_like(weight[0]), present))


def svm_dual(
    gram: Float[Array, "points points"], points: Batch, cost: float | Float[Array, ""], steps: int
) -> Float[Array, "points classes"]:
    """The dual solution: how much each support point adds to the weights of each class.

    Minimises `½ tr(A'KA) - tr(A'Y)` where each row of A sums to zero and lies below `cost Y`; rows
    of points without weight, and columns of classes without points, are zero.

    **Arguments:** `gram`: inner products K of the support points. `points`: their targets Y and
    weights.
    """
    present = class_means(points.x, points)[1]
    most = cost * points.y * points.weight[:, None]
    target = jnp.where(points.weight[:, None] > 0, points.y, 0)
    # At most one over the largest curvature.
    rate = 1 / lax.stop_gradient(jnp.maximum(jnp.abs(gram).sum(axis=1).max(), 1e-9))

    def step(carry: tuple[Array, Array, Array], _: None) -> tuple[tuple[Array, Array, Array], None]:
        solution, ahead, momentum = carry
        new = project(ahead - rate * (gram @ ahead - target), most, present)
        # Momentum restarts whenever it points uphill (O'Donoghue & Candès 2015, §3.2, gradient
        # scheme).
        uphill = ((ahead - new) * (new - solution)).sum() > 0
        momentum = jnp.where(uphill, 1, momentum)
        after = (1 + jnp.sqrt(1 + 4 * momentum**2)) / 2
        return (new, new + (momentum - 1) / after * (new - solution), after), None

    start = jnp.zeros_like(most)
    return lax.scan(step, (start, start, jnp.ones_like(rate)), length=steps)[0][0]


def project(
    x: Float[Array, "points classes"],
    most: Float[Array, "points classes"],
    present: Bool[Array, "classes"],
) -> Float[Array, "points classes"]:
    """The nearest matrix whose rows sum to zero and lie below `most`, with zeros for absent
    classes.

    The difference of `most` and a row is a point of a simplex; the threshold of its projection is
    the largest of those that its first, its first two, ... largest entries alone would have.

    Source: Duchi et al. 2008, *Efficient Projections onto the l1-Ball*, figure 1.

    >>> import jax.numpy as jnp
    >>> project(jnp.array([[5.0, 0.0]]), jnp.array([[1.0, 0.0]]), jnp.array([True, True])).tolist()
    [[1.0, -1.0]]
    """
    left = jnp.where(present[None], most - x, ABSENT)
    # Sorted, not compared pairwise, and taken at a place: a compiler that computes a number twice
    # may round it differently, and the gradient of `max` is 0 / 0 where nothing equals the largest.
    total = jnp.cumsum(-jnp.sort(-left, axis=1), axis=1)
    count = jnp.arange(1, left.shape[1] + 1, dtype=x.dtype)
    thresholds = (total - most.sum(axis=1, keepdims=True)) / count[None]
    place = thresholds.argmax(axis=1, keepdims=True)
    threshold = jnp.take_along_axis(thresholds, place, axis=1)
    return jnp.where(present[None], most - jnp.maximum(left - threshold, 0), 0)
