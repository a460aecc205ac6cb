"""The direction near the mean gradient that helps the worst-off task most."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from ..core import check_not_negative, Loss, mse
from ._balancer import AbstractGramian
from ._cosines import one_over
from ._mgda import shortest
from ._quadratic import product
from ._task_gradients import even

MOST = 60  # solutions of a quadratic program; about eight are enough


class CAGrad(AbstractGramian):
    """CAGrad: the direction whose smallest product with a task's gradient is largest, among those
    whose distance from the mean gradient is at most `c` times its length.

    With `c=0` it is the mean. With `c < 1` it leads to a minimum of the mean loss; the larger `c`,
    the closer it is to `MGDA`. For one task it is the gradient, `1 + c` times as long. If no
    direction helps all tasks, it is the mean gradient projected onto the directions that hurt none
    (`DualProj`), if that is near enough.

    Source: Liu et al. 2021, *Conflict-Averse Gradient Descent for Multi-task Learning*, algorithm
    1; `c` as in their toy problem. Their code then divides by `1 + c²`, which is not done here.

    **Raises:** `InputError` for a negative `c`.

    >>> import jax.numpy as jnp, learnset as ls
    >>> direction = ls.CAGrad(c=0.5).direction(jnp.array([[2.0, 0.0], [0.0, 2.0]]))
    >>> [round(x, 3) for x in direction.tolist()]
    [1.5, 1.5]
    """

    loss: Loss = mse
    c: float | Float[Array, "..."] = 0.5

    def __check_init__(self):
        check_not_negative("CAGrad", c=self.c)

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        """The direction is `d = g0 + r g_w`, where g0 is the mean gradient and `r |g_w| = c |g0|`.
        By duality, `d` is as short as weights `w` can make it for that `r`: the shortest vector in
        the hull of all `g0 / r + g_i`. Only the number `r` remains to be found, and `r |g_w|` grows
        with it."""
        del key
        eps, tiny = jnp.finfo(gramian.dtype).eps, jnp.finfo(gramian.dtype).tiny
        inverse = one_over(jnp.sqrt(jnp.diagonal(gramian).max()))
        gramian = gramian * inverse * inverse
        norms = jnp.sqrt(jnp.diagonal(gramian))
        mean = even(present).astype(gramian.dtype)
        of_mean = product(gramian, mean)
        square = jnp.maximum(mean @ of_mean, 0)
        least = norms.min(where=norms > 0, initial=1.0)
        radius = jnp.maximum(self.c * jnp.sqrt(square), tiny)

        def solve(log_ratio: Array) -> tuple[Array, Array]:
            """The weights for a ratio, and the logarithm of the ratio that the length of their
            mixture implies."""
            share = jnp.exp(-log_ratio)
            shifted = gramian + share * (of_mean[:, None] + of_mean[None] + share * square)
            weights = shortest(jnp.where(present[:, None] & present[None], shifted, 0), present)
            # Below this length the mixture is rounding error, or a mixture of zero gradients.
            floor = jnp.sqrt(eps) * jnp.maximum(weights @ norms, jnp.sqrt(eps) * least)
            length = jnp.sqrt(jnp.maximum(weights @ product(gramian, weights), floor**2))
            return weights, jnp.log(radius) - jnp.log(length)

        def unfinished(carry: tuple[Any, ...]) -> Bool[Array, ""]:
            ends, _, _, (_, missed), steps = carry
            wide = ends[1] - ends[0] > 8 * eps * (1 + jnp.abs(ends[0]))
            return wide & (jnp.abs(missed) > 8 * eps) & (steps < MOST)

        def step(carry: tuple[Any, ...]) -> tuple[Any, ...]:
            """A step of the Illinois method: to the zero of the line through both ends, where an
            end that stays twice counts half."""
            ends, excess, last, _, steps = carry
            slope = jnp.maximum(excess[1] - excess[0], tiny)
            middle = jnp.clip((ends[0] * excess[1] - ends[1] * excess[0]) / slope, ends[0], ends[1])
            missed = middle - solve(middle)[1]
            above = (missed > 0).astype(int)
            stays = jnp.where(above == last, 0.5, 1.0).astype(missed.dtype)
            ends, excess = ends.at[above].set(middle), (excess * stays).at[above].set(missed)
            return ends, excess, above, (middle, missed), steps + 1

        ends = jnp.log(radius) - jnp.stack([jnp.zeros_like(least), jnp.log(least) + jnp.log(eps)])
        excess = ends - jax.vmap(solve)(ends)[1]
        start = (ends, excess, -1, (ends[0], jnp.inf * radius), 0)
        log_ratio = lax.while_loop(unfinished, step, start)[3][0]
        weights = mean + jnp.exp(log_ratio) * solve(log_ratio)[0]
        return jnp.where(square * self.c > 0, weights, mean)
