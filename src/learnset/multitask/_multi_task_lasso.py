"""Linear models of many tasks that use the same few inputs."""

import functools
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core import check_positive
from ..tasks import TaskRows
from ._moments import Moments, moments
from ._solver import AbstractSolver, linear_tasks, LinearTasks

STILL = 1e-7  # a step of the weights, relative to them, after which the descent ends


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
    - `steps`: of the descent, at most; it ends when weights hardly change any more.

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
        squares = rows.kept.get(_Squares) or _Squares.of(sums)
        rows.kept[_Squares] = squares
        weight = np.asarray(_descended(squares, self.alpha, self.steps), np.float64)
        return linear_tasks(weight, sums.y_mean - np.einsum("ti,tio->to", sums.x_mean, weight))


class _Squares(eqx.Module):
    """The quadratic part of the objective, computed once for all penalties: the normal equations
    of each task, or its points, where these are fewer than half of the inputs."""

    gram: Float[Array, "tasks in in"] | None
    x: Float[Array, "tasks points in"] | None
    cross: Float[Array, "tasks in out"]
    step: Float[Array, ""]  # one over the largest curvature

    @classmethod
    def of(cls, sums: Moments) -> "_Squares":
        count, dtype = sums.weight.mean(), jnp.result_type(float)
        steepest = max(_steepest(one.gram) for one in sums.within) / count
        step = jnp.asarray(1 / max(steepest, 1e-12), dtype)
        points, root = [one.x for one in sums.within], np.sqrt(count)
        x = [of_task for of_task in points if of_task is not None]
        if len(x) < len(points) or 2 * max(map(len, x)) > x[0].shape[1]:
            grams, crosses = zip(*(one.primal for one in sums.within), strict=True)
            gram, cross = (jnp.asarray(np.stack(m) / count, dtype) for m in (grams, crosses))
            return cls(gram, None, cross, step)
        most = max(map(len, x))
        padded = np.stack([np.pad(one / root, ((0, most - len(one)), (0, 0))) for one in x])
        cross = np.stack([one.x.T @ one.cross / count for one in sums.within if one.x is not None])
        return cls(None, jnp.asarray(padded, dtype), jnp.asarray(cross, dtype), step)

    def slope(self, weight: Float[Array, "tasks in out"]) -> Float[Array, "tasks in out"]:
        product = functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
        if self.gram is not None:
            return product(self.gram, weight) - self.cross
        assert self.x is not None
        return product(self.x.mT, product(self.x, weight)) - self.cross


@eqx.filter_jit
def _descended(
    squares: _Squares, alpha: float | Float[Array, ""], steps: int
) -> Float[Array, "tasks in out"]:
    step = squares.step

    def descend(carry: tuple[Array, ...]) -> tuple[Array, ...]:
        weight, ahead, pace, count, _ = carry
        new = _shrunk(ahead - step * squares.slope(ahead), step * alpha)
        change = new - weight
        uphill = ((ahead - new) * change).sum() > 0  # then momentum starts again
        pace = jnp.where(uphill, 1.0, pace)
        faster = (1 + jnp.sqrt(1 + 4 * pace**2)) / 2
        momentum = jnp.where(uphill, 0.0, (pace - 1) / faster)
        # A turn of the momentum may leave weights where they were; a minimum leaves both.
        moves = ((change**2).sum() + ((ahead - new) ** 2).sum()) > STILL**2 * (new**2).sum()
        return new, new + momentum * change, faster, count + 1, moves

    zero = jnp.zeros_like(squares.cross)
    pace, count, moves = jnp.ones((), zero.dtype), jnp.asarray(0), jnp.asarray(True)
    start: tuple[Array, ...] = (zero, zero, pace, count, moves)
    return jax.lax.while_loop(lambda c: c[4] & (c[3] < steps), descend, start)[0]


def _steepest(gram: np.ndarray) -> float:
    """The largest eigenvalue."""
    if len(gram) < 64:
        return float(np.linalg.eigvalsh(gram).max())
    from scipy.sparse.linalg import eigsh

    options: dict[str, Any] = {"which": "LA", "tol": 1e-4, "return_eigenvectors": False}
    start = np.random.default_rng(0).normal(size=len(gram))
    return float(eigsh(gram, k=1, v0=start, **options)[0])


def _shrunk(
    weight: Float[Array, "tasks in out"], by: Float[Array, ""]
) -> Float[Array, "tasks in out"]:
    """The weights of each input in all tasks, shortened by `by`, or zero."""
    length = jnp.sqrt((weight**2).sum(axis=(0, 2), keepdims=True))
    return weight * jnp.maximum(1 - by / jnp.maximum(length, 1e-30), 0)
