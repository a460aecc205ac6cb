"""Pulling back: penalties, and models between models."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close

import learnset as ls
from learnset.transfer import (
    BSS,
    CoTuning,
    DELTA,
    Distil,
    greedy_soup,
    L2SP,
    Mixout,
    Soup,
    soup,
    WiSE,
)

adapt = eqx.filter_jit(lambda adapter, model, support: adapter.adapt(model, support))
ADAM = ls.FineTune(ls.mse, 0.05, 5, optimiser=optax.adam)


@pytest.fixture(scope="module")
def support():
    x = jnp.linspace(-1.0, 1.0, 6)[:, None]
    return ls.Batch(x, jnp.sin(3 * x))


@pytest.fixture(scope="module")
def model():
    return ls.MLP(1, 1, width=4, depth=1, key=jr.key(0))


def pulled(penalty, steps=5, lr=0.05, optimiser=optax.adam):
    return ls.FineTune(ls.mse, lr, steps, optimiser=optimiser, penalty=penalty)


def distance(model, other):
    squares = jax.tree.map(lambda a, b: ((a - b) ** 2).sum(), model, other)
    return float(sum(jax.tree.leaves(squares)))


def test_l2_sp_of_infinite_strength_moves_nothing_and_of_none_is_fine_tuning(model, support):
    assert eqx.tree_equal(adapt(pulled(L2SP(float("inf"))), model, support), model)
    assert_close(adapt(pulled(L2SP(0.0)), model, support), adapt(ADAM, model, support))
    away = [distance(adapt(pulled(L2SP(s)), model, support), model) for s in (0.0, 1.0, 10.0)]
    assert away[0] > away[1] > away[2] > 0


def test_l2_sp_ends_where_the_penalised_loss_has_its_minimum():
    """A ridge regression towards the start, in closed form."""
    with jax.enable_x64(True):
        x, y, strength = jr.normal(jr.key(0), (9, 3)), jr.normal(jr.key(1), (9, 1)), 0.7
        base = eqx.nn.Linear(3, 1, use_bias=False, key=jr.key(2))
        base = eqx.tree_at(lambda m: m.weight, base, base.weight.astype(float))
        adapter = pulled(L2SP(strength), 3000, 0.02, optax.sgd)
        found = adapt(adapter, base, ls.Batch(x, y)).weight[0]
        start = base.weight[0]
        best = jnp.linalg.solve(
            2 / 9 * x.T @ x + strength * jnp.eye(3), 2 / 9 * x.T @ y[:, 0] + strength * start
        )
        assert_close(found, best, atol=1e-9)


def test_l2_sp_of_a_part_leaves_the_rest_free(model, support):
    adapter = pulled(L2SP(float("inf"), where=lambda m: m.layers))
    after = adapt(adapter, model, support)
    assert eqx.tree_equal(after.layers, model.layers) and distance(after.head, model.head) > 0


def test_delta_keeps_features_and_not_parameters(model, support):
    free, kept = (
        adapt(adapter, model, support)
        for adapter in (ADAM, pulled(DELTA(1e4), optimiser=optax.adam))
    )
    before, *after = (ls.core._predict.features(m, support.x) for m in (model, free, kept))
    assert jnp.abs(after[1] - before).max() < jnp.abs(after[0] - before).max() / 2
    assert distance(kept.head, model.head) > 0


def test_bss_is_the_sum_of_the_smallest_squared_singular_values():
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    points = ls.Batch(jnp.asarray(values), jnp.ones((5, 1)), jnp.array([1.0, 1, 1, 1, 0]))
    raw = ls.models.Headed(ls.models.Raw(), None)
    squares = np.linalg.svd(values[:4], compute_uv=False) ** 2
    cost = BSS(1.0, 2).cost(raw, raw, points)
    assert_close(cost, squares[1:].sum(), rtol=1e-4)

    def of_scale(scale):
        return BSS(1.0, 2).cost(raw, raw, ls.Batch(scale * points.x, points.y, points.weight))

    assert_close(jax.grad(of_scale)(1.0), 2 * cost, rtol=1e-4)


def test_mixout_sees_the_start_or_more_than_the_present_and_the_present_on_average():
    mixout, start, now = Mixout(0.25), {"w": jnp.ones(20_000)}, {"w": jnp.full(20_000, 4.0)}
    seen = mixout.seen(now, start, key=jr.key(0))["w"]
    assert set(np.unique(seen)) == {1.0, 5.0}
    assert abs(float(seen.mean()) - 4) < 0.05


def test_mixout_draws_anew_in_each_step(model, support):
    trace = eqx.filter_jit(pulled(Mixout(0.5), 3, optimiser=optax.sgd).trace)
    path = trace(model, support, lambda predictor: predictor.head.weight)
    still = [(np.asarray(path[i + 1]) == np.asarray(path[i])) for i in range(3)]
    assert not (still[0] == still[1]).all() or not (still[1] == still[2]).all()


@pytest.mark.parametrize("loss", (ls.mse, ls.cross_entropy), ids=("mse", "cross-entropy"))
def test_distillation_alone_ends_at_its_source(loss):
    x = jr.normal(jr.key(0), (8, 2))
    source, student = (eqx.nn.Linear(2, 3, key=key) for key in jr.split(jr.key(1)))
    penalty = Distil(1.0, source, loss=loss)
    nothing = ls.FineTune(lambda predictor, batch: 0.0, 0.5, 400, penalty=penalty)
    after = adapt(nothing, student, ls.Batch(x, jnp.eye(3)[jnp.arange(8) % 3]))
    now, wanted = (jax.vmap(m)(x) for m in (after, source))
    if loss is ls.cross_entropy:
        now, wanted = jax.nn.softmax(now), jax.nn.softmax(wanted)
    assert_close(now, wanted, atol=1e-3)


@pytest.mark.parametrize("penalty", (DELTA(), Distil(loss=ls.mse), BSS()), ids=repr)
def test_points_without_weight_do_not_pull(penalty, support, model):
    other = ls.MLP(1, 1, width=4, depth=1, key=jr.key(9))
    extra = jax.tree.map(
        lambda a, b: jnp.concatenate([a, b]),
        support,
        ls.Batch(jnp.full((2, 1), 7.0), jnp.full((2, 1), 7.0), jnp.zeros(2)),
    )
    costs = [penalty.cost(other, model, points) for points in (support, extra)]
    assert_close(*costs, atol=1e-6)
    assert float(costs[0]) > 0


@pytest.mark.slow
def test_co_tuning_without_strength_is_a_new_head_and_fine_tuning():
    model, x = ls.MLP(2, 4, width=3, depth=1, key=jr.key(0)), jr.normal(jr.key(1), (6, 2))
    points = ls.Batch(x, jnp.eye(3)[jnp.arange(6) % 3])
    plain = ls.transfer.FreshHead(ls.FineTune(ls.cross_entropy, 0.1, 3))
    co_tuned = [
        adapt(CoTuning(ls.cross_entropy, 0.1, 3, strength=strength), model, points)
        for strength in (0.0, 1.0)
    ]
    assert_close(co_tuned[0], adapt(plain, model, points), atol=1e-6)
    assert distance(co_tuned[1].encoder, co_tuned[0].encoder) > 0


def test_wise_at_0_and_1_are_the_two_ends(model, support):
    tuned = adapt(ADAM, model, support)
    assert_close(adapt(WiSE(ADAM, 0.0), model, support), model)
    assert_close(adapt(WiSE(ADAM, 1.0), model, support), tuned)
    middle = adapt(WiSE(ADAM, 0.5), model, support)
    assert_close(middle.head.weight, (model.head.weight + tuned.head.weight) / 2, atol=1e-6)


def test_a_soup_of_one_is_the_one(model, support):
    assert eqx.tree_equal(soup([model]), model)
    assert_close(adapt(Soup((ADAM,)), model, support), adapt(ADAM, model, support))


def test_a_greedy_soup_is_never_worse_than_its_best_model_on_validation_points():
    def score(value):
        return -abs(float(value) - 2.0)

    models = [jnp.array(v) for v in (1.0, 9.0, 2.9, 3.2)]
    # 2.9 is best; with 1.0 the mean is 1.95, better; 3.2 makes 2.37 and 9.0 more, both worse.
    assert float(greedy_soup(models, score)) == pytest.approx(1.95)


def test_wrong_numbers_are_errors():
    for make in (lambda: L2SP(-1.0), lambda: L2SP(float("nan")), lambda: Mixout(1.0)):
        with pytest.raises(ls.InputError, match="but it must be"):
            make()
    with pytest.raises(ls.InputError, match="takes no `pace` and no `penalty`"):
        ls.transfer.LoRA(penalty=L2SP())


# Stochastic normalisation


@pytest.fixture(scope="module")
def images():
    """A network with statistics of a source, and points of a target that is brighter."""
    encoder = ls.Conv4((4, 4, 1), filters=3, blocks=2, key=jr.key(0))
    model = ls.models.Headed(encoder, ls.models.Linear(encoder.size, 2, key=jr.key(1)))
    x, y = jr.normal(jr.key(2), (8, 4, 4, 1)), jnp.eye(2)[jnp.arange(8) % 2]
    return ls.core.settled(model, ls.Batch(x, y)), ls.Batch(3 * x + 2, y)


def stoch_norm(share, momentum, steps=4):
    adapter = ls.transfer.StochNorm(ls.cross_entropy, 0.1, steps, share=share, momentum=momentum)
    return ls.core.traced(adapter)  # compiled once


def statistics_of(model):
    return [block.normalisation.settled for block in model.encoder.blocks]


@pytest.mark.slow
def test_stochastic_normalisation_that_always_takes_the_stored_is_fine_tuning(images):
    source, points = images
    plain = adapt(ls.FineTune(ls.cross_entropy, 0.1, 4), source, points)
    kept = adapt(stoch_norm(1.0, 0.0), source, points)
    assert_close(kept, plain, atol=1e-6)
    assert eqx.tree_equal(statistics_of(kept), statistics_of(source))


@pytest.mark.slow
def test_stochastic_normalisation_that_never_does_is_fine_tuning_by_those_of_the_support(images):
    source, points = images
    none = [None] * len(source.encoder.blocks)
    fresh = eqx.tree_at(statistics_of, source, none)
    plain = adapt(ls.FineTune(ls.cross_entropy, 0.1, 4), fresh, points)
    never = adapt(stoch_norm(0.0, 1.0), source, points)
    weights = [[block.convolution for block in m.encoder.blocks] for m in (never, plain)]
    assert_close(*weights, atol=1e-5)
    # Stored are the statistics before the last step; after none, those of the start.
    before = ls.core.settled(fresh, points)
    assert_close(statistics_of(adapt(stoch_norm(0.0, 1.0, 1), source, points)),
                 statistics_of(before), atol=1e-5)  # fmt: skip


@pytest.mark.slow
def test_stored_statistics_follow_by_the_momentum(images):
    source, points = images
    target = statistics_of(ls.core.settled(eqx.tree_at(statistics_of, source, [None] * 2), points))
    after = statistics_of(adapt(stoch_norm(0.0, 0.1, 1), source, points))
    old = statistics_of(source)
    assert_close(
        after[0], jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, old[0], target[0]), atol=1e-5
    )


@pytest.mark.slow
def test_channels_are_chosen_anew_in_each_step_and_points_without_weight_do_not_count(images):
    source, points = images
    mixed = adapt(stoch_norm(0.5, 0.1), source, points)
    ends = [adapt(stoch_norm(share, 0.1), source, points) for share in (0.0, 1.0)]
    assert all(distance(mixed.head, end.head) > 1e-8 for end in ends)
    extra = jax.tree.map(lambda a: jnp.concatenate([a, 7 + a[:2]]), points)
    extra = eqx.tree_at(lambda b: b.weight, extra, extra.weight.at[-2:].set(0))
    assert_close(adapt(stoch_norm(0.5, 0.1), source, extra), mixed, atol=1e-5)


def test_a_model_without_stored_statistics_is_an_error(model, support):
    with pytest.raises(ls.InputError, match="MLP has no `SupportNorm`"):
        stoch_norm(0.5, 0.1).adapt(model, support)
    with pytest.raises(ls.InputError, match="from 0 to 1"):
        stoch_norm(1.5, 0.1)
