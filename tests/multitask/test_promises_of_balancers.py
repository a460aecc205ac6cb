"""The promises of every balancer of losses, and of every one with a state, whatever the gradients
and whichever tasks are absent."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import learnset as ls

KEY = jr.key(0)
RNG = np.random.default_rng(1)
STEPS, ROWS, PARAMS, NUMBERED = 3, 4, 6, 7
GRADS = RNG.normal(size=(STEPS, ROWS, PARAMS))
LOSSES = RNG.uniform(0.5, 4.0, size=(STEPS, ROWS))
INDEX = np.array([5, 0, 3, 2])

MANY = {"num_tasks": NUMBERED}
WEIGHTS = jnp.arange(1.0, NUMBERED + 1)
# With the factor of the first gradient of a single task, whose loss is 2.
BALANCERS = {
    "sum": (ls.multitask.Sum(), 1),
    "fixed weights": (ls.multitask.FixedWeights(weights=WEIGHTS), 6),
    "uw": (ls.UW(**MANY), 0.5),
    "uw of classification": (ls.UW(**MANY, classification=True, positive=True), 1),
    "imtl-l": (ls.multitask.IMTLL(**MANY), 1),
    "dwa": (ls.multitask.DWA(**MANY, window=1), 1),
    "gls": (ls.multitask.GLS(), 1),
    "rlw": (ls.multitask.RLW(), 1),
    "stch": (ls.multitask.STCH(**MANY, mu=0.1, warmup=0, window=1), 0.5),
    "famo": (ls.FAMO(**MANY), 1),
    "cosmos": (ls.multitask.COSMOS(preference=WEIGHTS), 6),
    "pbi": (ls.multitask.PBI(preference=WEIGHTS), 1),
    "gradnorm": (ls.GradNorm(**MANY), 1),
    "graddrop": (ls.multitask.GradDrop(leak=0.1), 1),
    "moco": (ls.multitask.MoCo(**MANY), 0.5),
    "db-mtl": (ls.multitask.DBMTL(**MANY), 0.05),
    "excessmtl": (ls.multitask.ExcessMTL(**MANY), 1),
    "trimmed mean": (ls.multitask.TrimmedMean(), 1),
    "metabalance": (ls.multitask.MetaBalance(**MANY, main=3), 1),
}
balance = eqx.filter_jit(
    lambda method, jacobian, stats, state, key=KEY: method.balance(jacobian, stats, state, key=key)
)


@pytest.fixture(scope="module", params=BALANCERS)
def name(request):
    """All tests of one balancer run one after the other, and share what is compiled."""
    return request.param


def run(method, grads, losses, present, index):
    """The directions of all steps, and the last state, in NumPy."""
    state, directions = method.init(jnp.zeros(grads.shape[-1])), []
    for matrix, line in zip(grads, losses, strict=True):
        loss = jnp.asarray(np.where(present, line, 0), jnp.result_type(float))
        matrix = jnp.asarray(np.where(present[:, None], matrix, 0), loss.dtype)
        stats = ls.multitask.TaskStats(loss, jnp.asarray(present), jnp.asarray(index))
        direction, state = balance(method, matrix, stats, state)
        directions.append(np.asarray(direction))
    return np.array(directions), [np.asarray(leaf) for leaf in jax.tree.leaves(state)]


def close(left, right):
    (directions, state), (others, other) = left, right
    return all(
        np.allclose(a, b, rtol=1e-4, atol=1e-5)
        for a, b in zip([directions, *state], [others, *other], strict=True)
    )


ALL = np.ones(ROWS, bool)


def test_absent_tasks_change_nothing_and_keep_their_memory(name):
    if name == "rlw":
        pytest.skip("it draws as many numbers as there are rows: tested below")
    method = BALANCERS[name][0]
    present = np.array([True, True, False, True])
    padded = run(method, GRADS, LOSSES, present, INDEX)
    without = run(method, GRADS[:, present], LOSSES[:, present], ALL[present], INDEX[present])
    assert close(padded, without)
    begin = [np.asarray(leaf) for leaf in jax.tree.leaves(method.init(jnp.zeros(PARAMS)))]
    for before, after in zip(begin, padded[1], strict=True):
        if before.shape[:1] == (NUMBERED,):
            others = [i for i in range(NUMBERED) if i not in INDEX[present]]
            assert np.array_equal(before[others], after[others])


def test_random_weights_of_absent_tasks_are_zero():
    present = np.array([True, True, False, True])
    grads, losses = np.tile(np.eye(ROWS), (2, 1, 1)), np.ones((2, ROWS))
    directions, _ = run(ls.multitask.RLW(), grads, losses, present, INDEX)
    assert np.all(directions[:, 2] == 0) and np.allclose(directions.sum(axis=1), 1)


def test_the_order_of_tasks_does_not_matter(name):
    if name == "rlw":
        pytest.skip("its weights are drawn row by row")
    method, turned = BALANCERS[name][0], np.array([2, 0, 3, 1])
    one = run(method, GRADS, LOSSES, ALL, INDEX)
    assert close(one, run(method, GRADS[:, turned], LOSSES[:, turned], ALL, INDEX[turned]))


def test_a_single_task_is_plain_training(name):
    method, factor = BALANCERS[name]
    if name == "trimmed mean":
        method = ls.multitask.TrimmedMean(trim=0)
    directions, _ = run(method, GRADS[:1, :1], np.full((1, 1), 2.0), ALL[:1], INDEX[:1])
    assert np.allclose(directions[0], factor * GRADS[0, 0], rtol=1e-4)


@pytest.mark.parametrize("scale", (1e-10, 1e15, "mixed"))
def test_directions_and_memories_are_finite_however_badly_scaled(name, scale):
    scales = np.array([1e-10, 1e15, 1.0, 1e6]) if scale == "mixed" else np.full(ROWS, scale)
    grads, losses = GRADS * scales[:, None], LOSSES * scales
    directions, state = run(BALANCERS[name][0], grads, losses, ALL, INDEX)
    assert all(np.isfinite(x).all() for x in [directions, *state])


@pytest.mark.parametrize("what", ("tasks", "gradients", "losses"))
def test_a_step_with_nothing_to_learn_from_is_finite(name, what):
    grads = np.zeros_like(GRADS) if what == "gradients" else GRADS
    losses = np.zeros_like(LOSSES) if what == "losses" else LOSSES
    present = np.full(ROWS, what != "tasks")
    directions, state = run(BALANCERS[name][0], grads, losses, present, INDEX)
    assert all(np.isfinite(x).all() for x in [directions, *state])
    if what != "losses":
        assert np.all(directions == 0)


# Their memory of a task does not depend on the other tasks.
REMEMBER_EACH = ("uw", "imtl-l", "dwa", "stch", "metabalance")


def test_a_task_that_is_in_a_batch_twice_is_remembered_once(name):
    if name not in REMEMBER_EACH:
        pytest.skip("its memory of a task depends on the others")
    twice, method = np.array([0, 0, 1, 2, 3]), BALANCERS[name][0]
    once = run(method, GRADS, LOSSES, ALL, INDEX)[1]
    both = run(method, GRADS[:, twice], LOSSES[:, twice], np.ones(5, bool), INDEX[twice])[1]
    assert all(np.allclose(a, b, rtol=1e-5) for a, b in zip(once, both, strict=True))


STATEFUL = [name for name, (method, _) in BALANCERS.items() if method.init(jnp.zeros(PARAMS))]


@pytest.mark.parametrize("stateful", STATEFUL)
def test_a_state_is_numbers(stateful):
    leaves = jax.tree.leaves(BALANCERS[stateful][0].init(jnp.zeros(PARAMS)))
    assert leaves
    assert all(jnp.issubdtype(leaf.dtype, jnp.number) or leaf.dtype == bool for leaf in leaves)


@pytest.mark.slow
def test_directions_in_double_precision_are_those_in_single(name):
    def doubled(leaf):
        return leaf.astype(float) if eqx.is_inexact_array(leaf) else leaf

    with jax.enable_x64(True):
        method = jax.tree.map(doubled, BALANCERS[name][0])
        directions, _ = run(method, GRADS, LOSSES, ALL, INDEX)
    single, _ = run(BALANCERS[name][0], GRADS, LOSSES, ALL, INDEX)
    assert directions.dtype == np.float64
    if name not in ("rlw", "graddrop"):  # random numbers of the two types differ
        assert np.allclose(directions, single, rtol=1e-3, atol=1e-4)
