"""Advantages: a return minus a value, a one-step error, and all between, compared with a slow
loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from learnset.rl import advantages

STEPS = 6
numbers = st.lists(st.floats(-3, 3, width=32), min_size=2 * STEPS + 1, max_size=2 * STEPS + 1)
shares = st.floats(0, 1, width=32)
ends = st.integers(0, STEPS)
a_few = settings(deadline=None, max_examples=60, derandomize=True)


@jax.jit
def estimated(reward, value, last_value, alive, discount, decay):
    return advantages(reward, value, last_value, alive, discount=discount, decay=decay)


def parts(numbers, end):
    """Rewards, values and the last value of a task that is over after `end` steps, or that
    continues if `end` is all of them."""
    reward, value, last = np.split(np.float32(numbers), [STEPS, 2 * STEPS])
    alive = np.float32(np.arange(STEPS) < end)
    return reward, value, last[0] * np.float32(end == STEPS), alive


def close(left, right):
    return np.allclose(left, right, rtol=1e-4, atol=1e-4)


def slow(reward, value, last_value, discount, decay):
    """By definition: for each step a sum over all later ones."""
    following = np.append(value[1:], last_value)
    surprise = reward + discount * following - value
    ahead = np.arange(len(reward)) - np.arange(len(reward))[:, None]
    return np.where(ahead >= 0, (discount * decay) ** np.maximum(ahead, 0), 0.0) @ surprise


@given(numbers, ends, shares)
@a_few
def test_without_decay_they_are_the_discounted_return_minus_the_value(numbers, end, discount):
    reward, value, last, alive = parts(numbers, end)
    estimates = estimated(reward, value, last, alive, np.float32(discount), np.float32(1))
    future = last
    for step in reversed(range(end)):
        future = reward[step] + discount * future
        assert close(estimates[step], future - value[step])


@given(numbers, ends, shares)
@a_few
def test_with_full_decay_they_are_the_error_of_one_step(numbers, end, discount):
    reward, value, last, alive = parts(numbers, end)
    estimates = estimated(reward, value, last, alive, np.float32(discount), np.float32(0))
    following = np.append(value[1:end], last) if end else []
    assert close(estimates[:end], reward[:end] + discount * np.float32(following) - value[:end])


@given(numbers, ends, shares, shares)
@a_few
def test_they_are_sums_of_errors_of_one_step(numbers, end, discount, decay):
    reward, value, last, alive = parts(numbers, end)
    estimates = estimated(reward, value, last, alive, np.float32(discount), np.float32(decay))
    assert close(estimates[:end], slow(reward[:end], value[:end], last, discount, decay))


large = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2 * STEPS, max_size=2 * STEPS)


@given(numbers, large, ends)
@a_few
def test_nothing_after_the_end_of_a_task_counts(numbers, noise, end):
    reward, value, last, alive = parts(numbers, end)
    noisy = np.where(alive > 0, np.stack([reward, value]), np.float32(noise).reshape(2, STEPS))
    options = alive, np.float32(0.9), np.float32(0.8)
    estimates = estimated(*noisy, last, *options)
    assert np.array_equal(estimates, estimated(reward, value, last, *options))
    assert not np.asarray(estimates)[end:].any()


@given(numbers)
@a_few
def test_a_critic_that_is_right_leaves_no_advantage(numbers):
    reward, _, last, alive = parts(numbers, STEPS)
    value = [last]
    for now in reversed(reward):
        value.insert(0, now + 0.5 * value[0])
    options = alive, np.float32(0.5), np.float32(0.7)
    assert close(estimated(reward, np.float32(value[:-1]), last, *options), 0)


@pytest.mark.parametrize("dtype", (jnp.float32, jnp.float16))
def test_the_type_of_numbers_stays(dtype):
    ones = jnp.ones(STEPS, dtype)
    assert advantages(ones, ones, ones[0], ones, discount=0.9, decay=0.9).dtype == dtype
