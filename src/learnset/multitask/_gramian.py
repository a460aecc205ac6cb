"""Inner products of the tasks' gradients, in a form that is fast on a CPU."""

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, PyTree

PIECE = 2**18  # numbers, which fit into the cache of a core


def gramian_of(jacobian: Float[Array, "tasks params"]) -> Float[Array, "tasks tasks"]:
    """The inner products of all rows, in full precision.

    The product is symmetric, and on a CPU little more than half of it is computed, for a piece of
    all rows at a time: XLA's product of a few long rows is slow there.

    >>> import jax.numpy as jnp
    >>> gramian_of(jnp.array([[1.0, 2.0], [0.0, 1.0]])).tolist()
    [[5.0, 2.0], [2.0, 1.0]]
    """
    tasks, params = jacobian.shape
    if jax.default_backend() != "cpu":
        return _products(jacobian, jacobian)
    length = max(PIECE // tasks, 1)

    def add(
        piece: Int[Array, ""], total: Float[Array, "tasks tasks"]
    ) -> Float[Array, "tasks tasks"]:
        return total + _lower(lax.dynamic_slice(jacobian, (0, piece * length), (tasks, length)))

    lower = _lower(jacobian[:, params - params % length :])
    if params >= length:
        lower = lax.fori_loop(0, params // length, add, lower)
    return jnp.tril(lower) + jnp.tril(lower, -1).T


def gramian_by_leaf(grads: PyTree, losses: Float[Array, "tasks"]) -> Float[Array, "tasks tasks"]:
    """The inner products of the tasks' gradients as the sum of those of each leaf, without a copy
    of all gradients as one matrix."""
    leaves = [gramian_of(leaf.reshape(len(leaf), -1)) for leaf in jax.tree.leaves(grads)]
    return sum(leaves, jnp.zeros((len(losses),) * 2, losses.dtype))


def _lower(rows: Float[Array, "tasks params"]) -> Float[Array, "tasks tasks"]:
    """The inner products on and below the diagonal. Some of those above it are zero."""
    tasks = len(rows)
    width = 8 * -(-tasks // 32)  # at most four blocks of columns, of whole vector registers
    blocks = [_products(rows[i:], rows[i : i + width]) for i in range(0, tasks, width)]
    return jnp.concatenate([jnp.pad(b, ((tasks - len(b), 0), (0, 0))) for b in blocks], axis=1)


def _products(
    left: Float[Array, "some params"], right: Float[Array, "others params"]
) -> Float[Array, "some others"]:
    # Not `left @ right.T`: after a transpose, the product would have a slow form.
    return lax.dot_general(left, right, (((1,), (1,)), ((), ())), precision=lax.Precision.HIGHEST)
