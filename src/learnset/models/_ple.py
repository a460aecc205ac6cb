"""Levels of experts that separate shared from task-specific features step by step."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_positive
from ._cgc import CGC, Customised, OwnExperts
from ._linear import Linear
from ._mmoe import Experts, SoftmaxGate
from ._tasked import part_of
from ._view import View


class PLE(eqx.Module):
    """Progressive layered extraction (PLE): levels of `CGC`. Below the last level, a shared gate
    weighs the experts of all tasks, so the features of one task reach the shared experts of the
    next level.

    The experts of the lower levels therefore belong to no single task. An input goes through those
    of all tasks: time grows with their number. A task outside the set (index -1) sees the average
    of the activations and of the parts of all tasks.

    **Arguments:** those of `CGC`, and

    - `levels`: number of levels, at least one. With one it is `CGC`.

    Source: Tang et al. 2020 (as for `CGC`), §4.2.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.PLE(3, 1, num_tasks=5, levels=3, key=jr.key(0))
    >>> model.for_task(jnp.asarray(4))(jnp.ones(3)).shape
    (1,)
    """

    lower: tuple["Level", ...]
    last: CGC

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        num_tasks: int,
        levels: int = 2,
        shared: int = 2,
        experts: int = 2,
        width: int = 40,
        depth: int = 1,
        tower: int = 0,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ):
        check_positive(
            "PLE", num_tasks=num_tasks, levels=levels, shared=shared, experts=experts, width=width
        )
        *keys, last_key = jr.split(key, levels)
        inputs = [in_size] + [width] * (levels - 1)
        self.lower = tuple(
            Level(num_tasks, shared, experts, [size, *[width] * depth], activation, key=k)
            for size, k in zip(inputs, keys, strict=False)
        )
        self.last = CGC(
            inputs[-1],
            out_size,
            num_tasks=num_tasks,
            shared=shared,
            experts=experts,
            width=width,
            depth=depth,
            tower=tower,
            activation=activation,
            key=last_key,
        )

    @property
    def own(self) -> OwnExperts:
        """The parts of single tasks: the experts and gates of the last level, towers and heads."""
        return self.last.own

    def for_task(self, index: Int[Array, ""]) -> View:
        own = part_of(self.own, index)
        body = Progressive(self.lower, self.last.shared, own.experts, own.gate, index)
        return View(body, own.tower, own.head)


class Level(eqx.Module):
    """One level of PLE: the experts and gates of all tasks, and the shared ones."""

    shared: Experts
    shared_gate: SoftmaxGate
    experts: Experts  # stacked on an axis `tasks`
    gates: SoftmaxGate  # stacked on an axis `tasks`

    def __init__(
        self,
        num_tasks: int,
        shared: int,
        experts: int,
        sizes: list[int],
        activation: Callable[[Array], Array],
        *,
        key: Key[Array, ""],
    ):
        shared_key, gate_key, experts_key, gates_key = jr.split(key, 4)
        self.shared = Experts(shared, sizes, activation, key=shared_key)
        self.shared_gate = SoftmaxGate(Linear(sizes[0], num_tasks * experts + shared, key=gate_key))
        of_tasks = eqx.filter_vmap(lambda k: Experts(experts, sizes, activation, key=k))
        self.experts = of_tasks(jr.split(experts_key, num_tasks))
        gates = eqx.filter_vmap(lambda k: SoftmaxGate(Linear(sizes[0], experts + shared, key=k)))
        self.gates = gates(jr.split(gates_key, num_tasks))

    def __call__(
        self, of_tasks: Float[Array, "tasks in"], of_all: Float[Array, "in"]
    ) -> tuple[Float[Array, "tasks width"], Float[Array, "width"]]:
        """The inputs of the next level: those of each task's experts, and that of the shared
        experts."""
        shared = self.shared(of_all)
        own = eqx.filter_vmap(lambda experts, x: experts(x))(self.experts, of_tasks)

        def mixed(
            gate: SoftmaxGate, x: Float[Array, "in"], own: Float[Array, "experts width"]
        ) -> Array:
            return gate(x) @ jnp.concatenate([own, shared])

        new = eqx.filter_vmap(mixed)(self.gates, of_tasks, own)
        return new, mixed(self.shared_gate, of_all, own.reshape(-1, own.shape[-1]))


class Progressive(eqx.Module):
    """The body of PLE: all levels, as one task sees them."""

    lower: tuple[Level, ...]
    shared: Experts
    experts: Experts
    gate: SoftmaxGate
    index: Int[Array, ""]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        if not self.lower:
            return Customised(self.shared, self.experts, self.gate)(x)
        num_tasks = len(self.lower[0].gates.layer.bias)
        of_tasks, of_all = jnp.broadcast_to(x[None], (num_tasks, len(x))), x
        for level in self.lower:
            of_tasks, of_all = level(of_tasks, of_all)
        of_task = part_of(of_tasks, self.index)
        outputs = jnp.concatenate([self.experts(of_task), self.shared(of_all)])
        return self.gate(of_task) @ outputs
