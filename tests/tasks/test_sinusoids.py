"""Sines: known numbers, and the families of three papers."""

import math

import equinox as eqx
import jax
import jax.random as jr
import numpy as np
import pytest
from conftest import assert_close

import learnset as ls

FAMILIES = {
    "maml": ls.Sinusoids(shots=4, queries=6),
    "meta_sgd": ls.Sinusoids.meta_sgd(shots=4, queries=6),
    "reptile": ls.Sinusoids.reptile(shots=4),
    "half": ls.Sinusoids(shots=4, queries=6, support_inputs=(0.0, 5.0)),
}
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)

draw = eqx.filter_jit(lambda family, num, split, key: family.draw(num, split, key=key))
sample = eqx.filter_jit(lambda family, split, key: family.sample(split, key=key))

# The published errors of predictors that know nothing of the task.
CONSTANTS = {
    "zero": (lambda x: 0 * x, 4.2517),
    "the best function": (lambda x: -2.55 * 2 / math.pi * np.cos(x), 3.006),
}


def quadrature(low, high, num=60):
    nodes, weights = np.polynomial.legendre.leggauss(num)
    return low + (high - low) * (nodes + 1) / 2, weights / 2


@pytest.mark.parametrize("predict, error", CONSTANTS.values(), ids=CONSTANTS)
def test_a_predictor_without_knowledge_of_the_task_has_its_published_error(predict, error):
    (a, a_weight), (phase, phase_weight), (x, x_weight) = (
        quadrature(0.1, 5),
        quadrature(0, math.pi),
        quadrature(-5, 5),
    )
    wave = a[:, None, None] * np.sin(x[None, None] - phase[None, :, None])
    errors = (wave - predict(x)[None, None]) ** 2
    exact = np.einsum("apx,a,p,x", errors, a_weight, phase_weight, x_weight)
    assert abs(exact - error) < 5e-4

    drawn = draw(ls.Sinusoids(shots=1, queries=40), 4000, ls.Split.TEST, jr.key(3)).query
    of_task = (
        (np.asarray(drawn.y, np.float64) - predict(np.asarray(drawn.x, np.float64))) ** 2
    ).mean(axis=(1, 2))
    assert abs(of_task.mean() - exact) < 3 * of_task.std() / math.sqrt(len(of_task))


def test_the_best_function_is_the_mean_over_tasks():
    (phase, phase_weight), x = quadrature(0, math.pi), np.linspace(-5, 5, 21)
    mean = 2.55 * np.einsum("px,p->x", np.sin(x[None] - phase[:, None]), phase_weight)
    assert np.allclose(mean, CONSTANTS["the best function"][0](x), atol=1e-12)


@each_family
def test_latents_and_inputs_stay_in_their_ranges_and_fill_them(family):
    tasks = jax.tree.map(np.asarray, draw(family, 2000, ls.Split.TRAIN, jr.key(0)))
    ranges = [family.amplitude, family.phase] + (
        [family.frequency] if tasks.latents.shape[1] == 3 else []
    )
    inputs = [family.support_inputs or family.inputs, family.inputs]
    for (low, high), values in zip(
        ranges + inputs, [*tasks.latents.T, tasks.support.x, tasks.query.x], strict=True
    ):
        width, rounding = high - low, 1e-5
        assert low - rounding <= values.min() < low + 0.01 * width
        assert high - 0.01 * width < values.max() <= high + rounding


@each_family
def test_the_function_of_the_latents_gives_the_targets(family):
    task = sample(family, ls.Split.TRAIN, jr.key(1))
    values = jax.jit(lambda x: family.function(task.latents, x))(task.points.x)
    assert_close(task.points.y, values, rtol=1e-5, atol=1e-5)


def test_maml_has_amplitudes_to_five_phases_to_pi_and_one_frequency():
    family = ls.Sinusoids()
    assert (family.amplitude, family.phase) == ((0.1, 5.0), (0.0, math.pi))
    assert (family.frequency, family.inputs) == ((1.0, 1.0), (-5.0, 5.0))
    assert (family.shots, family.queries, family.grid) == (10, 10, False)
    x = np.linspace(-5, 5, 9, dtype=np.float32)
    values = family.function(np.array([2.0, 0.7], np.float32), x)
    assert np.allclose(values, 2 * np.sin(x - 0.7), rtol=1e-5, atol=1e-6)


def test_meta_sgd_is_a_sin_of_omega_x_plus_b():
    family = ls.Sinusoids.meta_sgd()
    task = sample(family, ls.Split.TRAIN, jr.key(0))
    amplitude, phase, omega = np.asarray(task.latents)
    assert 0 <= -phase <= math.pi and 0.8 <= omega <= 1.2
    assert np.allclose(
        task.query.y, amplitude * np.sin(omega * np.asarray(task.query.x) + (-phase)), atol=1e-5
    )


def test_reptile_has_all_phases_and_fifty_evenly_spaced_queries():
    family = ls.Sinusoids.reptile()
    task = sample(family, ls.Split.TRAIN, jr.key(0))
    assert family.phase == (0.0, 2 * math.pi) and family.shots == 10
    assert np.allclose(np.asarray(task.query.x)[:, 0], np.linspace(-5, 5, 50), rtol=1e-6, atol=1e-6)


def test_one_key_is_one_task_and_another_key_another(tasks, getkey):
    key = getkey()
    one, again, other = (sample(tasks, ls.Split.TRAIN, k) for k in (key, key, getkey()))
    assert eqx.tree_equal(one, again)
    assert not np.any(np.asarray(one.latents) == np.asarray(other.latents))


def test_with_one_key_splits_draw_different_tasks(tasks, getkey):
    key = getkey()
    latents = np.concatenate([draw(tasks, 50, split, key).latents for split in ls.Split])
    assert len(np.unique(latents, axis=0)) == 150


def test_other_shots_leave_the_family_as_it_is():
    family = ls.Sinusoids(
        4, 6, amplitude=(1.0, 2.0), frequency=(0.5, 0.7), support_inputs=(0.0, 1.0), grid=True
    )
    assert family.with_shots(7) == ls.Sinusoids(
        7, 6, (1.0, 2.0), family.phase, (0.5, 0.7), (-5.0, 5.0), (0.0, 1.0), True
    )
    assert family.with_shots(7, 8).queries == 8


@pytest.mark.parametrize(
    "bad",
    (
        {"shots": 0},
        {"queries": -1},
        {"shots": 2.5},
        {"amplitude": (2.0, 1.0)},
        {"phase": (0.0, math.inf)},
        {"frequency": (math.nan, 1.0)},
        {"inputs": (5.0, -5.0)},
        {"support_inputs": (1.0, 0.0)},
    ),
    ids=str,
)
def test_an_error_names_the_argument_and_its_value(bad):
    ((name, value),) = bad.items()
    with pytest.raises(ls.InputError) as error:
        ls.Sinusoids(**bad)
    assert f"`{name}={value}`" in str(error.value)
