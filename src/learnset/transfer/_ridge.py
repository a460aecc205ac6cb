"""A linear head in closed form."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import (
    AbstractAdapter,
    Batch,
    check_positive,
    features,
    head,
    Model,
    point_weight,
    Predictor,
    present,
    settled,
)


class Ridge(AbstractAdapter):
    """Ridge regression as the head: the closed-form regression of the support targets on the
    model's features.

    Minimises `sum_i weight_i |y_i - W'f(x_i) - b|² + l2 |W|²`; the bias is not shrunk.

    **Arguments:**

    - `l2`: strength of the penalty, in squared units of a feature; may be an array.

    **Raises:** `InputError` for a model without `head` and `features`, and for a penalty that is
    not above zero.

    Source: Hoerl & Kennard 1970; as the head of a learner: Bertinetto et al. 2019, §3.2, whose
    Woodbury form is used here if shots are fewer than features.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids(shots=5).sample(ls.Split.TEST, key=jr.key(0))
    >>> predictor = ls.Ridge(l2=1e-3).adapt(ls.MLP(1, 1, key=jr.key(1)), task.support)
    >>> bool(ls.mse(predictor, task.support) < 0.1)
    True
    """

    l2: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        check_positive("Ridge", l2=self.l2)

    def adapt(self, model: Model, support: Batch) -> Predictor:
        last, model = head(model), settled(model, support)
        weight, bias = ridge(features(model, support.x, support.weight), support, self.l2)
        # Equinox's layer has a row for each output.
        weight = weight.T if isinstance(last, eqx.nn.Linear) else weight
        return eqx.tree_at(lambda m: (head(m).weight, head(m).bias), model, (weight, bias))


def ridge(
    features: Float[Array, "points features"], batch: Batch, l2: float | Float[Array, ""]
) -> tuple[Float[Array, "features out"], Float[Array, "out"]]:
    """Weight and bias of the ridge regression of `batch.y` on `features`.

    Points and labels of weight zero are left out.
    """
    weight = point_weight(batch)
    y = present(batch.y, weight)
    if weight.shape[1] == 1:
        return _of_points(features, y, weight[:, 0], l2)
    # Single labels may be absent: each output is a regression on its own points.
    of_one = jax.vmap(lambda y, weight: _of_points(features, y[:, None], weight, l2), in_axes=1)
    solution, bias = of_one(y, weight)
    return solution[:, :, 0].T, bias[:, 0]


def _of_points(
    features: Float[Array, "points features"],
    y: Float[Array, "points out"],
    weight: Float[Array, "points"],
    l2: float | Float[Array, ""],
) -> tuple[Float[Array, "features out"], Float[Array, "out"]]:
    total = jnp.maximum(weight.sum(), 1e-12)
    # A bias that is not shrunk is the same as centring by the weighted means.
    feature_mean, y_mean = weight @ features / total, weight @ y / total
    root = jnp.sqrt(weight)[:, None]
    f, t = root * (features - feature_mean[None]), root * (y - y_mean[None])
    shots, size = f.shape
    if shots < size:  # the dual form: shots are fewer than features
        solution = f.T @ _solve(f @ f.T, l2, t)
    else:
        solution = _solve(f.T @ f, l2, f.T @ t)
    return solution, y_mean - feature_mean @ solution


def _solve(
    gram: Float[Array, "n n"], l2: float | Float[Array, ""], right: Float[Array, "n out"]
) -> Array:
    return jax.scipy.linalg.solve(
        gram + l2 * jnp.eye(len(gram), dtype=gram.dtype), right, assume_a="pos"
    )
