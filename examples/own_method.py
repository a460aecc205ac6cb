"""An own method: a multi-task balancer, which is one formula, and an own adapter, which is one function.

Usage: python examples/own_method.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax

import learnset as ls


class Cautious(ls.AbstractGramian):
    """Each task weighs as much as its gradient is short."""

    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        inverse = jnp.where(present, 1 / jnp.sqrt(jnp.diagonal(gramian)), 0)
        return inverse / inverse.sum()


class SignDescent(ls.AbstractAdapter):
    """Moves every parameter by the sign of its gradient."""

    lr: float = 0.002
    steps: int = 20

    def adapt(self, model, support):
        def step(model, _):
            grads = eqx.filter_grad(ls.mse)(model, support)
            return eqx.apply_updates(
                model, jax.tree.map(lambda g: -self.lr * jnp.sign(g), grads)
            ), None

        moving, fixed = eqx.partition(model, eqx.is_inexact_array)
        moved, _ = jax.lax.scan(lambda m, x: (eqx.filter(step(eqx.combine(m, fixed), x)[0], eqx.is_inexact_array), None),
                                moving, length=self.steps)  # fmt: skip
        return eqx.combine(moved, fixed)


# The promises that ours keep: structure, determinism, weights of zero, order of tasks, descent.
ls.checks.method(Cautious())
ls.checks.adapter(SignDescent())

tasks = ls.Sinusoids(shots=10)
model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
for method in (ls.Pooled(ls.mse), Cautious()):
    run = ls.train(method, model, tasks, optax.adam(1e-3), steps=1000, key=jr.key(1))
    for adapter in (ls.FineTune(ls.mse, lr=0.01, steps=20), SignDescent()):
        error = ls.evaluate(adapter, run.model, tasks, key=jr.key(2)).mean[-1]
        print(f"{type(method).__name__}, then {type(adapter).__name__}: {error:.2f}")
