"""Your own method: a multi-task balancer is one formula, an adapter is one function.

Usage: python examples/custom_method.py
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax

import learnset as ls


class Cautious(ls.AbstractGramian):
    """A balancer that weighs each task by one over the length of its gradient."""

    loss: ls.core.Loss = ls.mse

    def weights(self, gramian, present, *, key):
        inverse = jnp.where(present, 1 / jnp.sqrt(jnp.diagonal(gramian)), 0)
        return inverse / inverse.sum()


class SignDescent(ls.AbstractAdapter):
    """An adapter that moves every parameter by the sign of its gradient."""

    lr: float = 0.002
    steps: int = 20

    def adapt(self, model, support):
        parameters, rest = eqx.partition(model, eqx.is_inexact_array)

        def step(_, parameters):
            grads = jax.grad(lambda p: ls.mse(eqx.combine(p, rest), support))(parameters)
            return jax.tree.map(lambda p, g: p - self.lr * jnp.sign(g), parameters, grads)

        return eqx.combine(jax.lax.fori_loop(0, self.steps, step, parameters), rest)


# All methods keep these promises: structure, determinism, weights of zero, order of tasks, descent.
ls.checks.method(Cautious())
ls.checks.adapter(SignDescent())

tasks = ls.Sinusoids(shots=10)
model = ls.MLP(1, 1, width=40, depth=2, key=jr.key(0))
for method in (ls.Pooled(ls.mse), Cautious()):
    run = ls.train(method, model, tasks, optax.adam(1e-3), steps=1000, key=jr.key(1))
    for adapter in (ls.FineTune(ls.mse, lr=0.01, steps=20), SignDescent()):
        error = ls.evaluate(adapter, run.model, tasks, key=jr.key(2)).mean[-1]
        print(f"{type(method).__name__}, then {type(adapter).__name__}: {error:.2f}")
