"""Learning with known results: a ladder of probes, for every method."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import probes
import pytest
from conftest import assert_close
from probes import row

import learnset as ls

KEY = jr.key(0)
KEYS = jr.split(KEY, 6)
AGENTS = probes.agents(KEYS)
A2C = ls.rl.A2C(4, ls.rl.Objective(discount=0.5))
PPO = ls.rl.PPO(4, ls.rl.Objective(discount=0.5, entropy=0.02), optimiser=optax.adam(1e-2))
STEPS = {A2C: 350, PPO: 150}
OPTIMISERS = {A2C: optax.adam(optax.cosine_decay_schedule(1e-2, STEPS[A2C])), PPO: optax.sgd(1.0)}


def train(method, agents, tasks, keys, steps=None, **options):
    options = {"tasks_per_step": 32, "log_every": 20, "progress": False} | options
    steps = STEPS[method] if steps is None else steps
    return ls.train(method, agents, tasks, OPTIMISERS[method], steps=steps, key=keys, **options)


@eqx.filter_jit
def lived(agent, tasks):
    return ls.rl.rollout(agent, tasks.draw(100, ls.Split.TEST, key=KEY), 4, endless=False, key=KEY)


@pytest.fixture(scope="module")
def learned():
    """Rollouts of the trained agents, for each method and probe."""
    trained = {method: train(method, AGENTS, probes.LADDER, KEYS).model for method in (A2C, PPO)}
    return {
        method: [lived(row(agents, i), row(probes.LADDER, i)) for i in range(6)]
        for method, agents in trained.items()
    }


def near(values, expected):
    return np.all(np.abs(np.asarray(values) - np.asarray(expected)) < 0.1)


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("method", (A2C, PPO), ids=("A2C", "PPO"))
def test_the_ladder_of_probes_is_climbed(learned, method):
    """Values to 0.1, and the best action with a probability of at least 0.9."""
    constant, seen, discounted, action, by_seen, remembered = learned[method]
    cue = np.asarray(seen.percept.observation[0, :, 0])
    assert near(constant.value[0], 1)
    assert near(seen.value[0], cue) and set(cue.tolist()) == {-1, 1}
    assert near(discounted.value[0], 0.5) and near(discounted.value[1], 1)
    for probe, step in ((action, 0), (by_seen, 0), (remembered, 1)):
        best = np.where(probe.percept.observation[0, :, 0] < 0, 0, 1)
        chosen, likely = probe.action[step] == best, np.exp(probe.log_prob[step])
        assert near(np.where(chosen, likely, 1 - likely), 1)
        assert near(probe.value[step], 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", (A2C, PPO), ids=("A2C", "PPO"))
def test_the_same_key_trains_the_same_agents_at_once_or_resumed(method, tmp_path):
    """Bit for bit, including the state of PPO's own optimiser."""
    one, again = (train(method, AGENTS, probes.LADDER, KEYS, steps=50) for _ in range(2))
    train(method, AGENTS, probes.LADDER, KEYS, steps=30, out=tmp_path)
    resumed = train(method, AGENTS, probes.LADDER, KEYS, steps=50, out=tmp_path, resume=True)
    for other in (again, resumed):
        assert eqx.tree_equal((other.model, other.state), (one.model, one.state))


@pytest.mark.slow
def test_seeds_trained_together_are_seeds_trained_alone():
    together = train(A2C, AGENTS, probes.LADDER, KEYS, steps=20)
    alone = train(A2C, row(AGENTS, 5), row(probes.LADDER, 5), KEYS[5], steps=20)
    assert_close(row(together.model, 5), alone.model, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("method", (A2C, PPO), ids=("A2C", "PPO"))
def test_seeds_trained_together_are_independent(method):
    """The same keys among other keys."""
    company = jnp.array([5, 5, 2, 1, 1, 1])
    one = train(method, AGENTS, probes.LADDER, KEYS, steps=20)
    two = train(method, row(AGENTS, company), row(probes.LADDER, company), KEYS[company], steps=20)
    assert_close(row(one.model, company), two.model, rtol=1e-3, atol=1e-4)


def test_tasks_that_cannot_be_split_are_refused_in_one_line():
    words = "PPO: 30 tasks cannot be split into `parts=4`"
    with pytest.raises(ls.InputError, match=words) as error:
        train(PPO, AGENTS, probes.LADDER, KEYS, steps=1, tasks_per_step=30)
    assert "\n" not in str(error.value)
