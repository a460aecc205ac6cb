"""Ours and TorchJD's on the same random losses and gradients, where TorchJD is installed."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls

torch = pytest.importorskip("torch", reason="PyTorch, which TorchJD needs, is not installed")
scalarization = pytest.importorskip(
    "torchjd.scalarization", reason="TorchJD is not installed: nothing to compare with"
)
aggregation = pytest.importorskip(
    "torchjd.aggregation", reason="TorchJD is not installed: nothing to compare with"
)

KEY = jr.key(0)
TASKS, PARAMS, STEPS = 4, 9, 6
RNG = np.random.default_rng(0)
LOSSES = RNG.uniform(0.3, 4.0, size=(STEPS, TASKS)).astype(np.float32)
GRADS = RNG.normal(size=(STEPS, TASKS, PARAMS)).astype(np.float32)
PREFERENCE = np.array([0.1, 0.4, 0.3, 0.2], np.float32)


def stats(losses):
    return ls.multitask.TaskStats(jnp.asarray(losses), jnp.ones(TASKS, bool), jnp.arange(TASKS))


def ours(method, losses, state=None):
    weights, state = method.weigh(stats(losses), state, key=KEY)
    return np.asarray(weights), state


def theirs(scalarizer, losses):
    values = torch.tensor(losses, requires_grad=True)
    scalarizer(values).backward()
    return values.grad.numpy()


def close(left, right):
    return np.allclose(left, right, rtol=1e-4, atol=1e-5)


STATELESS = {
    "sum": (ls.multitask.Sum(), lambda: scalarization.Sum()),
    "mean": (ls.Mean(), lambda: scalarization.Mean()),
    "fixed weights": (
        ls.multitask.FixedWeights(weights=jnp.asarray(PREFERENCE)),
        lambda: scalarization.Constant(torch.tensor(PREFERENCE)),
    ),
    "gls": (ls.multitask.GLS(), lambda: scalarization.GeometricMean()),
    "cosmos": (
        ls.multitask.COSMOS(penalty=2.0, preference=jnp.asarray(PREFERENCE)),
        lambda: scalarization.COSMOS(2.0, torch.tensor(PREFERENCE)),
    ),
    "pbi": (
        ls.multitask.PBI(
            penalty=3.0, preference=jnp.asarray(PREFERENCE), ideal=jnp.full(TASKS, 0.1)
        ),
        lambda: scalarization.PBI(3.0, torch.tensor(PREFERENCE), torch.full((TASKS,), 0.1)),
    ),
}


@pytest.mark.parametrize("name", STATELESS)
def test_weights_of_losses_are_the_same(name):
    method, make = STATELESS[name]
    for losses in LOSSES:
        assert close(ours(method, losses)[0], theirs(make(), losses))


@pytest.mark.parametrize("name", ("UW", "IMTLL"))
def test_learnt_weights_are_the_same_with_adam(name):
    method = getattr(ls.multitask, name)(num_tasks=TASKS, lr=0.05)
    scalarizer = getattr(scalarization, name)(TASKS)
    state, adam = method.init(jnp.zeros(1)), torch.optim.Adam(scalarizer.parameters(), lr=0.05)
    for losses in LOSSES:
        weights, state = ours(method, losses, state)
        adam.zero_grad()
        assert close(weights, theirs(scalarizer, losses))
        adam.step()


def test_dwa_is_the_same():
    method = ls.multitask.DWA(num_tasks=TASKS, temperature=0.5, window=2)
    scalarizer = scalarization.DWA(0.5)
    state = method.init(jnp.zeros(1))
    for i, losses in enumerate(LOSSES):
        weights, state = ours(method, losses, state)
        assert close(weights, theirs(scalarizer, losses))
        if i % 2:
            scalarizer.step()


def test_stch_is_the_same_on_logarithms():
    """TorchJD takes losses times preferences that sum to one; ours takes their logarithms."""
    method = ls.multitask.STCH(num_tasks=TASKS, mu=0.3, warmup=0, window=1)
    state = method.init(jnp.zeros(1))
    _, state = ours(method, np.ones(TASKS, np.float32), state)  # the nadir
    for values in LOSSES:
        weights, state = ours(method, np.exp(values), state)
        scalarizer = scalarization.STCH(mu=0.3 / TASKS)
        assert close(weights * np.exp(values), TASKS**2 * theirs(scalarizer, values))


def test_famo_is_the_same():
    method = ls.FAMO(num_tasks=TASKS, lr=0.1, decay=0.01)
    scalarizer = scalarization.FAMO(TASKS, None, 0.1, 0.01)
    state = method.init(jnp.zeros(1))
    for before, after in zip(LOSSES[:-1], LOSSES[1:], strict=True):
        weights, state = ours(method, before, state)
        assert close(weights, theirs(scalarizer, before))
        scalarizer.update(torch.tensor(after))
        learnt = method.learn(state, jnp.asarray(before), stats(after))
        state = type(state)(learnt, state.previous, state.began)


def directions(method):
    state = method.init(jnp.zeros(PARAMS))
    for matrix, losses in zip(GRADS, LOSSES, strict=True):
        direction, state = method.balance(jnp.asarray(matrix), stats(losses), state, key=KEY)
        yield np.asarray(direction)


def test_excess_mtl_is_the_same_after_a_warm_up_of_one_step():
    """Without one, the first step of TorchJD is not relative to the baseline, as it is in the
    paper."""
    aggregator = aggregation.ExcessMTL(robust_step_size=0.2, n_warmup_steps=1)
    ours = directions(ls.multitask.ExcessMTL(num_tasks=TASKS, lr=0.2))
    for matrix, direction in zip(GRADS, ours, strict=True):
        assert close(direction, aggregator(torch.tensor(matrix)).numpy())


def test_the_trimmed_mean_is_the_same():
    for matrix, direction in zip(GRADS, directions(ls.multitask.TrimmedMean(trim=1)), strict=True):
        assert close(direction, aggregation.TrimmedMean(1)(torch.tensor(matrix)).numpy())


def test_grad_drop_is_the_same_where_nothing_is_in_conflict():
    matrix = np.abs(GRADS[0]) * np.sign(GRADS[0][:1])
    assert close(
        ls.multitask.GradDrop().direction(jnp.asarray(matrix)),
        aggregation.GradDrop()(torch.tensor(matrix)).numpy(),
    )
