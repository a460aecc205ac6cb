"""Balancers of losses: the formulas of their papers, computed plainly."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls

KEY = jr.key(0)
weigh = eqx.filter_jit(lambda method, stats, state, key=KEY: method.weigh(stats, state, key=key))
LOSSES = np.array(
    [
        [1.0, 4.0, 0.5],
        [0.9, 3.0, 0.5],
        [0.7, 3.5, 0.4],
        [0.7, 2.0, 0.1],
        [0.6, 1.0, 0.2],
        [0.5, 1.1, 0.3],
    ]
)


def stats(losses, present=None, index=None):
    losses = jnp.asarray(losses, jnp.result_type(float))
    present = jnp.ones(len(losses), bool) if present is None else jnp.asarray(present)
    index = jnp.arange(len(losses)) if index is None else jnp.asarray(index)
    return ls.multitask.TaskStats(losses, present, index)


def run(method, losses=LOSSES, index=None):
    """Weights at each step, and the last state."""
    state, all_weights = method.init(jnp.zeros(2)), []
    for line in losses:
        weights, state = weigh(method, stats(line, index=index), state)
        all_weights.append(np.asarray(weights))
    return np.array(all_weights), state


class Adam:
    """Adam as in its paper, with weight decay as part of the slope."""

    def __init__(self, value, lr, decay=0.0):
        self.value, self.lr, self.decay = np.asarray(value, float), lr, decay
        self.mean = self.square = np.zeros_like(self.value)
        self.steps = 0

    def step(self, slope):
        slope = slope + self.decay * self.value
        self.steps += 1
        self.mean = 0.9 * self.mean + 0.1 * slope
        self.square = 0.999 * self.square + 0.001 * slope**2
        mean, square = self.mean / (1 - 0.9**self.steps), self.square / (1 - 0.999**self.steps)
        self.value = self.value - self.lr * mean / (np.sqrt(square) + 1e-8)


def softmax(x):
    raised = np.exp(x - x.max())
    return raised / raised.sum()


def slope_of(function, at, small=1e-6):
    """Central differences."""
    steps = small * np.eye(len(at))
    return np.array([(function(at + step) - function(at - step)) / (2 * small) for step in steps])


def test_sum_is_the_number_of_tasks_times_the_mean():
    matrix = jnp.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.0]])
    assert np.allclose(ls.multitask.Sum().direction(matrix), 3 * ls.Mean().direction(matrix))


def test_fixed_weights_go_by_the_number_of_the_task():
    method = ls.multitask.FixedWeights(weights=jnp.array([5.0, 6.0, 7.0]))
    weights, _ = weigh(method, stats([1.0, 1.0, 1.0], index=[2, 0, 2]), None)
    assert weights.tolist() == [7.0, 5.0, 7.0]


UW_FORMS = {
    "regression": ({}, lambda loss, s: 0.5 * np.exp(-s) * loss + 0.5 * s),
    "classification": ({"classification": True}, lambda loss, s: np.exp(-s) * loss + 0.5 * s),
    "positive": (
        {"positive": True},
        lambda loss, s: 0.5 * np.exp(-s) * loss + np.log(1 + np.exp(s)),
    ),
}


@pytest.mark.parametrize("form", UW_FORMS)
def test_uw_is_the_slope_of_its_formula_and_descends_on_it(form):
    options, formula = UW_FORMS[form]
    weights, state = run(ls.UW(num_tasks=3, lr=0.1, **options))
    learnt = Adam(np.zeros(3), 0.1)
    for ours, losses in zip(weights, LOSSES, strict=True):
        slope = slope_of(lambda x: formula(x, learnt.value).sum(), losses)
        assert np.allclose(ours, slope, rtol=1e-4)
        learnt.step(slope_of(lambda s, losses=losses: formula(losses, s).sum(), learnt.value))
    assert np.allclose(state.value, learnt.value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("classification", (False, True))
def test_uw_at_its_optimum_weights_tasks_by_half_of_one_over_the_loss(classification):
    losses = np.array([0.25, 1.0, 8.0])
    method = ls.UW(num_tasks=3, classification=classification)
    best = jnp.asarray(np.log(losses * (2 if classification else 1)), jnp.result_type(float))
    state = eqx.tree_at(lambda s: s.value, method.init(jnp.zeros(2)), best)
    weights, after = weigh(method, stats(losses), state)
    assert np.allclose(weights, 0.5 / losses, rtol=1e-6)
    assert np.allclose(after.mean, 0, atol=1e-7)  # where the slope is zero


def test_uw_may_mix_regression_and_classification():
    weights, _ = run(ls.UW(num_tasks=3, classification=jnp.array([True, False, True])), LOSSES[:1])
    assert weights[0].tolist() == [1.0, 0.5, 1.0]


def test_imtl_l_makes_all_losses_one():
    losses = np.array([0.25, 1.0, 8.0])
    weights, _ = run(ls.multitask.IMTLL(num_tasks=3, lr=0.05), np.tile(losses, (300, 1)))
    assert np.allclose(weights[-1] * losses, 1, atol=1e-2)


def test_imtl_l_is_twice_uw_with_the_opposite_sign():
    ours, theirs = ls.multitask.IMTLL(num_tasks=3), ls.UW(num_tasks=3)
    (scales, state), (weights, uncertain) = run(ours), run(theirs)
    assert np.allclose(scales, 2 * weights, rtol=1e-4)
    assert np.allclose(state.value, -uncertain.value, rtol=1e-4, atol=1e-6)


def test_dwa_is_the_softmax_of_ratios_of_mean_losses_of_windows():
    weights, _ = run(ls.multitask.DWA(num_tasks=3, temperature=0.7, window=2))
    epochs = LOSSES.reshape(3, 2, 3).mean(axis=1)
    third = 3 * softmax(epochs[1] / epochs[0] / 0.7)
    assert np.allclose(weights, np.concatenate([np.ones((4, 3)), [third, third]]), rtol=1e-5)
    assert np.allclose(weights.sum(axis=1), 3)


def test_dwa_at_a_high_temperature_weights_tasks_equally():
    weights, _ = run(ls.multitask.DWA(num_tasks=3, temperature=1e6, window=1))
    assert np.allclose(weights, 1, atol=1e-5)


def test_dwa_averages_the_losses_of_present_tasks():
    """A task that is in every other batch has windows of its own losses only."""
    method = ls.multitask.DWA(num_tasks=2, temperature=1.0, window=2)
    state = method.init(jnp.zeros(2))
    for present, losses in zip(([1, 1], [1, 0]) * 3, ([8.0, 4.0], [8.0, 9.0]) * 3, strict=True):
        weights, state = weigh(method, stats(losses, np.array(present, bool)), state)
    assert state.last.tolist() == state.before.tolist() == [8.0, 4.0]


def test_gls_is_the_slope_of_the_geometric_mean():
    losses = np.array([0.3, 5.0, 2.0])
    weights, _ = weigh(ls.multitask.GLS(), stats(losses), None)
    assert np.allclose(weights, slope_of(lambda x: np.prod(x) ** (1 / 3), losses), rtol=1e-5)


@pytest.mark.parametrize(
    "method",
    (ls.multitask.GLS(), ls.multitask.STCH(num_tasks=3, warmup=10), ls.FAMO(num_tasks=3)),
    ids=repr,
)
def test_units_of_losses_do_not_matter(method):
    """With each loss in another unit, its weight times the unit is the same, up to a common
    factor."""
    losses, units = np.array([0.3, 5.0, 2.0]), np.array([1e-6, 1e3, 7.0])
    state = method.init(jnp.zeros(2))
    (one, _), (other, _) = (weigh(method, stats(x), state) for x in (losses, losses * units))
    relative = np.asarray(other) * units / np.asarray(one)
    assert np.allclose(relative, relative[0], rtol=1e-4)


def test_random_weights_are_a_softmax_of_normal_numbers():
    key = jr.key(3)
    weights, _ = weigh(ls.multitask.RLW(), stats([1.0, 1.0, 1.0]), None, key)
    assert np.allclose(weights, softmax(np.asarray(jr.normal(key, (3,)))), rtol=1e-5)


def test_random_weights_are_equal_on_average():
    method, losses = ls.multitask.RLW(), stats([1.0, 2.0, 3.0])
    draws = jax.vmap(lambda key: method.weigh(losses, None, key=key)[0])(jr.split(KEY, 4000))
    assert np.allclose(draws.mean(axis=0), 1 / 3, atol=4 * float(draws.std()) / np.sqrt(4000))


def test_stch_warms_up_on_logarithms_and_then_takes_the_smooth_worst():
    mu = 0.3
    weights, _ = run(ls.multitask.STCH(num_tasks=3, mu=mu, warmup=1, window=2))
    assert np.allclose(weights[:3], 1 / LOSSES[:3], rtol=1e-5)
    nadir = LOSSES[1:3].mean(axis=0)

    def formula(x):
        return 3 * mu * np.log(np.exp(np.log(x / nadir) / mu).sum())

    for ours, losses in zip(weights[3:], LOSSES[3:], strict=True):
        assert np.allclose(ours, slope_of(formula, losses), rtol=1e-4)


def test_stch_without_smoothing_trains_only_the_worst_task():
    weights, _ = run(ls.multitask.STCH(num_tasks=3, mu=1e-3, warmup=0, window=1))
    worst = (LOSSES[-1] / LOSSES[0]).argmax()
    assert np.allclose(weights[-1], 3 * np.eye(3)[worst] / LOSSES[-1])


def test_stch_with_much_smoothing_is_the_sum_of_logarithms():
    weights, _ = run(ls.multitask.STCH(num_tasks=3, mu=1e6, warmup=0, window=1))
    assert np.allclose(weights[-1], 1 / LOSSES[-1], rtol=1e-4)


def test_a_task_that_appears_late_has_its_first_loss_as_nadir():
    method = ls.multitask.STCH(num_tasks=2, mu=1.0, warmup=0, window=1)
    state = method.init(jnp.zeros(2))
    for present, losses in (([True, False], [2.0, 0.0]), ([True, True], [2.0, 5.0])):
        weights, state = weigh(method, stats(losses, present), state)
    assert np.allclose(weights * np.array([2.0, 5.0]), 1)  # both are at their nadirs


def test_cosmos_is_the_slope_of_its_formula():
    losses, preference = np.array([0.3, 5.0, 2.0]), np.array([0.2, 0.5, 0.3])

    def formula(x):
        along = preference @ x
        return along - 2.0 * along / np.linalg.norm(preference) / np.linalg.norm(x)

    array = jnp.asarray(preference, jnp.result_type(float))
    method = ls.multitask.COSMOS(penalty=2.0, preference=array)
    assert np.allclose(weigh(method, stats(losses), None)[0], slope_of(formula, losses), rtol=1e-4)


def test_cosmos_without_penalty_is_the_weighted_sum():
    preference = jnp.array([0.2, 0.5, 0.3])
    method = ls.multitask.COSMOS(penalty=0.0, preference=preference)
    weights, _ = weigh(method, stats(LOSSES[0]), None)
    assert np.allclose(weights, preference)


def test_pbi_is_the_slope_of_its_formula():
    losses, preference = np.array([0.3, 5.0, 2.0]), np.array([0.2, 0.5, 0.3])
    ideal = np.array([0.1, 0.2, 0.0])

    def formula(x):
        unit = preference / np.linalg.norm(preference)
        along = (x - ideal) @ unit
        return along + 5.0 * np.linalg.norm(x - ideal - along * unit)

    arrays = (jnp.asarray(x, jnp.result_type(float)) for x in (preference, ideal))
    weights, _ = weigh(ls.multitask.PBI(ls.mse, 5.0, *arrays), stats(losses), None)
    assert np.allclose(weights, slope_of(formula, losses), rtol=1e-4)


def test_pbi_on_the_direction_itself_is_the_projection():
    preference = jnp.array([1.0, 2.0, 2.0])
    weights, _ = weigh(ls.multitask.PBI(preference=preference), stats(3 * preference), None)
    assert np.allclose(weights, preference / 3, atol=1e-6)


class Point(eqx.Module):
    """Two numbers, whose prediction is their product with the input."""

    theta: jax.Array

    def __call__(self, x):
        return (self.theta @ x)[None]


def quadratics():
    """Three tasks of four points, all in the support set, and their numbers for NumPy."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(3, 4, size)).astype(np.float32) for size in (2, 1))
    points = ls.Batch(jnp.asarray(x), jnp.asarray(y), jnp.ones((3, 4)))
    empty = ls.Batch(jnp.zeros((3, 1, 2)), jnp.zeros((3, 1, 1)), jnp.zeros((3, 1)))
    tasks = ls.Task(points, empty, jnp.arange(3), jnp.zeros((3, 0)))
    return tasks, x.astype(float), y[..., 0].astype(float)


def test_famo_on_all_points_is_the_published_algorithm():
    """In the paper the losses after an update are those of the batch before it; here that is the
    same batch."""
    tasks, x, y = quadratics()
    method, model = ls.FAMO(num_tasks=3, lr=0.1, decay=0.01), Point(jnp.array([1.0, -1.0]))
    state = method.init(model)
    gradient = eqx.filter_jit(method.gradient)
    theta, logits = np.array([1.0, -1.0]), Adam(np.zeros(3), 0.1, 0.01)
    for _ in range(5):
        grads, state, _ = gradient(model, tasks, state, key=KEY)
        model = Point(model.theta - 0.1 * grads.theta)
        left = x @ theta - y
        losses = (left**2).mean(axis=1)
        weights = softmax(logits.value) / losses
        direction = (weights / weights.sum()) @ (2 * np.einsum("tp,tpi->ti", left, x) / 4)
        assert np.allclose(grads.theta, direction, rtol=1e-4)
        theta = theta - 0.1 * direction
        fall = np.log(losses) - np.log(((x @ theta - y) ** 2).mean(axis=1))
        share = softmax(logits.value)
        logits.step(share * (fall - share @ fall))


def test_famo_gives_more_weight_to_the_task_whose_loss_fell_less():
    method = ls.FAMO(num_tasks=2)
    learn = eqx.filter_jit(method.learn)
    learnt = learn(method.init(jnp.zeros(2)), jnp.array([1.0, 1.0]), stats([0.5, 0.9]))
    assert learnt.value[0] < 0 < learnt.value[1]


def test_the_first_weights_of_famo_are_one_over_the_losses_and_sum_to_one():
    losses = np.array([0.3, 5.0, 2.0])
    method = ls.FAMO(num_tasks=3)
    weights, _ = weigh(method, stats(losses), method.init(jnp.zeros(2)))
    assert np.allclose(weights, 1 / losses / (1 / losses).sum(), rtol=1e-5)


BAD = {
    "no tasks": (lambda: ls.UW(num_tasks=0), "UW: `num_tasks=0`"),
    "temperature": (
        lambda: ls.multitask.DWA(num_tasks=2, temperature=0.0),
        "DWA: `temperature=0.0`",
    ),
    "window": (lambda: ls.multitask.DWA(num_tasks=2, window=0), "DWA: `window=0`"),
    "mu": (lambda: ls.multitask.STCH(num_tasks=2, mu=-1.0), "STCH: `mu=-1.0`"),
    "decay": (lambda: ls.FAMO(num_tasks=2, decay=-1.0), "FAMO: `decay=-1.0`"),
    "penalty": (lambda: ls.multitask.PBI(penalty=float("nan")), "PBI: `penalty=nan`"),
    "more tasks than there are": (
        lambda: ls.UW(num_tasks=2).direction(jnp.eye(3)),
        "number 2, but the method was made for tasks numbered 0 to 1",
    ),
}


@pytest.mark.parametrize("make, words", BAD.values(), ids=BAD)
def test_an_error_says_what_is_wrong(make, words):
    with pytest.raises(ls.InputError, match=words):
        make()


def test_a_task_without_a_number_is_not_taken_for_another():
    method = ls.UW(num_tasks=2)
    weights, _ = weigh(method, stats([1.0, 1.0], index=[0, -1]), method.init(jnp.zeros(2)))
    assert np.isfinite(weights[0]) and np.isnan(weights[1])
