"""A linear model with random effects of each task."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from ..core import AbstractAdapter, Batch, check_positive, Predictor, present
from ..tasks import TaskRows
from ._effects import Normal, Solved, with_offsets, with_slopes
from ._moments import moments
from ._solver import AbstractSolution, AbstractSolver

LEAST, MOST = -16.0, 16.0  # logarithms of the variance of an effect over that of the noise
STARTS = (-1.0, -5.0)


class MixedModel(AbstractSolver):
    """The linear mixed model `y = b + W'x + u_t'z + noise`, in which the effects `u_t` of each task
    are normal with mean zero.

    With `slopes=False` a task has its own offset (`z = 1`); with `slopes=True` it also has its own
    slope for each input (`z = [1, x]`). Effects are independent, each with its own variance.

    Variances maximise the likelihood, and the effects of tasks are their expectations given the
    variances: tasks with few points are pulled towards the others. `b`, `W` and the variance of the
    noise are profiled out. Each of several outputs has a model of its own.

    Source: Laird & Ware 1982, *Random-effects models for longitudinal data*, §3; the profiled
    likelihood is that of Bates et al. 2015, *Fitting linear mixed-effects models using lme4*, §3.4,
    maximised by Fisher scoring on sums over the points of each task, so that its time does not
    depend on the number of points.

    **Arguments:**

    - `slopes`: whether inputs have effects that differ between tasks.
    - `l2`: a small penalty on `W`, in units of the variance of the noise, so that inputs may be
      linearly dependent.
    - `steps`: of the maximisation, at most.

    >>> import jax.numpy as jnp, learnset as ls
    >>> y = jnp.array([[0.0, 1.1, 2.0], [10.0, 11.0, 12.1], [5.1, 6.0, 7.0]])[..., None]
    >>> points = ls.Batch(jnp.array([[0.0, 1.0, 2.0]] * 3)[..., None], y, jnp.ones((3, 3)))
    >>> model = ls.MixedModel().solve(points)
    >>> [round(float(model.for_task(jnp.asarray(i))(jnp.zeros(1))[0])) for i in (0, 1, 2, -1)]
    [0, 10, 5, 5]
    """

    slopes: bool = eqx.field(static=True, default=False)
    l2: float | Float[Array, "..."] = 1e-3
    steps: int = eqx.field(static=True, default=100)

    def __check_init__(self):
        check_positive("MixedModel", l2=self.l2, steps=self.steps)

    def solve_rows(self, rows: TaskRows) -> "MixedEffects":
        sums = moments(rows)
        # Slopes are effects on the inputs as they are: turned about zero, and not about the means.
        zero = np.zeros(rows.sizes[0])
        equations = with_slopes(sums, zero) if self.slopes else with_offsets(sums)
        parts = [
            self._one(equations._replace(fy=fy, zy=zy), float(square), float(sums.weight.sum()))
            for fy, zy, square in zip(
                np.split(equations.fy, rows.sizes[1], axis=1),
                np.split(equations.zy, rows.sizes[1], axis=2),
                sums.squares,
                strict=True,
            )
        ]
        fixed, effects, noise, spread = (
            np.stack(leaf, axis=-1) for leaf in zip(*parts, strict=True)
        )
        fixed[0] += sums.y_centre - sums.x_centre @ fixed[1:]
        dtype = jnp.result_type(float)
        return MixedEffects(*(jnp.asarray(leaf, dtype) for leaf in (fixed, effects, noise, spread)))

    def _one(
        self, equations: Normal, square: float, count: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The fixed effects (offset first), the effects of tasks, the variance of the noise, and
        the variances of the effects, of one output."""
        size = np.maximum(np.einsum("tqq->q", equations.zz) / count, 1e-12)
        shared = np.full(len(equations.ff), float(self.l2))
        shared[0] = 0
        likelihood = _Likelihood(equations, shared, size, square, count)
        found = [likelihood.best(np.full(len(size), start), self.steps) for start in STARTS]
        best = min(found, key=lambda point: point.value)
        noise = np.asarray(best.left / count)
        own = best.solved.own[:, :, 0]
        return best.solved.shared[:, 0], own, noise, noise * np.exp(best.logs) / size


class _Point(NamedTuple):
    """The likelihood at given variances."""

    logs: Float[np.ndarray, "effects"]
    solved: Solved
    left: float  # squares of the noise
    value: float  # minus twice the logarithm
    slope: Float[np.ndarray, "effects"]
    curvature: Float[np.ndarray, "effects effects"]


class _Likelihood(NamedTuple):
    """The likelihood of one output, as a function of the logarithms of `size` times the variances
    of effects over that of the noise, which is at its best."""

    equations: Normal
    shared: Float[np.ndarray, "fixed"]
    size: Float[np.ndarray, "effects"]
    square: float
    num_points: float

    def at(self, logs: Float[np.ndarray, "effects"]) -> _Point:
        own = self.size * np.exp(-logs)
        solved = self.equations.solved(self.shared, own)
        fit = (self.equations.fy * solved.shared).sum() + (self.equations.zy * solved.own).sum()
        left = max(self.square - fit, np.finfo(np.float64).eps * self.square, 1e-300)
        tasks = len(solved.own)
        value = self.num_points * np.log(left) + solved.logdet.sum() - tasks * np.log(own).sum()
        # The part of each effect that points determine, and what two effects have in common.
        known = (
            np.eye(len(own)) - own * solved.inverse if len(own) > 1 else 1 - own * solved.inverse
        )
        parts = np.einsum("tqq->q", known)
        common = np.einsum("tqr,trq->qr", known, known)
        slope = parts - own * (solved.own[:, :, 0] ** 2).sum(axis=0) * self.num_points / left
        return _Point(
            logs, solved, left, value, slope, common - np.outer(parts, parts) / self.num_points
        )

    def best(self, logs: Float[np.ndarray, "effects"], steps: int) -> _Point:
        """The maximum, by steps of Fisher scoring that are halved until they go up."""
        point = self.at(logs)
        for _ in range(steps):
            # Effects that are gone stay so, and the others step as if these were not there.
            free = (point.logs > LEAST) | (point.slope < 0)
            curvature = point.curvature[np.ix_(free, free)]
            damping = 1e-4 * np.diag(curvature) + 1e-12 * len(point.solved.own)
            step = np.zeros(len(logs))
            step[free] = np.linalg.solve(curvature + np.diag(damping), point.slope[free])
            step = np.clip(step, -3, 3)
            for part in (1.0, 0.5, 0.25, 0.1, 0.01):
                new = self.at(np.clip(point.logs - part * step, LEAST, MOST))
                if new.value < point.value:
                    break
            else:
                return point
            gain, point = point.value - new.value, new
            if gain < 1e-7 * max(1.0, self.num_points**0.5):
                return point
        return point


class MixedPredictor(eqx.Module):
    """The predictor of a mixed model for one task, with the variances by which a new task is
    learnt."""

    fixed: Float[Array, "in+1 out"]  # the offset first
    noise: Float[Array, "out"]
    spread: Float[Array, "effects out"]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.fixed[0] + x @ self.fixed[1:]


class MixedEffects(AbstractSolution):
    """The solution of `MixedModel`. A new task is predicted by the fixed effects; `BLUP` adds
    effects from its points.

    - `fixed`: the offset and the weights that all tasks share. `effects`: what each task adds to
      the first of them.
    - `noise`, `spread`: the variances of the noise and of the effects.
    """

    fixed: Float[Array, "in+1 out"]
    effects: Float[Array, "tasks effects out"]
    noise: Float[Array, "out"]
    spread: Float[Array, "effects out"]

    def for_task(self, index: Int[Array, ""]) -> MixedPredictor:
        own = jnp.where(index < 0, 0, self.effects[index])
        return MixedPredictor(_added(self.fixed, own), self.noise, self.spread)


class BLUP(AbstractAdapter):
    """BLUP, the best linear unbiased prediction of a new task's effects, from its support set and
    the variances of a mixed model. Without points it gives the fixed effects; with many, the task's
    own regression.

    Source: Robinson 1991, *That BLUP is a good thing*, §2.

    >>> import jax.numpy as jnp, learnset as ls
    >>> y = jnp.array([[0.0, 1.1, 2.0], [10.0, 11.0, 12.1], [5.1, 6.0, 7.0]])[..., None]
    >>> points = ls.Batch(jnp.array([[0.0, 1.0, 2.0]] * 3)[..., None], y, jnp.ones((3, 3)))
    >>> new = ls.MixedModel().solve(points).for_task(jnp.asarray(-1))
    >>> support = ls.Batch(jnp.zeros((1, 1)), jnp.full((1, 1), 20.0))
    >>> round(float(ls.multitask.BLUP().adapt(new, support)(jnp.ones(1))[0]))
    21
    """

    def adapt(self, model: MixedPredictor, support: Batch) -> Predictor:
        def effects(fixed: Array, y: Array, noise: Array, spread: Array) -> Array:
            root = jnp.sqrt(support.weight)[:, None]
            f = root * jnp.concatenate([jnp.ones_like(support.x[:, :1]), support.x], axis=1)
            z = f[:, : len(spread)]
            left = root[:, 0] * present(y, support.weight) - f @ fixed
            return jnp.linalg.solve(z.T @ z + jnp.diag(noise / spread), z.T @ left)

        of_all = jax.vmap(effects, in_axes=-1, out_axes=-1)
        own = of_all(model.fixed, support.y, model.noise, model.spread)
        return MixedPredictor(_added(model.fixed, own), model.noise, model.spread)


def _added(
    fixed: Float[Array, "in+1 out"], own: Float[Array, "effects out"]
) -> Float[Array, "in+1 out"]:
    return fixed.at[: len(own)].add(own)
