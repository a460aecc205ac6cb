"""Linear models of many tasks, made from a few latent ones."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import Batch, check_positive, InputError
from ._linear import Linear
from ._tasked import part_of
from ._view import Layers, View


class LowRank(eqx.Module):
    """Low-rank models: linear models whose weights are combinations of a few latent ones, `W = L
    S`. `L` is shared and each task has its own code, a column of `S`.

    With `Penalised(loss, code_size)` codes are sparse, so tasks share as far as they use the same
    latent tasks. A task outside the set (index -1) sees the average code.

    **Arguments:**

    - `in_size`, `out_size`: lengths of an input and of an output. `rank`: number of latent tasks.

    Source: Kumar & Daumé III 2012, *Learning Task Grouping and Overlap in Multi-Task Learning*
    (GO-MTL). Different from there: gradient descent instead of alternation; weight decay of `L` is
    left to the optimiser; tasks also have an offset.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.LowRank(28, 1, num_tasks=139, rank=5, key=jr.key(0))
    >>> model.for_task(jnp.asarray(7)).features(jnp.ones(28)).shape
    (5,)
    """

    basis: "Basis"
    own: Linear  # codes and offsets, stacked on an axis `tasks`

    def __init__(
        self, in_size: int, out_size: int, *, num_tasks: int, rank: int, key: Key[Array, ""]
    ):
        check_positive("LowRank", num_tasks=num_tasks, rank=rank)
        basis_key, codes_key = jr.split(key)
        weight = jr.normal(basis_key, (in_size, rank), jnp.result_type(float))
        self.basis = Basis(in_size**-0.5 * weight)
        codes = eqx.filter_vmap(lambda k: Linear(rank, out_size, key=k))
        self.own = codes(jr.split(codes_key, num_tasks))

    def for_task(self, index: Int[Array, ""]) -> View:
        return View(self.basis, Layers((), key=jr.key(0)), part_of(self.own, index))


class Basis(eqx.Module):
    """The weights of the latent tasks."""

    weight: Float[Array, "in rank"]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "rank"]:
        return x @ self.weight


def code_size(predictor: View, batch: Batch) -> Float[Array, ""]:
    """The size of a task's code, the sum of its absolute values: the penalty of `LowRank`, for
    `Penalised`.

    **Raises:** `InputError` for a predictor of another model.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> view = ls.models.LowRank(3, 1, num_tasks=4, rank=2, key=jr.key(0)).for_task(jnp.asarray(0))
    >>> batch = ls.Batch(jnp.ones((5, 3)), jnp.ones((5, 1)))
    >>> bool(ls.models.code_size(view, batch) == abs(view.head.weight).sum())
    True
    """
    del batch
    if not isinstance(getattr(predictor, "body", None), Basis):
        raise InputError(
            "code_size: the predictor has no code. Use this penalty for the tasks of `LowRank`."
        )
    return jnp.abs(predictor.head.weight).sum()
