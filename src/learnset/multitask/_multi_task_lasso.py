"""Linear models of many tasks that use the same few inputs."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core import check_positive
from ..tasks import TaskRows
from ._moments import moments
from ._solver import AbstractSolver, linear_tasks, LinearTasks


class MultiTaskLasso(AbstractSolver):
    """The multi-task lasso: linear regressions of all tasks whose weights are zero for the same
    inputs.

    Minimises `1/(2n) sum_ti weight_ti |y_ti - W_t'x_ti - b_t|² + alpha sum_j |W_.j|`, where `W_.j`
    are the weights of input `j` in all tasks, and `n` is the mean number of points of a task. If
    all tasks have the same points, this is the objective of scikit-learn's `MultiTaskLasso`; tasks
    may also have different points and missing labels.

    Source: Obozinski, Taskar & Jordan 2010, *Joint covariate selection and joint subspace selection
    for multiple classification problems*, eq. 3. Solved by accelerated proximal gradient descent
    (Beck & Teboulle 2009, FISTA, §4) with the restarts of O'Donoghue & Candès 2015, §3.2.

    **Arguments:**

    - `alpha`: the strength of the penalty, in units of inputs times targets.
    - `steps`: of the descent, a fixed number, so that many problems are solved in one program.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> x = jr.normal(jr.key(0), (50, 5))
    >>> y = jnp.stack([x[:, 0], 2 * x[:, 0]])[..., None]
    >>> points = ls.Batch(jnp.stack([x, x]), y, jnp.ones((2, 50)))
    >>> (jnp.abs(ls.multitask.MultiTaskLasso(0.5).solve(points).weight[..., 0]) > 0).tolist()
    [[True, False, False, False, False], [True, False, False, False, False]]
    """

    alpha: float | Float[Array, "..."] = 0.01
    steps: int = 1000

    def __check_init__(self):
        check_positive("MultiTaskLasso", alpha=self.alpha, steps=self.steps)

    def solve_rows(self, rows: TaskRows) -> LinearTasks:
        sums = moments(rows)
        count, dtype = sums.weight.mean(), jnp.result_type(float)
        grams, crosses = zip(*(one.primal for one in sums.within), strict=True)
        gram, cross = (jnp.asarray(np.stack(many) / count, dtype) for many in (grams, crosses))
        weight = np.asarray(_descended(gram, cross, self.alpha, self.steps), np.float64)
        return linear_tasks(weight, sums.y_mean - np.einsum("ti,tio->to", sums.x_mean, weight))


@eqx.filter_jit
def _descended(
    gram: Float[Array, "tasks in in"],
    cross: Float[Array, "tasks in out"],
    alpha: float | Float[Array, ""],
    steps: int,
) -> Float[Array, "tasks in out"]:
    step = 1 / jnp.maximum(jnp.linalg.eigvalsh(gram).max(), 1e-12)

    def descend(
        carry: tuple[Array, Array, Array], _: None
    ) -> tuple[tuple[Array, Array, Array], None]:
        weight, ahead, pace = carry
        slope = jnp.matmul(gram, ahead, precision=jax.lax.Precision.HIGHEST) - cross
        new = _shrunk(ahead - step * slope, step * alpha)
        uphill = ((ahead - new) * (new - weight)).sum() > 0  # then momentum starts again
        pace = jnp.where(uphill, 1.0, pace)
        faster = (1 + jnp.sqrt(1 + 4 * pace**2)) / 2
        momentum = jnp.where(uphill, 0.0, (pace - 1) / faster)
        return (new, new + momentum * (new - weight), faster), None

    start = (jnp.zeros_like(cross), jnp.zeros_like(cross), jnp.ones((), cross.dtype))
    return jax.lax.scan(descend, start, length=steps)[0][0]


def _shrunk(
    weight: Float[Array, "tasks in out"], by: Float[Array, ""]
) -> Float[Array, "tasks in out"]:
    """The weights of each input in all tasks, shortened by `by`, or zero."""
    length = jnp.sqrt((weight**2).sum(axis=(0, 2), keepdims=True))
    return weight * jnp.maximum(1 - by / jnp.maximum(length, 1e-30), 0)
