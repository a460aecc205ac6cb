"""Linear models of many tasks that use the same few inputs."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core import Batch, check_positive
from ._solver import AbstractSolver, centred, LinearTasks, products


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

    def solve(self, points: Batch) -> LinearTasks:
        x, y, x_mean, y_mean = centred(points)
        count = points.weight.sum() / len(points.weight)
        gram, cross = (leaf / count for leaf in products(x, y))
        step = 1 / jnp.maximum(jnp.linalg.eigvalsh(gram).max(), 1e-12)

        def descend(
            carry: tuple[Array, Array, Array], _: None
        ) -> tuple[tuple[Array, Array, Array], None]:
            weight, ahead, pace = carry
            slope = jnp.matmul(gram, ahead, precision=jax.lax.Precision.HIGHEST) - cross
            new = self._shrunk(ahead - step * slope, step)
            uphill = ((ahead - new) * (new - weight)).sum() > 0  # then momentum starts again
            pace = jnp.where(uphill, 1.0, pace)
            faster = (1 + jnp.sqrt(1 + 4 * pace**2)) / 2
            momentum = jnp.where(uphill, 0.0, (pace - 1) / faster)
            return (new, new + momentum * (new - weight), faster), None

        start = (jnp.zeros_like(cross), jnp.zeros_like(cross), jnp.ones((), cross.dtype))
        weight = jax.lax.scan(descend, start, length=self.steps)[0][0]
        return LinearTasks(weight, y_mean - jnp.einsum("ti,tio->to", x_mean, weight))

    def _shrunk(
        self, weight: Float[Array, "tasks in out"], step: Float[Array, ""]
    ) -> Float[Array, "tasks in out"]:
        """The weights of each input in all tasks, shortened by `step * alpha`, or zero."""
        length = jnp.sqrt((weight**2).sum(axis=(0, 2), keepdims=True))
        return weight * jnp.maximum(1 - step * self.alpha / jnp.maximum(length, 1e-30), 0)
