"""Theorems that tie the methods to each other."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls
from learnset.meta._through import query_loss


@eqx.filter_jit
def gradient(method, model, batch):
    return method.gradient(model, batch, method.init(model), key=jr.key(0))[0]


def wide(tree):
    """The tree in float64; only inside `jax.enable_x64(True)`."""
    return jax.tree.map(
        lambda leaf: leaf.astype(jnp.float64) if eqx.is_inexact_array(leaf) else leaf, tree
    )


@pytest.fixture
def batch(tasks, getkey):
    return tasks.draw(4, ls.Split.TRAIN, key=getkey())


@pytest.mark.slow
def test_maml_with_no_steps_is_plain_training_on_the_query_sets(model, batch):
    plain = eqx.filter_jit(
        eqx.filter_grad(lambda m: jax.vmap(lambda t: ls.mse(m, t.query))(batch).mean())
    )(model)
    assert_close(gradient(ls.MAML(ls.mse, steps=0), model, batch), plain)


@pytest.mark.parametrize("steps", [1, 3])
def test_first_order_maml_is_the_query_gradient_at_the_adapted_parameters(model, batch, steps):
    adapter = ls.FineTune(ls.mse, 0.05, steps)
    at_adapted = jax.vmap(
        lambda t: eqx.filter_grad(ls.mse)(adapter.adapt(model, t.support), t.query)
    )
    at_adapted = eqx.filter_jit(at_adapted)(batch)
    method = ls.MAML(ls.mse, 0.05, steps, ls.transfer.Unroll.FIRST_ORDER)
    assert_close(
        gradient(method, model, batch), jax.tree.map(lambda leaf: leaf.mean(axis=0), at_adapted)
    )


@pytest.mark.parametrize("steps", [1, 4])
def test_remat_gives_the_exact_gradient(model, batch, steps):
    exact, remat = (
        ls.MAML(ls.mse, 0.05, steps, unroll)
        for unroll in (ls.transfer.Unroll.EXACT, ls.transfer.Unroll.REMAT)
    )
    assert_close(gradient(exact, model, batch), gradient(remat, model, batch))


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 3])
def test_exact_maml_agrees_with_finite_differences(model, batch, steps):
    with jax.enable_x64(True):
        model, batch = wide(model), wide(batch)
        method = ls.MAML(ls.mse, 0.05, steps)
        grads = gradient(method, model, batch)
        direction = jax.tree.map(lambda g: jr.normal(jr.key(g.size), g.shape, g.dtype), grads)
        loss = eqx.filter_jit(lambda m: query_loss(m, method.adapter, ls.mse, batch))
        ahead, behind = (
            loss(eqx.apply_updates(model, jax.tree.map(lambda d, s=s: s * 1e-5 * d, direction)))
            for s in (1, -1)
        )
        slope = sum(
            jnp.vdot(g, d)
            for g, d in zip(jax.tree.leaves(grads), jax.tree.leaves(direction), strict=True)
        )
        assert (ahead - behind) / 2e-5 == pytest.approx(float(slope), rel=1e-7)


def test_the_one_step_gradient_is_the_hessian_formula(model, batch):
    """(I - lr H) g', written out with the whole Hessian of the support loss."""
    with jax.enable_x64(True):
        model, task = wide(model), wide(jax.tree.map(lambda leaf: leaf[0], batch))
        flat, unflatten = jax.flatten_util.ravel_pytree(eqx.filter(model, eqx.is_inexact_array))
        rest = eqx.filter(model, eqx.is_inexact_array, inverse=True)

        def loss(vector, points):
            return ls.mse(eqx.combine(unflatten(vector), rest), points)

        @jax.jit
        def formula(flat):
            adapted = flat - 0.05 * jax.grad(loss)(flat, task.support)
            factor = jnp.eye(len(flat)) - 0.05 * jax.hessian(loss)(flat, task.support)
            return factor @ jax.grad(loss)(adapted, task.query)

        one = jax.tree.map(lambda leaf: leaf[None], task)
        grads, _ = jax.flatten_util.ravel_pytree(gradient(ls.MAML(ls.mse, 0.05), model, one))
        assert_close(grads, formula(flat), rtol=1e-10, atol=1e-12)


def test_meta_sgd_with_a_constant_rate_is_maml(model, batch):
    grads = gradient(ls.MetaSGD(ls.mse, steps=2), ls.meta.WithRates(model, 0.05), batch).model
    assert_close(grads, gradient(ls.MAML(ls.mse, 0.05, steps=2), model, batch))


def test_anil_is_maml_that_moves_only_the_head(model, batch):
    maml = ls.MAML(ls.mse, 0.05, 3, where=lambda m: m.head)
    assert_close(gradient(ls.ANIL(ls.mse, 0.05, 3), model, batch), gradient(maml, model, batch))


def test_reptile_with_one_step_over_all_points_is_the_pooled_gradient(model, batch):
    reptile = ls.Reptile(ls.mse, inner_lr=0.05, steps=1, points=None)
    assert_close(
        gradient(reptile, model, batch),
        gradient(ls.Pooled(ls.mse), model, batch),
        rtol=1e-4,
        atol=1e-5,
    )


def test_reptile_moves_towards_the_end_of_plain_gradient_descent(model, batch):
    descent = ls.FineTune(ls.mse, 0.05, 4)
    ends = jax.vmap(lambda t: eqx.filter(descent.adapt(model, t.points), eqx.is_inexact_array))
    ends = eqx.filter_jit(ends)(batch)
    expected = jax.tree.map(
        lambda a, b: (a - b.mean(axis=0)) / 0.05, eqx.filter(model, eqx.is_inexact_array), ends
    )
    grads = gradient(ls.Reptile(ls.mse, inner_lr=0.05, steps=4, points=None), model, batch)
    assert_close(grads, expected, rtol=1e-4, atol=1e-5)


def test_no_gradient_reaches_the_context_that_every_task_resets(getkey, batch):
    net = ls.MLP(1, 1, width=8, key=getkey()).extend_inputs(3, key=getkey())
    grads = gradient(ls.CAVIA(ls.mse), ls.meta.WithContext(net, 3), batch)
    assert not grads.context.any()
    assert grads.model.layers[0].weight[1:].any()  # but the weights of the context have one


@pytest.mark.slow
def test_imaml_approaches_the_gradient_through_an_inner_loop_that_converges(getkey, batch):
    with jax.enable_x64(True):
        model = wide(ls.MLP(1, 1, width=4, depth=1, activation=jnp.tanh, key=getkey()))
        batch = wide(batch)
        errors = []
        for steps in (1, 3, 10, 300):
            method = ls.IMAML(ls.mse, inner_lr=0.02, steps=steps, proximity=20.0, cg_steps=60)
            through = eqx.filter_jit(eqx.filter_grad(query_loss))
            implicit, expected = (
                jax.flatten_util.ravel_pytree(grads)[0]
                for grads in (
                    gradient(method, model, batch),
                    through(model, method.adapter, ls.mse, batch),
                )
            )
            errors.append(float(jnp.linalg.norm(implicit - expected) / jnp.linalg.norm(expected)))
        assert errors[0] > errors[1] > errors[2] > errors[3]
        # The square root of rounding: nearer to the minimum, the inner objective is flat.
        assert errors[3] < 1e-7


def test_the_gradient_of_the_penalty_of_r2d2_agrees_with_finite_differences(model, batch):
    with jax.enable_x64(True):
        model, batch = ls.meta.WithRidge(wide(model), 0.5), wide(batch)
        method = ls.R2D2(ls.mse)
        slope = gradient(method, model, batch).log_l2

        @jax.jit
        def loss(log_l2):
            moved = eqx.tree_at(lambda m: m.log_l2, model, log_l2)
            return query_loss(moved, method.adapter, ls.mse, batch)

        up, down = (loss(model.log_l2 + e) for e in (1e-5, -1e-5))
        assert (up - down) / 2e-5 == pytest.approx(float(slope), rel=1e-6)


METHODS = [
    ls.MAML(ls.mse, 0.05, 2),
    ls.Pooled(ls.mse),
    ls.ANIL(ls.mse, 0.05),
    ls.Reptile(ls.mse, points=None),
]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_points_of_weight_zero_equal_removed_points(method, model, batch):
    def cut(points, keep):
        return jax.tree.map(lambda leaf: leaf[:, :keep], points)

    def hide(points, keep):
        kept = jnp.arange(points.weight.shape[1]) < keep
        x = jnp.where(kept[None, :, None], points.x, 9.0)
        y = jnp.where(kept[None, :, None], points.y, points.y + 7)
        return ls.Batch(x, y, jnp.where(kept[None], points.weight, 0))

    removed, hidden = (
        eqx.tree_at(
            lambda t: (t.support, t.query),
            batch,
            (change(batch.support, 3), change(batch.query, 4)),
        )
        for change in (cut, hide)
    )
    assert_close(gradient(method, model, removed), gradient(method, model, hidden), rtol=1e-4)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
def test_the_order_of_tasks_and_points_changes_nothing(method, model, batch):
    turned = jax.tree.map(lambda leaf: leaf[::-1], batch)
    sets = (
        jax.tree.map(lambda leaf: leaf[:, ::-1], points)
        for points in (turned.support, turned.query)
    )
    turned = eqx.tree_at(lambda t: (t.support, t.query), turned, tuple(sets))
    assert_close(gradient(method, model, batch), gradient(method, model, turned), rtol=1e-4)


def test_ridge_with_the_right_prior_is_the_bayes_optimum_and_no_other_penalty_beats_it(getkey):
    """With one scale for all weights and a mean of zero, the penalty of Bayes is noise² /
    scale²."""
    family = ls.LinearGaussian(
        shots=12, queries=200, mean=0.0, largest=0.7, smallest=0.7, noise=0.3
    )
    batch = eqx.filter_jit(family.draw)(400, ls.Split.TEST, key=getkey())

    def error(weights):
        return np.asarray(
            jax.vmap(lambda w, q: jnp.mean((q.x @ w - q.y[:, 0]) ** 2))(weights, batch.query)
        )

    def ridge(l2):
        def solve(s):
            return jnp.linalg.solve(s.x.T @ s.x + l2 * jnp.eye(8), s.x.T @ s.y[:, 0])

        return error(jax.jit(jax.vmap(solve))(batch.support))

    best = error(jax.jit(jax.vmap(family.bayes))(batch.support))
    right = ridge(0.3**2 / 0.7**2)
    assert np.allclose(right, best, rtol=1e-3, atol=1e-5)
    for l2 in (1e-3, 0.02, 2.0, 20.0):
        difference = ridge(l2) - best
        assert difference.mean() > -1.96 * difference.std() / np.sqrt(len(difference))
    expected = np.asarray(jax.vmap(family.bayes_error)(batch.support))
    assert abs((best - expected).mean()) < 3 * (best - expected).std() / np.sqrt(len(best))
