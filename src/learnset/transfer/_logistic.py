"""A linear head by logistic regression."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from ..core import AbstractAdapter, Batch, check_positive, features, Model, settled
from ..models import Headed
from ._heads import LinearHead
from ._prototypes import ABSENT, class_means, encoder

Parameters = tuple[Float[Array, "features classes"], Float[Array, "classes"]]
SHRINKING = (1.0, 0.5, 0.25, 0.0625)  # fractions of a Newton step that are tried


class Logistic(AbstractAdapter):
    """Logistic regression as the head: the multinomial regression of the support targets on the
    model's features.

    Minimises `sum_i weight_i cross_entropy_i + l2/2 |W|²`; the bias is not shrunk, as in
    scikit-learn, whose `C` is `1 / l2`.

    **Arguments:**

    - `l2`: strength of the penalty, in squared units of a feature; may be an array.
    - `steps`: of Newton's method, each solved by conjugate gradients; on few shots, ten converge.

    The gradient through it is that of the exact solution (the implicit function theorem), whatever
    `steps` is: no intermediate step is kept.

    **Raises:** `InputError` for a penalty that is not above zero.

    Source: Böhning 1992, *Multinomial logistic regression algorithm*; as a head on frozen features:
    Tian et al. 2020, *Rethinking Few-Shot Image Classification*, §3.1.

    >>> import jax.numpy as jnp, learnset as ls
    >>> model = ls.models.Headed(ls.models.Raw(), None)
    >>> predictor = ls.transfer.Logistic().adapt(model, ls.Batch(jnp.eye(3), jnp.eye(3)))
    >>> predictor(jnp.array([0.0, 1.0, 0.0])).argmax().item()
    1
    """

    l2: float | Float[Array, "..."] = 1.0
    steps: int = 10

    def __check_init__(self):
        check_positive("Logistic", l2=self.l2)

    def adapt(self, model: Model, support: Batch) -> Headed:
        model = settled(model, support)
        points = Batch(features(model, support.x, support.weight), support.y, support.weight)
        weight, bias = logistic(points, self.l2, self.steps)
        return Headed(encoder(model), LinearHead(weight, bias, class_means(points.x, points)[1]))


def logistic(points: Batch, l2: float | Float[Array, ""], steps: int = 10) -> Parameters:
    """Weight and bias of the logistic regression of one-hot `points.y` on features `points.x`."""

    def cost(parameters: Parameters, points: Batch, l2: Any) -> Float[Array, ""]:
        weight, bias = parameters
        present = class_means(points.x, points)[1]
        log_p = jax.nn.log_softmax(jnp.where(present[None], points.x @ weight + bias[None], ABSENT))
        member = points.y * points.weight[:, None]
        # Biases are determined up to a constant, and those of absent classes not at all: the mean
        # of the former and the latter are set to zero.
        indicator = present.astype(bias.dtype)
        idle = jnp.where(present, indicator @ bias / jnp.maximum(indicator.sum(), 1), bias)
        return -(member * log_p).sum() + 0.5 * l2 * (weight**2).sum() + 0.5 * (idle**2).sum()

    fixed = lax.stop_gradient((points, l2))
    turned, back = _turned(fixed[0])
    start = (
        jnp.zeros((turned.x.shape[1], points.y.shape[1]), points.x.dtype),
        jnp.zeros_like(points.y[0]),
    )

    def step(at: Parameters, _: None) -> tuple[Parameters, None]:
        return _downhill(lambda parameters: cost(parameters, turned, fixed[1]), at), None

    weight, bias = lax.scan(step, start, length=steps)[0]
    solution = lax.stop_gradient((weight if back is None else back @ weight, bias))
    # One more step changes only the derivative, which becomes the exact one.
    last = newton_step(
        jax.grad(lambda parameters: cost(parameters, *fixed)),
        solution,
        jax.grad(cost)(solution, points, l2),
    )
    return jax.tree.map(jnp.subtract, solution, last)


def _turned(points: Batch) -> tuple[Batch, Array | None]:
    """Points of many features in the few directions that they span, where the penalty is the same,
    and the way back; points of few features as they are."""
    if points.x.shape[1] < 2 * points.x.shape[0]:
        return points, None
    back, right = jnp.linalg.qr(points.x.T)
    return Batch(right.T, points.y, points.weight), back


def newton_step(gradient: Callable[[Any], Any], at: Any, value: Any) -> Any:
    """The inverse of the derivative of `gradient` at a point, times `value`, by conjugate
    gradients."""
    curvature = jax.linearize(gradient, at)[1]
    return jax.scipy.sparse.linalg.cg(curvature, value, tol=1e-6, maxiter=100)[0]


def _downhill(cost: Callable[[Parameters], Array], at: Parameters) -> Parameters:
    """The best of a few fractions of a Newton step, so that no step leads uphill far from the
    minimum."""
    direction = newton_step(jax.grad(cost), at, jax.grad(cost)(at))
    moved = jax.vmap(lambda share: jax.tree.map(lambda p, d: p - share * d, at, direction))(
        jnp.asarray(SHRINKING, at[1].dtype)
    )
    best = jax.vmap(cost)(moved).argmin()
    return jax.tree.map(lambda leaf: leaf[best], moved)
