"""Linear regression with Gaussian weights: a family whose optimal learner is known."""

import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Key

from ..core import Batch, check_positive, InputError, point_weight, present, Split, Task
from ._base import AbstractTasks, check_points, halves


class LinearGaussian(AbstractTasks):
    """Regression of `y = w · x + noise` with `w ~ N(mean, diag(scale²))` and `x ~ N(0, I)`: a
    yardstick for learners.

    Tasks share the prior of `w`: its mean, and that later directions vary less. The Bayes-optimal
    predictor is the posterior mean (`bayes`), and its expected squared error has a closed form
    (`bayes_error`): no learner can do better, and a learner that knows the prior can do as well.

    Source: Bishop 2006, *Pattern Recognition and Machine Learning*, §3.3.

    >>> import jax.random as jr, learnset as ls
    >>> tasks = ls.LinearGaussian(shots=5)
    >>> task = tasks.sample(ls.Split.TEST, key=jr.key(0))
    >>> tasks.bayes(task.support).shape
    (8,)
    """

    shots: int = 10  # points of a task to learn from
    queries: int = 10  # points of a task to be scored on
    in_size: int = 8
    mean: float = 1.0  # of every weight
    largest: float = 1.0  # standard deviation of the first weight
    smallest: float = 0.05  # standard deviation of the last weight; geometric in between
    noise: float = 0.3  # standard deviation of the noise on y

    def __check_init__(self):
        check_points("LinearGaussian", self.shots, self.queries)
        check_positive(
            "LinearGaussian", largest=self.largest, smallest=self.smallest, noise=self.noise
        )
        if self.in_size < 1:
            raise InputError(
                f"LinearGaussian: `in_size={self.in_size}`, but there must be at least 1 input."
            )

    @property
    def scale(self) -> Float[Array, "in"]:
        """The prior standard deviation of each weight."""
        return jnp.geomspace(self.largest, self.smallest, self.in_size)

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Task:
        w_key, x_key, noise_key = jr.split(split.fold(key), 3)
        points = self.shots + self.queries
        w = self.mean + self.scale * jr.normal(w_key, (self.in_size,))
        x = jr.normal(x_key, (points, self.in_size))
        y = x @ w + self.noise * jr.normal(noise_key, (points,))
        return Task(*halves(x, y[:, None], self.shots), latents=w)

    def bayes(self, support: Batch) -> Float[Array, "in"]:
        """The posterior mean of the weights. Points of weight zero are ignored.

        **Returns:** `w` of the predictor `x @ w`, which no predictor beats in expected squared
        error.
        """
        x, weight = support.x, point_weight(support)
        surprise = present(support.y, weight)[:, 0] - x.sum(axis=-1) * self.mean
        evidence = (x * weight).T @ surprise / self.noise**2
        return self.mean + self.posterior(support) @ evidence

    def posterior(self, support: Batch) -> Float[Array, "in in"]:
        """The posterior covariance of the weights."""
        precision = (
            jnp.diag(self.scale**-2)
            + (support.x * point_weight(support)).T @ support.x / self.noise**2
        )
        return jnp.linalg.inv(precision)

    def bayes_error(self, support: Batch) -> Float[Array, ""]:
        """The expected squared error of the Bayes predictor on a new point, noise included: the
        trace of the posterior covariance (inputs have unit covariance) plus the variance of the
        noise."""
        return jnp.trace(self.posterior(support)) + self.noise**2
