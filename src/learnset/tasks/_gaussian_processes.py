"""Curves drawn from Gaussian processes: a family whose optimal prediction is known."""

import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import Batch, check_positive, InputError, point_weight, present, Split, Task
from ._base import AbstractTasks, check_points, halves

Latents = Float[Array, "3"]  # length, scale, period


def _rbf(distance: Array, length: Array, period: Array) -> Array:
    del period
    return jnp.exp(-0.5 * (distance / length) ** 2)


def _matern(distance: Array, length: Array, period: Array) -> Array:
    del period
    far = jnp.sqrt(5.0) * jnp.abs(distance) / length
    return (1 + far + far**2 / 3) * jnp.exp(-far)


def _periodic(distance: Array, length: Array, period: Array) -> Array:
    return jnp.exp(-2 * (jnp.sin(jnp.pi * distance / period) / length) ** 2)


KERNELS = {"rbf": _rbf, "matern": _matern, "periodic": _periodic}


class GaussianProcesses(AbstractTasks):
    """Regression of curves that are drawn from a Gaussian process with one input, a process for
    each task: the test bed of neural processes.

    Each task draws the length, the scale and the period of its kernel evenly from a range; inputs
    are even from -2 to 2. `latents` are these three numbers. For a learner that knows them the
    optimal prediction is exact (`gaussian`), and no learner has a higher expected log-likelihood.

    Source: Nguyen & Grover 2022, *Transformer Neural Processes*, §4.1, and its code; Rasmussen &
    Williams 2006, *Gaussian Processes for Machine Learning*, §2.2 and §4.2.

    **Arguments:** `kernel`: "rbf" (squared exponential), "matern" (of order 5/2) or "periodic".

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.tasks.GaussianProcesses(shots=30, queries=5)
    >>> task = tasks.sample(ls.Split.TEST, key=jr.key(0))
    >>> mean, std = tasks.gaussian(task.support, task.latents, task.query.x)
    >>> mean.shape, bool((std < 1).all())
    ((5, 1), True)
    """

    shots: int = 10  # points of a task to learn from
    queries: int = 10  # points of a task to be scored on
    kernel: str = "rbf"
    lengths: tuple[float, float] = (0.1, 0.6)
    scales: tuple[float, float] = (0.1, 1.0)  # standard deviations of the curve
    periods: tuple[float, float] = (0.1, 0.5)  # of a periodic kernel
    noise: float = 0.02  # standard deviation of the noise on y

    def __check_init__(self):
        check_points("GaussianProcesses", self.shots, self.queries)
        check_positive("GaussianProcesses", noise=self.noise)
        if self.kernel not in KERNELS:
            raise InputError(
                f"GaussianProcesses: `kernel={self.kernel!r}`, but it must be one of"
                f" {', '.join(map(repr, KERNELS))}."
            )
        for name in ("lengths", "scales", "periods"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise InputError(
                    f"GaussianProcesses: `{name}={(low, high)}`, but it must be two numbers above"
                    " 0, the smaller one first."
                )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        latent_key, x_key, y_key = jr.split(split.fold(key), 3)
        low, high = jnp.array([self.lengths, self.scales, self.periods]).T
        latents = jr.uniform(latent_key, (3,), minval=low, maxval=high)
        x = jr.uniform(x_key, (self.shots + self.queries, 1), minval=-2.0, maxval=2.0)
        root = jnp.linalg.cholesky(self._noisy(x, latents))
        y = root @ jr.normal(y_key, x.shape)
        return Task(*halves(x, y, self.shots), latents=latents)

    def covariance(
        self, x: Float[Array, "left 1"], other: Float[Array, "right 1"], latents: Latents
    ) -> Float[Array, "left right"]:
        """The covariance of the curve at two sets of inputs, without noise."""
        length, scale, period = latents
        return scale**2 * KERNELS[self.kernel](x - other.T, length, period)

    def gaussian(
        self, support: Batch, latents: Latents, x: Float[Array, "queries 1"]
    ) -> tuple[Float[Array, "queries 1"], Float[Array, "queries 1"]]:
        """Mean and standard deviation of each new target, given those of the support set and the
        numbers of the process. Points of weight zero are ignored."""
        weight = point_weight(support)
        there = weight[:, 0] > 0
        pair = there[:, None] & there[None]
        y = jnp.where(there[:, None], present(support.y, weight), 0)
        # Where the same program draws the curve, its factor is computed before this one: of two at
        # a time, on two cores, each may wait for the other for ever (jax 0.10.2).
        noisy = self._noisy(support.x, latents) + 0 * y.sum()
        noisy = jnp.where(pair, noisy, jnp.eye(len(there)))
        across = jnp.where(there[:, None], self.covariance(support.x, x, latents), 0)
        root = jnp.linalg.cholesky(noisy)
        both = jnp.concatenate([across, y], axis=1)
        solved = jax.scipy.linalg.solve_triangular(root, both, lower=True)
        solved, whitened = solved[:, :-1], solved[:, -1:]
        mean = solved.T @ whitened
        variance = latents[1] ** 2 + self.noise**2 - (solved**2).sum(axis=0)
        return mean, jnp.sqrt(jnp.maximum(variance, self.noise**2))[:, None]

    def _noisy(self, x: Float[Array, "points 1"], latents: Latents) -> Array:
        """The covariance of targets."""
        return self.covariance(x, x, latents) + self.noise**2 * jnp.eye(len(x))
