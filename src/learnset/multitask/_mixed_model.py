"""A linear model with random effects of each task."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ..core import AbstractAdapter, Batch, check_positive, Predictor, present
from ._solver import AbstractSolution, AbstractSolver


class MixedModel(AbstractSolver):
    """The linear mixed model `y = b + W'x + u_t'z + noise`, in which the effects `u_t` of each task
    are normal with mean zero.

    With `slopes=False` a task has its own offset (`z = 1`); with `slopes=True` it also has its own
    slope for each input (`z = [1, x]`). Effects are independent, each with its own variance.

    Variances maximise the likelihood, and the effects of tasks are their expectations given the
    variances: tasks with few points are pulled towards the others. `b` and `W` are profiled out.
    Each of several outputs has a model of its own.

    Source: Laird & Ware 1982, *Random-effects models for longitudinal data*, §3; its steps are
    those of expectation maximisation, with fixed effects in closed form (Liu & Rubin 1994, *The
    ECME algorithm*, §4).

    **Arguments:**

    - `slopes`: whether inputs have effects that differ between tasks.
    - `l2`: a small penalty on `W`, in units of the variance of the noise, so that inputs may be
      linearly dependent.
    - `steps`: of expectation maximisation.

    >>> import jax.numpy as jnp, learnset as ls
    >>> y = jnp.array([[0.0, 1.1, 2.0], [10.0, 11.0, 12.1], [5.1, 6.0, 7.0]])[..., None]
    >>> points = ls.Batch(jnp.array([[0.0, 1.0, 2.0]] * 3)[..., None], y, jnp.ones((3, 3)))
    >>> model = ls.MixedModel().solve(points)
    >>> [round(float(model.for_task(jnp.asarray(i))(jnp.zeros(1))[0])) for i in (0, 1, 2, -1)]
    [0, 10, 5, 5]
    """

    slopes: bool = eqx.field(static=True, default=False)
    l2: float | Float[Array, "..."] = 1e-3
    steps: int = eqx.field(static=True, default=200)

    def __check_init__(self):
        check_positive("MixedModel", l2=self.l2, steps=self.steps)

    def solve(self, points: Batch) -> "MixedEffects":
        of_one = jax.vmap(lambda y: self._solve(points.x, y, points.weight), in_axes=2, out_axes=-1)
        with jax.default_matmul_precision("highest"):
            fixed, effects, noise, spread = of_one(present(points.y, points.weight[..., None]))
        return MixedEffects(fixed, effects, noise, spread)

    def _solve(
        self,
        x: Float[Array, "tasks points in"],
        y: Float[Array, "tasks points"],
        weight: Float[Array, "tasks points"],
    ) -> tuple[Array, Array, Array, Array]:
        """The fixed effects (offset first), the effects of tasks, the variance of the noise, and
        the variances of the effects."""
        root, ones = jnp.sqrt(weight), jnp.ones_like(y)[..., None]
        f = root[..., None] * jnp.concatenate([ones, x], axis=-1)
        z, y = f if self.slopes else f[..., :1], root * y
        zz, zf, zy = (jnp.einsum("tpi,tp...->ti...", z, other) for other in (z, f, y))
        ff, fy = jnp.einsum("tpi,tpj->ij", f, f), jnp.einsum("tpi,tp->i", f, y)
        # Linearly dependent inputs must not make the system singular in the given precision.
        least = 8 * jnp.finfo(y.dtype).eps * jnp.trace(ff)
        shrink = jnp.maximum(self.l2 * jnp.ones_like(fy).at[0].set(0), least)
        count, tasks, size = weight.sum(), len(y), z.shape[-1]

        def expected(noise: Array, spread: Array) -> tuple[Array, Array, Array]:
            """The fixed effects, the effects of tasks and their covariances, given the
            variances."""
            inverse = jnp.linalg.inv(zz / noise + jnp.diag(1 / spread)[None])
            left = jnp.einsum("tqi,tqr->tir", zf, inverse) / noise
            system = ff - jnp.einsum("tir,trj->ij", left, zf) + jnp.diag(shrink)
            fixed = jax.scipy.linalg.solve(
                system, fy - jnp.einsum("tir,tr->i", left, zy), assume_a="pos"
            )
            effects = jnp.einsum("tqr,tr->tq", inverse, zy - zf @ fixed) / noise
            return fixed, effects, inverse

        def improve(carry: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], None]:
            fixed, effects, covariance = expected(*carry)
            left = y - f @ fixed - jnp.einsum("tpq,tq->tp", z, effects)
            noise = ((left**2).sum() + jnp.einsum("tqr,trq->", zz, covariance)) / count
            spread = (effects**2 + jnp.diagonal(covariance, axis1=1, axis2=2)).sum(axis=0) / tasks
            floor = jnp.finfo(y.dtype).eps * (y**2).sum() / count
            return (jnp.maximum(noise, floor), jnp.maximum(spread, floor)), None

        variance = jnp.maximum((y**2).sum() / count, 1e-12)
        start = (variance / 2, jnp.full(size, variance / (2 * size), y.dtype))
        noise, spread = jax.lax.scan(improve, start, length=self.steps)[0]
        fixed, effects, _ = expected(noise, spread)
        return fixed, effects, noise, spread


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
