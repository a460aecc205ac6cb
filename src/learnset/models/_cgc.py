"""Experts that all tasks share, and experts of each task."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_not_negative, check_positive
from ._linear import Linear
from ._mmoe import Experts, SoftmaxGate, tower_and_head
from ._tasked import part_of
from ._view import Layers, View


class CGC(eqx.Module):
    """Customized gate control (CGC): each task weighs shared experts and its own experts, which no
    other task sees, by a softmax of its input. `PLE` stacks several such levels.

    A task outside the set (index -1) sees the average of the parts of all tasks.

    **Arguments:** those of `MMoE`, and

    - `shared`: number of experts that all tasks share. `experts`: number of each task's own
      experts.

    Source: Tang et al. 2020, *Progressive Layered Extraction (PLE): A Novel Multi-Task Learning
    (MTL) Model for Personalized Recommendations*, §4.1.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.CGC(3, 1, num_tasks=30, key=jr.key(0))
    >>> model.for_task(jnp.asarray(7))(jnp.ones(3)).shape
    (1,)
    """

    shared: Experts
    own: "OwnExperts"  # stacked on an axis `tasks`

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        num_tasks: int,
        shared: int = 2,
        experts: int = 2,
        width: int = 40,
        depth: int = 1,
        tower: int = 0,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ):
        check_positive(
            "CGC", num_tasks=num_tasks, shared=shared, experts=experts, width=width, depth=depth
        )
        check_not_negative("CGC", tower=tower)
        shared_key, own_key = jr.split(key)
        sizes = [in_size, *[width] * depth]

        def of_task(key: Key[Array, ""]) -> OwnExperts:
            experts_key, gate_key, key = jr.split(key, 3)
            return OwnExperts(
                Experts(experts, sizes, activation, key=experts_key),
                SoftmaxGate(Linear(in_size, experts + shared, key=gate_key)),
                *tower_and_head(width, tower, out_size, activation, key=key),
            )

        self.shared = Experts(shared, sizes, activation, key=shared_key)
        self.own = eqx.filter_vmap(of_task)(jr.split(own_key, num_tasks))

    def for_task(self, index: Int[Array, ""]) -> View:
        own = part_of(self.own, index)
        return View(Customised(self.shared, own.experts, own.gate), own.tower, own.head)


class OwnExperts(eqx.Module):
    """The parts of one task: its experts, a gate that weighs them and the shared ones, a tower and
    a head."""

    experts: Experts
    gate: SoftmaxGate
    tower: Layers
    head: Linear


class Customised(eqx.Module):
    """The weighted mean of the outputs of the task's own and the shared experts."""

    shared: Experts
    experts: Experts
    gate: SoftmaxGate

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        return self.gate(x) @ jnp.concatenate([self.experts(x), self.shared(x)])
