"""Shared experts, of which each task selects a few."""

import math
from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jax.scipy.special import entr
from jaxtyping import Array, Float, Int, Key

from ..core import Batch, check_not_negative, check_positive, InputError
from ._mmoe import Experts, Gated, Mixture, tower_and_head
from ._tasked import part_of
from ._view import View


class DSelectK(eqx.Module):
    """DSelect-k: `MMoE` whose gates select at most `selected` experts for each task. A selector
    encodes the number of an expert in binary digits, each a smooth step of a parameter, so gradient
    descent chooses among experts.

    `Penalised(loss, gate_entropy)` makes selectors decide. The selection belongs to the task, and
    is the same for all inputs (the paper's static gates). A task outside the set (index -1) sees
    the average of the parts of all tasks.

    **Arguments:** those of `MMoE`, and

    - `experts`: a power of two, so that each binary number is that of an expert. For other numbers
      the paper adds a penalty.
    - `selected`: number of experts that a task weighs (k).
    - `gamma`: the width, in units of its parameter, over which a digit goes from zero to one.

    **Raises:** `InputError` for a number of experts that is not a power of two.

    Source: Hazimeh et al. 2021, *DSelect-k: Differentiable Selection in the Mixture of Experts with
    Applications to Multi-Task Learning*, §3.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.DSelectK(3, 1, num_tasks=30, experts=8, key=jr.key(0))
    >>> model.for_task(jnp.asarray(7)).body.gate(jnp.ones(3)).shape
    (8,)
    """

    experts: Experts
    own: Gated  # stacked on an axis `tasks`

    def __init__(
        self,
        in_size: int,
        out_size: int,
        *,
        num_tasks: int,
        experts: int = 4,
        selected: int = 2,
        gamma: float = 1.0,
        width: int = 40,
        depth: int = 1,
        tower: int = 0,
        activation: Callable[[Array], Array] = jax.nn.relu,
        key: Key[Array, ""],
    ):
        check_positive("DSelectK", num_tasks=num_tasks, selected=selected, gamma=gamma)
        check_positive("DSelectK", width=width, depth=depth)
        check_not_negative("DSelectK", tower=tower)
        digits = round(math.log2(experts)) if experts > 0 else 0
        if experts < 2 or 2**digits != experts:
            raise InputError(
                f"DSelectK: `experts={experts}`, but binary digits number the experts. Take a power"
                " of two, 2 or more."
            )
        experts_key, own_key = jr.split(key)

        def of_task(key: Key[Array, ""]) -> Gated:
            gate_key, key = jr.split(key)
            gate = BinaryGate(selected, digits, gamma, key=gate_key)
            return Gated(gate, *tower_and_head(width, tower, out_size, activation, key=key))

        self.experts = Experts(experts, [in_size, *[width] * depth], activation, key=experts_key)
        self.own = eqx.filter_vmap(of_task)(jr.split(own_key, num_tasks))

    def for_task(self, index: Int[Array, ""]) -> View:
        own = part_of(self.own, index)
        return View(Mixture(self.experts, own.gate), own.tower, own.head)


class BinaryGate(eqx.Module):
    """Weights of experts: a softmax over selectors, each a distribution over experts given by
    binary digits."""

    digits: Float[Array, "selected digits"]
    weights: Float[Array, "selected"]
    gamma: float = eqx.field(static=True)

    def __init__(self, selected: int, digits: int, gamma: float, *, key: Key[Array, ""]):
        # Within the slope of the smooth step, where gradients are not zero; different, so that
        # selectors diverge.
        bound = 0.01 * gamma
        self.digits = jr.uniform(key, (selected, digits), jnp.result_type(float), -bound, bound)
        self.weights = jnp.zeros(selected)
        self.gamma = gamma

    @property
    def selectors(self) -> Float[Array, "selected experts"]:
        """A distribution over experts for each selector: the product of the probabilities of an
        expert's digits."""
        total = self.digits.shape[1]
        number = jnp.arange(2**total)[:, None] >> jnp.arange(total)[None] & 1
        one = smooth_step(self.digits / self.gamma)[:, None]
        return jnp.where(number[None] == 1, one, 1 - one).prod(axis=2)

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "experts"]:
        del x
        return jax.nn.softmax(self.weights) @ self.selectors


def smooth_step(t: Float[Array, "..."]) -> Float[Array, "..."]:
    """A cubic from zero at -1/2 to one at 1/2, and flat beyond."""
    t = jnp.clip(t, -0.5, 0.5)
    return -2 * t**3 + 1.5 * t + 0.5


def gate_entropy(predictor: View, batch: Batch) -> Float[Array, ""]:
    """The entropy of the gate of a task of `DSelectK`, in nats, summed over its selectors: how
    undecided it is. A `penalty` for `Penalised`.

    **Raises:** `InputError` for a predictor of another model.

    Source: Hazimeh et al. 2021, §3.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> model = ls.models.DSelectK(3, 1, num_tasks=30, experts=8, selected=2, key=jr.key(0))
    >>> batch = ls.Batch(jnp.ones((5, 3)), jnp.ones((5, 1)))
    >>> entropy = ls.models.gate_entropy(model.for_task(jnp.asarray(0)), batch)
    >>> round(float(entropy), 2)  # nearly 2 log 8
    4.16
    """
    del batch
    gate = getattr(getattr(predictor, "body", None), "gate", None)
    if not isinstance(gate, BinaryGate):
        raise InputError(
            "gate_entropy: the predictor has no selectors. Use this penalty for the tasks of"
            " `DSelectK`."
        )
    # Digits are independent, so entropies add. A decided digit has zero entropy and no slope.
    one = smooth_step(gate.digits / gate.gamma)
    undecided = (one > 0) & (one < 1)
    inside = jnp.where(undecided, one, 0.5)
    return jnp.where(undecided, entr(inside) + entr(1 - inside), 0).sum()
