"""The direction on which tasks would agree if they bargained."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from ..core import InputError, Loss, mse
from ._balancer import AbstractGramian
from ._cosines import one_over
from ._fairness import fair_weights


class NashMTL(AbstractGramian):
    """Nash-MTL: the Nash bargaining solution, in which no task can gain, in proportion to its gain,
    without the others losing as much in total.

    The weights solve `G w = 1 / w`, so that the direction does not depend on the scale of any
    task's gradient; for two tasks it halves the angle between the gradients. Its length is the root
    of `|G| tasks`, clipped at `max_norm`, even for one task; |G| is the Frobenius norm. Zero
    gradients do not count.

    Source: Navon et al. 2022, *Multi-Task Learning as a Bargaining Game*, claim 3.1 and algorithm
    1; length and clipping are those of the authors' code. Theirs approaches the weights by a
    sequence of convex programs; here they are solved for.

    **Arguments:**

    - `max_norm`: of the direction; `math.inf` for no clipping.

    **Raises:** `InputError` for a `max_norm` that is not above zero.

    >>> import jax.numpy as jnp, learnset as ls
    >>> direction = ls.NashMTL().direction(jnp.array([[5.0, 0.0], [0.0, 90.0]]))
    >>> [round(x, 3) for x in direction.tolist()]
    [0.707, 0.707]
    """

    loss: Loss = mse
    max_norm: float | Float[Array, "..."] = 1.0

    def __check_init__(self):
        if isinstance(self.max_norm, (int, float)) and not self.max_norm > 0:
            raise InputError(
                f"NashMTL: `max_norm={self.max_norm}`, but it must be above zero. `math.inf` means"
                " no clipping."
            )

    def weights(
        self,
        gramian: Float[Array, "tasks tasks"],
        present: Bool[Array, "tasks"],
        *,
        key: Key[Array, ""],
    ) -> Float[Array, "tasks"]:
        del present, key
        # The entries are divided before they are squared, because the squares might overflow.
        largest = jnp.diagonal(gramian).max()
        size = largest * jnp.sqrt(((gramian * one_over(largest)) ** 2).sum())
        weights = fair_weights(gramian * one_over(size))
        norm = jnp.sqrt(jnp.maximum((weights[:, None] * gramian * weights[None]).sum(), 0))
        return weights * jnp.where(norm > self.max_norm, self.max_norm * one_over(norm), 1)
