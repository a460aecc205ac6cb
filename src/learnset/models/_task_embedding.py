"""One network that receives the task as an input."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_positive, head
from ._linear import Linear
from ._tasked import part_of


class TaskEmbedding(eqx.Module):
    """Task embedding: one network for all tasks, with a learnt vector of the task appended to each
    input.

    Similar tasks end up with similar vectors. A task outside the set (index -1) has the average
    vector.

    **Arguments:**

    - `model`: takes inputs with `size` more numbers than the tasks have; see `MLP.extend_inputs`.
    - `size`: of each task's vector. `num_tasks`: number of tasks.

    Source: the task as an input: Silver, Poirier & Currie 2008, *Inductive Transfer with
    Context-Sensitive Neural Networks*; learnt vectors: Guo & Berkhahn 2016, *Entity Embeddings of
    Categorical Variables*.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> net = ls.MLP(3 + 2, 1, key=jr.key(0))
    >>> model = ls.models.TaskEmbedding(net, num_tasks=30, size=2, key=jr.key(1))
    >>> model.for_task(jnp.asarray(7))(jnp.ones(3)).shape
    (1,)
    """

    model: Any
    own: Float[Array, "tasks size"]

    def __init__(self, model: Any, *, num_tasks: int, size: int, key: Key[Array, ""]):
        check_positive("TaskEmbedding", num_tasks=num_tasks, size=size)
        self.model = model
        self.own = jr.normal(key, (num_tasks, size), jnp.result_type(float))

    def for_task(self, index: Int[Array, ""]) -> "Embedded":
        return Embedded(self.model, part_of(self.own, index))


class Embedded(eqx.Module):
    """A model with the vector of one task."""

    model: Any
    embedding: Float[Array, "size"]

    @property
    def head(self) -> Linear:
        return head(self.model)

    def features(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        """The input of the head."""
        return self.model.features(jnp.concatenate([x, self.embedding]))

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.model(jnp.concatenate([x, self.embedding]))
