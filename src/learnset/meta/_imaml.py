"""Meta-gradients from the end point of adaptation, without its path."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key, PyTree

from ..core import (
    AbstractIterativeAdapter,
    AbstractMethod,
    Batch,
    check_positive,
    for_task,
    inner,
    InputError,
    Loss,
    mean_in_tiles,
    Metrics,
    Model,
    mse,
    Predictor,
    State,
    Task,
    trainable,
)
from ..transfer import AbstractDescent


class ProximalDescent(AbstractDescent):
    """Proximal gradient descent: on `loss(support) + (proximity / 2) |params - start|²`.

    A step that raises the objective is undone, and the step size halved: the meta-gradient ignores
    the path, so it cannot keep the descent from diverging.

    >>> import jax.random as jr, learnset as ls
    >>> task = ls.Sinusoids().sample(ls.Split.TEST, key=jr.key(1))
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> ls.meta.ProximalDescent(steps=2).adapt(model, task.support)(task.query.x[0]).shape
    (1,)
    """

    loss: Loss = mse
    lr: float | Float[Array, "..."] = 0.01
    steps: int = 10
    proximity: float | Float[Array, "..."] = 2.0

    def __check_init__(self):
        check_positive("ProximalDescent", lr=self.lr, proximity=self.proximity)
        if self.steps < 1:
            raise InputError(f"ProximalDescent: `steps={self.steps}`, but it must be at least 1.")

    def plan(
        self, model: Model, support: Batch
    ) -> tuple[Any, Callable[[Any], Any], Callable[[Any], Predictor]]:
        start, fixed = trainable(model)

        @jax.value_and_grad
        def objective(moving: PyTree) -> Float[Array, ""]:
            offset = jax.tree.map(lambda p, s: p - s, moving, start)
            loss = self.loss(eqx.combine(moving, fixed), support)
            return loss + self.proximity / 2 * inner(offset, offset)

        def step(carry: tuple[PyTree, Array, PyTree, Array]) -> tuple[PyTree, Array, PyTree, Array]:
            moving, value, grads, lr = carry
            trial = jax.tree.map(lambda p, g: p - lr * g, moving, grads)
            trial = (trial, *objective(trial))
            lower = trial[1] <= value
            kept = jax.tree.map(
                lambda new, old: jnp.where(lower, new, old), trial, (moving, value, grads)
            )
            return *kept, jnp.where(lower, lr, lr / 2)

        value, grads = objective(start)
        carry = (start, value, grads, jnp.asarray(self.lr, value.dtype))
        return carry, step, lambda carry: eqx.combine(carry[0], fixed)


class IMAML(AbstractMethod, AbstractIterativeAdapter):
    """Implicit MAML (iMAML): the meta-gradient follows from the optimality of the adapted
    parameters, not from the steps to them.

    The adapted parameters minimise the support loss plus a pull back to the start. This condition
    alone gives the meta-gradient `(I + H / proximity)⁻¹ ∇query`, by conjugate gradients. Memory
    does not grow with the steps of adaptation.

    Source: Rajeswaran, Finn, Kakade & Levine 2019, *Meta-Learning with Implicit Gradients*, §3 and
    algorithms 1-2.

    **Arguments:**

    - `inner_lr`, `steps`: of the descent, which should end near the minimum.
    - `proximity`: strength of the pull (their λ).
    - `cg_steps`: conjugate-gradient iterations, fewer if they meet a direction of negative
      curvature.

    >>> import jax.random as jr, optax, learnset as ls
    >>> model = ls.MLP(1, 1, key=jr.key(0))
    >>> imaml, adam = ls.IMAML(ls.mse), optax.adam(1e-3)
    >>> run = ls.train(imaml, model, ls.Sinusoids(), adam, steps=2, key=jr.key(1))
    >>> sorted(run.metrics)
    ['loss']
    """

    loss: Loss = mse
    inner_lr: float | Float[Array, "..."] = 0.02
    steps: int = 8
    proximity: float | Float[Array, "..."] = 2.0
    cg_steps: int = 3

    def __check_init__(self):
        check_positive("IMAML", inner_lr=self.inner_lr, steps=self.steps, cg_steps=self.cg_steps)
        check_positive("IMAML", proximity=self.proximity)

    @property
    def adapter(self) -> ProximalDescent:
        return ProximalDescent(self.loss, self.inner_lr, self.steps, self.proximity)

    def adapt(self, model: Model, support: Batch) -> Predictor:
        return self.adapter.adapt(model, support)

    def trace(self, model: Model, support: Batch, observe: Callable[[Predictor], PyTree]) -> PyTree:
        return self.adapter.trace(model, support, observe)

    def gradient(
        self, model: Model, tasks: Task, state: State, *, key: Key[Array, ""]
    ) -> tuple[PyTree, State, Metrics]:
        del key
        loss, grads = mean_in_tiles(lambda task: self._of_one(model, task), tasks)
        return grads, state, {"loss": loss}

    def _of_one(self, model: Model, task: Task) -> tuple[Float[Array, ""], PyTree]:
        view, pull_back = _view(model, task)
        adapted, fixed = trainable(self.adapt(view, task.support))

        def on(batch: Batch) -> Callable[[PyTree], Float[Array, ""]]:
            return lambda part: self.loss(eqx.combine(part, fixed), batch)

        loss, query_gradient = jax.value_and_grad(on(task.query))(adapted)

        def curved(vector: PyTree) -> PyTree:
            product = jax.jvp(jax.grad(on(task.support)), (adapted,), (vector,))[1]
            return jax.tree.map(lambda v, hv: v + hv / self.proximity, vector, product)

        solution = truncated_cg(curved, query_gradient, self.cg_steps)
        return loss, pull_back(solution)


def truncated_cg(product: Callable[[PyTree], PyTree], right: PyTree, steps: int) -> PyTree:
    """Solves `product(x) = right` by conjugate gradients that stop if the curvature is not
    positive.

    Away from a minimum the Hessian may be indefinite, and the result of JAX's `cg` is then
    meaningless.

    Source: Steihaug 1983, *The Conjugate Gradient Method and Trust Regions in Large Scale
    Optimization*, §2.
    """

    def step(
        carry: tuple[PyTree, PyTree, PyTree, Array], _: None
    ) -> tuple[tuple[PyTree, PyTree, PyTree, Array], None]:
        x, residual, direction, going = carry
        image = product(direction)
        curvature, size = inner(direction, image), inner(residual, residual)
        going = going & (curvature > 0) & (size > 0)
        length = jnp.where(going, size / jnp.where(going, curvature, 1), 0)
        x = jax.tree.map(lambda a, d: a + length * d, x, direction)
        residual = jax.tree.map(lambda r, i: r - length * i, residual, image)
        turn = inner(residual, residual) / jnp.where(size > 0, size, 1)
        direction = jax.tree.map(lambda r, d: r + turn * d, residual, direction)
        return (x, residual, direction, going), None

    start = (jax.tree.map(jnp.zeros_like, right), right, right, jnp.asarray(True))
    return jax.lax.scan(step, start, length=steps)[0][0]


def _view(model: Model, task: Task) -> tuple[Model, Callable[[PyTree], PyTree]]:
    """The model as the task sees it, and a function that turns a gradient of that view into one of
    the model."""
    moving, fixed = trainable(model)

    def view(part: PyTree) -> tuple[PyTree, PyTree]:
        return trainable(for_task(eqx.combine(part, fixed), task.index))

    part, pull_back, rest = jax.vjp(lambda p: view(p)[0], moving)[0:2] + (view(moving)[1],)
    return eqx.combine(part, rest), lambda cotangent: pull_back(cotangent)[0]
