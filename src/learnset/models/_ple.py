"""Levels of experts that separate what is shared from what is a task's own step by step."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_positive
from ._cgc import CGC, Customised, OwnExperts
from ._linear import Linear
from ._mmoe import ask, make_experts, SoftmaxGate
from ._tasked import part_of
from ._view import Layers, View


class PLE(eqx.Module):
    """Progressive layered extraction: levels of `CGC`. Below the last, a shared gate weighs the experts of all tasks, so
    that what one task has found reaches the shared experts of the next level.

    The experts of the lower levels therefore belong to no task alone. An input goes through those of all tasks: time
    grows with their number. A task that the set does not number (index -1) sees the average of what the tasks see, and
    of what they own.

    **Arguments:** those of `CGC`, and

    - `levels`: how many, at least one. With one it is `CGC`.

    Source: Tang et al. 2020 (as for `CGC`), §4.2.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> ls.models.PLE(3, 1, num_tasks=5, levels=3, key=jr.key(0)).for_task(jnp.asarray(4))(jnp.ones(3)).shape
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
        settings = {
            "shared": shared,
            "experts": experts,
            "width": width,
            "depth": depth,
            "tower": tower,
        }
        self.last = CGC(
            inputs[-1],
            out_size,
            num_tasks=num_tasks,
            **settings,
            activation=activation,
            key=last_key,
        )

    @property
    def own(self) -> OwnExperts:
        """What single tasks own: the last level's experts and gates, towers and heads."""
        return self.last.own

    def for_task(self, index: Int[Array, ""]) -> View:
        own = part_of(self.own, index)
        return View(
            Progressive(self.lower, self.last.shared, own.experts, own.gate, index),
            own.tower,
            own.head,
        )


class Level(eqx.Module):
    """Experts and gates of all tasks, and those that are shared."""

    shared: Layers  # stacked on an axis `experts`
    shared_gate: SoftmaxGate
    experts: Layers  # stacked on axes `tasks experts`
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
        self.shared = make_experts(shared, sizes, activation, key=shared_key)
        self.shared_gate = SoftmaxGate(Linear(sizes[0], num_tasks * experts + shared, key=gate_key))
        self.experts = eqx.filter_vmap(lambda k: make_experts(experts, sizes, activation, key=k))(
            jr.split(experts_key, num_tasks)
        )
        self.gates = eqx.filter_vmap(
            lambda k: SoftmaxGate(Linear(sizes[0], experts + shared, key=k))
        )(jr.split(gates_key, num_tasks))

    def __call__(
        self, of_tasks: Float[Array, "tasks in"], of_all: Float[Array, "in"]
    ) -> tuple[Float[Array, "tasks width"], Float[Array, "width"]]:
        """What the next level sees for each task, and what its shared experts see."""
        shared = ask(self.shared, of_all)
        own = eqx.filter_vmap(ask)(self.experts, of_tasks)

        def mixed(
            gate: SoftmaxGate, x: Float[Array, "in"], own: Float[Array, "experts width"]
        ) -> Array:
            return gate(x) @ jnp.concatenate([own, shared])

        new = eqx.filter_vmap(mixed)(self.gates, of_tasks, own)
        return new, mixed(self.shared_gate, of_all, own.reshape(-1, own.shape[-1]))


class Progressive(eqx.Module):
    """An input on its way through all levels, as one task sees it."""

    lower: tuple[Level, ...]
    shared: Layers
    experts: Layers
    gate: SoftmaxGate
    index: Int[Array, ""]

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "width"]:
        if not self.lower:
            return Customised(self.shared, self.experts, self.gate)(x)
        of_tasks, of_all = (
            jnp.broadcast_to(x[None], (len(self.lower[0].gates.layer.bias), len(x))),
            x,
        )
        for level in self.lower:
            of_tasks, of_all = level(of_tasks, of_all)
        of_task = part_of(of_tasks, self.index)
        return self.gate(of_task) @ jnp.concatenate(
            [ask(self.experts, of_task), ask(self.shared, of_all)]
        )
