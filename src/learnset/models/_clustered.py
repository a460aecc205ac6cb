"""A model for each cluster of tasks."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key, PyTree

from ..core import check_positive, mix
from ._tasked import part_of


class Clustered(eqx.Module):
    """A model for each of a few clusters; a task has their mean, weighted by its memberships, a
    softmax of its own logits. Tasks with the same memberships have the same model.

    It is meant for linear models, for which the mean of parameters is the mean of predictions. A
    task outside the set (index -1) has the average of the membership logits.

    **Arguments:**

    - `models`: one for each cluster, stacked on a leading axis, as `equinox.filter_vmap` makes
      them.
    - `own`: the logarithms of memberships, up to a constant for each task.

    Source: groups of tasks that share one predictor, as in Kang, Grauman & Sha 2011, *Learning with
    Whom to Share in Multi-task Feature Learning*, with memberships relaxed to a softmax and trained
    together with the models.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> def make(key):
    ...     return ls.models.Linear(28, 1, key=key)
    >>> model = ls.models.clustered(make, clusters=3, num_tasks=139, key=jr.key(0))
    >>> model.for_task(jnp.asarray(7))(jnp.ones(28)).shape
    (1,)
    """

    models: PyTree[Float[Array, "clusters ..."]]
    own: Float[Array, "tasks clusters"]

    def for_task(self, index: Int[Array, ""]) -> Any:
        membership = jax.nn.softmax(part_of(self.own, index))
        arrays, rest = eqx.partition(self.models, eqx.is_inexact_array)
        return eqx.combine(mix(membership, arrays), rest)


def clustered(
    make: Callable[[Key[Array, ""]], Any], *, clusters: int, num_tasks: int, key: Key[Array, ""]
) -> Clustered:
    """`Clustered` models, each made by `make(key)` from its own key; memberships start nearly
    even."""
    check_positive("clustered", clusters=clusters, num_tasks=num_tasks)
    models_key, own_key = jr.split(key)
    models = eqx.filter_vmap(make)(jr.split(models_key, clusters))
    own = 0.1 * jr.normal(own_key, (num_tasks, clusters), jnp.result_type(float))
    return Clustered(models, own)
