"""Shared experts, and a gate for each task."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_not_negative, check_positive
from ._linear import Linear
from ._tasked import part_of
from ._view import Layers, View


class MMoE(eqx.Module):
    """Multi-gate mixture of experts (MMoE): each task weighs the outputs of shared networks by a
    softmax of its input.

    A task outside the set (index -1) sees the average of all gates, towers and heads.

    **Arguments:**

    - `in_size`, `out_size`: lengths of an input and of an output.
    - `experts`: number of experts; each has `depth` layers of `width` units.
    - `tower`: hidden layers of each task on the mixture, `width` units each, before its linear
      head.

    Source: Ma et al. 2018, *Modeling Task Relationships in Multi-task Learning with Multi-gate
    Mixture-of-Experts*, §4.2.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.MMoE(3, 1, num_tasks=30, key=jr.key(0))
    >>> model.for_task(jnp.asarray(7))(jnp.ones(3)).shape
    (1,)
    """

    experts: "Experts"
    own: "Gated"  # stacked on an axis `tasks`

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        num_tasks: int,
        experts: int = 4,
        width: int = 40,
        depth: int = 1,
        tower: int = 0,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ):
        check_positive("MMoE", num_tasks=num_tasks, experts=experts, width=width, depth=depth)
        check_not_negative("MMoE", tower=tower)
        experts_key, own_key = jr.split(key)

        def of_task(key: Key[Array, ""]) -> Gated:
            gate_key, key = jr.split(key)
            gate = SoftmaxGate(Linear(in_size, experts, key=gate_key))
            return Gated(gate, *tower_and_head(width, tower, out_size, activation, key=key))

        self.experts = Experts(experts, [in_size, *[width] * depth], activation, key=experts_key)
        self.own = eqx.filter_vmap(of_task)(jr.split(own_key, num_tasks))

    def for_task(self, index: Int[Array, ""]) -> View:
        own = part_of(self.own, index)
        return View(Mixture(self.experts, own.gate), own.tower, own.head)


class Gated(eqx.Module):
    """The parts of one task: a gate that weighs experts, and a tower and a head on their
    mixture."""

    gate: Any
    tower: Layers
    head: Linear


class SoftmaxGate(eqx.Module):
    """Weights of experts: a softmax of a linear function of the input."""

    layer: Linear

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "experts"]:
        return jax.nn.softmax(self.layer(x))


class Experts(eqx.Module):
    """Networks of one shape: the output of each for one input.

    **Arguments:** `sizes`: of the input and of each layer.
    """

    networks: Layers  # stacked on an axis `experts`

    def __init__(
        self,
        number: int,
        sizes: list[int],
        activation: Callable[[Array], Array],
        *,
        key: Key[Array, ""],
    ):
        self.networks = eqx.filter_vmap(lambda k: Layers(sizes, activation=activation, key=k))(
            jr.split(key, number)
        )

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "experts width"]:
        return eqx.filter_vmap(lambda network: network(x))(self.networks)


class Mixture(eqx.Module):
    """The weighted mean of the experts' outputs."""

    experts: Experts
    gate: Any

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        return self.gate(x) @ self.experts(x)


def tower_and_head(
    width: int,
    depth: int,
    out_size: int,
    activation: Callable[[Array], Array],
    *,
    key: Key[Array, ""],
) -> tuple[Layers, Linear]:
    """Hidden layers of one width, and a linear layer on them."""
    tower_key, head_key = jr.split(key)
    tower = Layers([width] * (depth + 1), activation=activation, key=tower_key)
    return tower, Linear(width, out_size, key=head_key)
