"""Policies adapted by policy gradients, and meta-learnt through the adaptation: both derivatives
are correct."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest
from conftest import assert_close
from hypothesis import given, settings, strategies as st
from jaxtyping import Array, Float

from learnset import InputError, Split, train
from learnset.envs import (
    AbstractAgent,
    AbstractEnv,
    AbstractEnvs,
    Continuous,
    Discrete,
    PointNavigation,
)
from learnset.envs._base import feedback
from learnset.rl import A2C, MAMLPolicy, PolicyDescent, PPO, ReactiveAgent, RecurrentAgent
from learnset.rl._action import Choice
from learnset.rl._policy_descent import baseline, log_probs, surrogate
from learnset.rl._rollout import replay
from learnset.transfer import Unroll

PAYS = jnp.array([1.0, 0.0, -0.5])
LOGITS = jnp.array([-0.5, 0.3, 0.2])
a_few = settings(deadline=None, max_examples=20, derandomize=True)


class OneChoice(AbstractEnv):
    """One action, with a fixed pay for each arm."""

    pays: Float[Array, " arms"]
    trials: int = eqx.field(static=True, default=1)
    trial_steps: int = eqx.field(static=True, default=1)

    @property
    def actions(self):
        return Discrete(self.pays.shape[-1])

    def reset(self, trial, *, key):
        return jnp.asarray(0)

    def step(self, state, action, *, key):
        return state, feedback(self.pays[action], True, False)

    def observe(self, state):
        return jnp.ones(1)


class OneOfTwo(AbstractEnvs):
    """One of two actions pays 1, the other nothing."""

    def sample(self, split, *, key):
        return OneChoice(jax.nn.one_hot(jr.randint(split.fold(key), (), 0, 2), 2))


class Wages(AbstractEnv):
    """The same wage for each of six steps, whatever the action."""

    wage: Float[Array, ""]
    trials: int = eqx.field(static=True, default=1)
    trial_steps: int = eqx.field(static=True, default=6)

    @property
    def actions(self):
        return Continuous(2, 0.1)

    def reset(self, trial, *, key):
        return jnp.asarray(0)

    def step(self, state, action, *, key):
        return state + 1, feedback(self.wage, state + 1 >= self.trial_steps, False)

    def observe(self, state):
        return jnp.array([1.0, 0.5])


class Softmax(AbstractAgent):
    """A policy whose only parameters are its logits."""

    logits: Float[Array, " arms"]

    def begin(self):
        return None

    def hear(self, memory, percept):
        return None, percept.observation

    def policy(self, activity):
        return Choice(self.logits)

    def value(self, activity, secret):
        return jnp.zeros(())

    def guess(self, activity):
        return jnp.zeros(0)

    def act(self, memory, percept, *, key):
        return self.policy(percept.observation).sample(key=key), None


class Scaled(Softmax):
    """A policy with two parameters, each of which scales the gradient of the other."""

    scale: Float[Array, ""]

    def policy(self, activity):
        return Choice(self.logits * self.scale)


class Usual(PolicyDescent):
    """The surrogate that is correct in its first derivative only."""

    def loss(self, agent, lived):
        return plain(agent, lived, self.gained(lived))


def plain(agent, lived, gained):
    """REINFORCE, one step of time after the other."""
    terms = jnp.where(lived.counts, replay(agent, lived).log_prob * gained, 0.0)
    return -terms.sum() / lived.counts.sum(dtype=gained.dtype)


@pytest.fixture(scope="module")
def agent():
    return eqx.filter_jit(lambda: ReactiveAgent(Wages(jnp.array(3.0)), width=8, key=jr.key(7)))()


@eqx.filter_jit
def gradients(adapter, agent, tasks, key):
    """The meta-gradient, and the plain policy gradient at the adapted policies."""

    def of_one(env, key):
        adapted, lived = adapter.descend(agent, env, key=key)
        last = jax.tree.map(lambda leaf: leaf[-1], lived)
        return eqx.filter_grad(plain)(adapted, last, adapter.gained(last))

    every = jax.vmap(of_one)(tasks, jr.split(key, 3))
    grads, _, metrics = MAMLPolicy(adapter).gradient(agent, tasks, None, key=key)
    return grads, jax.tree.map(lambda leaf: leaf.mean(axis=0), every), metrics


@pytest.mark.slow
@pytest.mark.parametrize("steps", [0, 1], ids=["no inner step", "first order"])
def test_its_first_order_part_is_the_policy_gradient_at_the_adapted_policy(steps, getkey):
    """With no inner step that is all of it."""
    tasks = OneChoice(jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    adapter = PolicyDescent(1, steps=steps, unroll=Unroll.FIRST_ORDER if steps else Unroll.EXACT)
    agent = Scaled(jnp.array([0.3, 0.1]), jnp.array(2.0))
    grads, expected, metrics = gradients(adapter, agent, tasks, getkey())
    assert_close(grads, expected)
    assert metrics["loss"] == -metrics["reward"]
    assert steps or metrics["reward"] == metrics["reward_before"]


def deviations(adapter_class, *, steps):
    """The difference between the mean meta-gradient and that from enumeration of all actions, in
    standard errors."""

    def value(logits):
        return jax.nn.softmax(logits) @ PAYS

    def after(logits):
        for _ in range(steps):
            logits = logits + 2.0 * jax.grad(value)(logits)
        return value(logits)

    adapter = adapter_class(horizon=1, lr=2.0, steps=steps, episodes=1000, standardised=False)
    method, one = MAMLPolicy(adapter), OneChoice(PAYS[None])

    def sample(key):
        return method.gradient(Softmax(LOGITS), one, None, key=key)[0].logits

    sampled = jax.lax.map(sample, jr.split(jr.key(3), 200))
    error = sampled.std(axis=0, ddof=1) / jnp.sqrt(200.0)
    return np.abs((sampled.mean(axis=0) + jax.jit(jax.grad(after))(LOGITS)) / error)


@pytest.mark.slow
def test_the_mean_of_sampled_meta_gradients_is_that_of_enumeration():
    assert deviations(PolicyDescent, steps=2).max() < 4


@pytest.mark.slow
def test_wrong_second_derivatives_would_be_noticed():
    assert deviations(Usual, steps=1).max() > 20


def hessians(logits, first, second, guesses, credit):
    """The Hessian of the mean reward of two steps, and the mean of the surrogate's Hessians over
    all four sequences of actions. The first action leads to one of two places."""

    def chances(logits, one, two):
        logs = jax.nn.log_softmax(logits)
        return jnp.stack([logs[0, one], logs[1 + one, two]])

    courses = list(itertools.product(range(2), range(2)))

    def mean_reward(logits):
        each = [(jnp.exp(chances(logits, a, b).sum()), first[a] + second[a, b]) for a, b in courses]
        return sum(chance * reward for chance, reward in each) / 2

    expected = jnp.zeros((3, 2, 3, 2))
    for a, b in courses:
        gained = jnp.stack([first[a] + second[a, b] - guesses[0], second[a, b] - guesses[1 + a]])
        gained = gained[:, None]

        def of_course(logits, a=a, b=b, gained=gained):
            return surrogate(chances(logits, a, b)[:, None], gained, jnp.ones((2, 1), bool), credit)

        expected += jnp.exp(chances(logits, a, b).sum()) * jax.hessian(of_course)(logits)
    return jax.hessian(mean_reward)(logits), expected


numbers = st.integers(0, 10_000).map(lambda seed: jr.normal(jr.key(seed), (15,)))
both_hessians = jax.jit(hessians)


@pytest.mark.slow
@given(numbers)
@a_few
def test_the_hessian_is_unbiased_with_full_credit_whatever_the_baseline(numbers):
    logits, first = numbers[:6].reshape(3, 2), numbers[6:8]
    second, guesses = numbers[8:12].reshape(2, 2), numbers[12:]
    true, mean = both_hessians(logits, first, second, guesses, 1.0)
    assert jnp.allclose(true, mean, atol=1e-5)
    # Without credit, only the interaction of the two steps is missing.
    _, alone = both_hessians(logits, first, second, guesses, 0.0)
    assert jnp.allclose(true[0, :, 0], alone[0, :, 0], atol=1e-5)
    assert jnp.allclose(true[1:, :, 1:], alone[1:, :, 1:], atol=1e-5)
    assert jnp.abs(alone[0, :, 1:]).max() < 1e-6


@eqx.filter_jit
def lessons(discount, agent, key):
    """Episodes with constant wages, many times: plain and standardised advantages, and the gradient
    of the mean action."""
    adapter = PolicyDescent(6, discount=discount, standardised=False)
    standard = PolicyDescent(6, discount=discount)

    def once(key):
        lived = adapter.live(agent, Wages(jnp.array(3.0)), key=key)
        grads = eqx.filter_grad(adapter.loss)(agent, lived)
        return adapter.gained(lived), standard.gained(lived), grads.actor.head.bias

    return jax.lax.map(once, jr.split(key, 300))


@pytest.mark.slow
def test_if_all_steps_pay_the_same_nothing_is_learnt(agent, getkey):
    """Returns, 18, 15, ..., 3, are then linear in time, and the baseline fits them."""
    gained, standardised, grads = lessons(jnp.array(1.0), agent, getkey())
    assert jnp.abs(gained).max() < 1e-3
    assert jnp.abs(standardised).max() < 0.1
    assert jnp.abs(grads).max() < 1e-3


def test_if_the_baseline_is_wrong_nothing_is_learnt_on_average(agent, getkey):
    """Discounted returns are not linear in time, and three powers cannot fit them."""
    gained, _, grads = lessons(jnp.array(0.5), agent, getkey())
    assert jnp.abs(gained).min() > 1e-3
    assert jnp.abs(grads.mean(axis=0) / grads.std(axis=0, ddof=1) * jnp.sqrt(300.0)).max() < 4


@pytest.mark.slow
def test_steps_find_the_best_arm_and_are_traced(getkey):
    """The scale, which is left out of `where`, stays."""
    options = {"lr": jnp.linspace(2.0, 1.0, 20), "steps": 20, "episodes": 10}
    adapter = PolicyDescent(1, **options, where=lambda agent: agent.logits)
    start = Scaled(LOGITS, jnp.array(1.0))
    adapted, lived = eqx.filter_jit(adapter.descend)(start, OneChoice(PAYS), key=getkey())
    assert lived.reward.shape == (21, 1, 10)
    for index, logits in ((0, LOGITS), (-1, adapted.logits)):
        expected = jax.nn.log_softmax(logits)[lived.action[index]]
        assert jnp.allclose(lived.log_prob[index], expected, atol=1e-6)
    assert jax.nn.softmax(adapted.logits)[0] > 0.9
    assert adapted.scale == 1.0


def test_memory_is_saved_on_request():
    def program(unroll):
        method, env = MAMLPolicy(PolicyDescent(horizon=1, unroll=unroll)), OneChoice(PAYS[None])

        def gradient(key):
            return method.gradient(Softmax(LOGITS), env, None, key=key)[0]

        return str(jax.make_jaxpr(gradient)(jr.key(0)))

    assert "remat" in program(Unroll.REMAT)
    assert "remat" not in program(Unroll.EXACT)


@pytest.fixture(scope="module")
def experience():
    """Episodes of an agent without memory, replayed step by step and at once; two gradients; and a
    baseline of noise."""
    env = PointNavigation(jnp.array([0.3, -0.2]), trial_steps=8)
    agent = eqx.filter_jit(lambda: ReactiveAgent(env, width=8, key=jr.key(0)))()
    adapter = PolicyDescent(horizon=8, episodes=10, credit=0.7)

    @eqx.filter_jit
    def judge(agent):
        lived = adapter.live(agent, env, key=jr.key(1))
        ours = eqx.filter_grad(adapter.loss)(agent, lived)
        usual = eqx.filter_grad(plain)(agent, lived, adapter.gained(lived))
        noise = jr.normal(jr.key(2), lived.reward.shape)
        replayed = replay(agent, lived), log_probs(agent, lived)
        return lived, replayed, (ours, usual), (noise, baseline(lived, noise, 1e-7))

    return judge(agent)


def test_the_loss_has_the_gradient_of_reinforce(experience):
    _, _, gradients, _ = experience
    assert_close(*gradients)


def test_replayed_actions_have_the_same_probabilities(experience):
    """Step by step, as `PPO` needs it, and all at once."""
    lived, (again, at_once), _, _ = experience
    assert jnp.allclose(lived.log_prob, at_once, atol=1e-5)
    assert jnp.allclose(lived.log_prob, again.log_prob, atol=1e-5)
    assert jnp.allclose(lived.value, again.value, atol=1e-5)


def test_the_baseline_is_least_squares(experience):
    lived, _, _, (noise, fitted) = experience
    seen, noise = (np.asarray(part, np.float64) for part in (lived.percept.observation, noise))
    time = np.arange(8)[:, None, None] * np.ones((1, 10, 1)) / 8
    columns = [seen, seen**2, time, time**2, time**3, np.ones_like(time)]
    features = np.concatenate(columns, axis=-1).reshape(80, -1)
    solution = np.linalg.lstsq(features, noise.ravel(), rcond=None)[0]
    assert np.allclose(np.ravel(fitted), features @ solution, atol=1e-3)


@pytest.mark.slow
def test_one_step_leads_far_from_a_meta_learnt_policy(getkey):
    """All that can be learnt in advance is how far to follow the evidence."""
    tasks, start, key = OneOfTwo(), Scaled(jnp.zeros(2), jnp.array(1.0)), getkey()
    method, options = MAMLPolicy(PolicyDescent(horizon=1)), {"tasks_per_step": 10, "log_every": 60}
    run = train(method, start, tasks, optax.adam(0.1), steps=60, key=key, **options)

    @jax.jit
    def rewards(model):
        def of_one(env, key):
            return method.adapter.trace(model, env, key=key).reward.mean(axis=(1, 2))

        envs = tasks.draw(100, Split.TEST, key=key)
        return jax.vmap(of_one)(envs, jr.split(key, 100)).mean(axis=0)

    before, after = rewards(run.model)
    assert before < 0.6 and after > 0.95
    before, after = rewards(start)
    assert before < 0.6 and after < 0.6


@pytest.mark.slow
@pytest.mark.parametrize(
    "method", [A2C(6), PPO(6), MAMLPolicy(PolicyDescent(6))], ids=["A2C", "PPO", "MAML"]
)
def test_agents_and_methods_go_together(method, agent):
    """Traced only, because compilation is slow: gradients have the structure of the agent."""
    if isinstance(method, MAMLPolicy):
        env = Wages(jnp.array(3.0))
        agent = eqx.filter_jit(lambda: RecurrentAgent(env, width=4, key=jr.key(0)))()
    arguments = agent, Wages(jnp.ones(4)), method.init(agent)
    grads = eqx.filter_eval_shape(method.gradient, *arguments, key=jr.key(0))[0]
    moving = eqx.filter(agent, eqx.is_inexact_array)
    assert jax.tree.map(jnp.shape, grads) == jax.tree.map(jnp.shape, moving)


def test_wrong_arguments_are_refused(agent, getkey):
    wrong = [("lr", 0.0), ("lr", jnp.ones(3)), ("steps", -1), ("episodes", 0), ("penalty", 0.0)]
    for name, value in [*wrong, ("credit", 1.5), ("discount", -0.1)]:
        with pytest.raises(InputError, match=name):
            PolicyDescent(horizon=8, **{name: value})
    with pytest.raises(InputError, match="episodes"):
        PolicyDescent(horizon=6, episodes=1).adapt(agent, Wages(jnp.array(3.0)), key=getkey())
    with pytest.raises(InputError, match="width"):
        ReactiveAgent(OneChoice(PAYS), width=0, key=getkey())
