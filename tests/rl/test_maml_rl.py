"""Policies adapted by policy gradients, and meta-learnt through the adaptation: both derivatives are the right ones."""

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
from learnset.envs._base import AbstractEnv, AbstractEnvs, Continuous, Discrete, feedback
from learnset.envs._live import AbstractAgent
from learnset.envs.navigation import PointNavigation
from learnset.rl._action import Choice
from learnset.rl._actor_critic import A2C, PPO
from learnset.rl._maml_rl import MAMLPolicy
from learnset.rl._policy_descent import baseline, log_probs, PolicyDescent, surrogate
from learnset.rl._reactive import ReactiveAgent
from learnset.rl._recurrent import RecurrentAgent
from learnset.rl._rollout import replay
from learnset.transfer._fine_tune import Unroll

PAYS = jnp.array([1.0, 0.0, -0.5])
LOGITS = jnp.array([-0.5, 0.3, 0.2])
a_few = settings(deadline=None, max_examples=20, derandomize=True)


class OneChoice(AbstractEnv):
    """One action, which pays what it pays."""

    pays: Float[Array, "arms"]
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
    """So much for every step, whatever is done, for six steps."""

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
    """A policy that is its logits."""

    logits: Float[Array, "arms"]

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
    """Of its two parameters, each tells how far the other one's step goes."""

    scale: Float[Array, ""]

    def policy(self, activity):
        return Choice(self.logits * self.scale)


class Usual(PolicyDescent):
    """The surrogate that is right in its first derivative only."""

    def loss(self, agent, lived):
        return plain(agent, lived, self.gained(lived))


def plain(agent, lived, gained):
    """REINFORCE, one step of time after the other."""
    log_prob = replay(agent, lived).log_prob
    return -jnp.where(lived.counts, log_prob * gained, 0.0).sum() / lived.counts.sum(
        dtype=gained.dtype
    )


@pytest.fixture(scope="module")
def agent():
    return eqx.filter_jit(lambda: ReactiveAgent(Wages(jnp.array(3.0)), width=8, key=jr.key(7)))()


@eqx.filter_jit
def gradients(adapter, agent, tasks, key):
    """The meta-gradient, and what the plain policy gradient is at the policies that adaptation leads to."""

    def of_one(env, key):
        adapted, lived = adapter.descend(agent, env, key=key)
        last = jax.tree.map(lambda leaf: leaf[-1], lived)
        return eqx.filter_grad(plain)(adapted, last, adapter.gained(last))

    every = jax.vmap(of_one)(tasks, jr.split(key, 3))
    grads, _, metrics = MAMLPolicy(adapter).gradient(agent, tasks, None, key=key)
    return grads, jax.tree.map(lambda leaf: leaf.mean(axis=0), every), metrics


@pytest.mark.parametrize("steps", [0, 1], ids=["no inner step", "first order"])
def test_its_first_order_part_is_the_policy_gradient_at_the_adapted_policy(steps, getkey):
    """With no inner step that is all of it."""
    tasks = OneChoice(jnp.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    unroll = Unroll.FIRST_ORDER if steps else Unroll.EXACT
    agent = Scaled(jnp.array([0.3, 0.1]), jnp.array(2.0))
    grads, expected, metrics = gradients(
        PolicyDescent(1, steps=steps, unroll=unroll), agent, tasks, getkey()
    )
    assert_close(grads, expected)
    assert metrics["loss"] == -metrics["reward"]
    assert steps or metrics["reward"] == metrics["reward_before"]


def deviations(adapter_class, *, steps):
    """By how many standard errors the mean meta-gradient is off the one that enumeration of all actions gives."""

    def value(logits):
        return jax.nn.softmax(logits) @ PAYS

    def after(logits):
        for _ in range(steps):
            logits = logits + 2.0 * jax.grad(value)(logits)
        return value(logits)

    method = MAMLPolicy(
        adapter_class(horizon=1, lr=2.0, steps=steps, episodes=1000, standardised=False)
    )
    one = OneChoice(PAYS[None])
    sampled = jax.lax.map(
        lambda key: method.gradient(Softmax(LOGITS), one, None, key=key)[0].logits,
        jr.split(jr.key(3), 200),
    )
    error = sampled.std(axis=0, ddof=1) / jnp.sqrt(200.0)
    return np.abs((sampled.mean(axis=0) + jax.jit(jax.grad(after))(LOGITS)) / error)


def test_the_mean_of_sampled_meta_gradients_is_what_enumeration_gives():
    assert deviations(PolicyDescent, steps=2).max() < 4


def test_wrong_second_derivatives_would_be_noticed():
    assert deviations(Usual, steps=1).max() > 20


def hessians(logits, first, second, guesses, credit):
    """Of the mean reward of two steps, and the mean of the surrogate's over all four courses of events. What is done
    first leads to one of two places."""

    def chances(logits, one, two):
        logs = jax.nn.log_softmax(logits)
        return jnp.stack([logs[0, one], logs[1 + one, two]])

    def mean_reward(logits):
        courses = itertools.product(range(2), range(2))
        return (
            sum(
                jnp.exp(chances(logits, a, b).sum()) * (first[a] + second[a, b]) for a, b in courses
            )
            / 2
        )

    expected = jnp.zeros((3, 2, 3, 2))
    for a, b in itertools.product(range(2), range(2)):
        gained = jnp.stack([first[a] + second[a, b] - guesses[0], second[a, b] - guesses[1 + a]])[
            :, None
        ]

        def of_course(logits, a=a, b=b, gained=gained):
            return surrogate(chances(logits, a, b)[:, None], gained, jnp.ones((2, 1), bool), credit)

        expected += jnp.exp(chances(logits, a, b).sum()) * jax.hessian(of_course)(logits)
    return jax.hessian(mean_reward)(logits), expected


numbers = st.integers(0, 10_000).map(lambda seed: jr.normal(jr.key(seed), (15,)))
both_hessians = jax.jit(hessians)


@given(numbers)
@a_few
def test_the_hessian_is_unbiased_with_full_credit_whatever_the_baseline(numbers):
    logits, first, second, guesses = (
        numbers[:6].reshape(3, 2),
        numbers[6:8],
        numbers[8:12].reshape(2, 2),
        numbers[12:],
    )
    true, mean = both_hessians(logits, first, second, guesses, 1.0)
    assert jnp.allclose(true, mean, atol=1e-5)
    # Without credit, how the two steps work together is missing, and nothing else.
    _, alone = both_hessians(logits, first, second, guesses, 0.0)
    assert jnp.allclose(true[0, :, 0], alone[0, :, 0], atol=1e-5)
    assert jnp.allclose(true[1:, :, 1:], alone[1:, :, 1:], atol=1e-5)
    assert jnp.abs(alone[0, :, 1:]).max() < 1e-6


@eqx.filter_jit
def lessons(discount, agent, key):
    """Episodes with constant wages, many times: advantages, those standardised, and the gradient of the mean action."""
    adapter, standard = (
        PolicyDescent(6, discount=discount, standardised=choice) for choice in (False, True)
    )

    def once(key):
        lived = adapter.live(agent, Wages(jnp.array(3.0)), key=key)
        grads = eqx.filter_grad(adapter.loss)(agent, lived)
        return adapter.gained(lived), standard.gained(lived), grads.actor.head.bias

    return jax.lax.map(once, jr.split(key, 300))


def test_where_all_steps_pay_the_same_nothing_is_learnt(agent, getkey):
    """Returns, 18, 15, ..., 3, are then linear in time, as the baseline can be."""
    gained, standardised, grads = lessons(jnp.array(1.0), agent, getkey())
    assert jnp.abs(gained).max() < 1e-3
    assert jnp.abs(standardised).max() < 0.1
    assert jnp.abs(grads).max() < 1e-3


def test_where_the_baseline_is_not_right_nothing_is_learnt_on_average(agent, getkey):
    """Discounted returns are not linear in time, and too many for three powers."""
    gained, _, grads = lessons(jnp.array(0.5), agent, getkey())
    assert jnp.abs(gained).min() > 1e-3
    assert jnp.abs(grads.mean(axis=0) / grads.std(axis=0, ddof=1) * jnp.sqrt(300.0)).max() < 4


def test_steps_find_what_pays_and_are_traced(getkey):
    """What is left out, the scale, stays."""
    adapter = PolicyDescent(
        1, lr=jnp.linspace(2.0, 1.0, 20), steps=20, episodes=10, where=lambda agent: agent.logits
    )
    adapted, lived = eqx.filter_jit(adapter.descend)(
        Scaled(LOGITS, jnp.array(1.0)), OneChoice(PAYS), key=getkey()
    )
    assert lived.reward.shape == (21, 1, 10)
    assert jnp.allclose(lived.log_prob[0], jax.nn.log_softmax(LOGITS)[lived.action[0]], atol=1e-6)
    assert jnp.allclose(
        lived.log_prob[-1], jax.nn.log_softmax(adapted.logits)[lived.action[-1]], atol=1e-6
    )
    assert jax.nn.softmax(adapted.logits)[0] > 0.9
    assert adapted.scale == 1.0


def test_less_memory_is_used_where_it_is_asked_for():
    def program(unroll):
        method, env = MAMLPolicy(PolicyDescent(horizon=1, unroll=unroll)), OneChoice(PAYS[None])
        return str(
            jax.make_jaxpr(lambda key: method.gradient(Softmax(LOGITS), env, None, key=key)[0])(
                jr.key(0)
            )
        )

    assert "remat" in program(Unroll.REMAT)
    assert "remat" not in program(Unroll.EXACT)


@pytest.fixture(scope="module")
def thought():
    """Episodes of an agent without memory, what it thinks of them step by step and at once, and two gradients."""
    env = PointNavigation(jnp.array([0.3, -0.2]), trial_steps=8)
    agent = eqx.filter_jit(lambda: ReactiveAgent(env, width=8, key=jr.key(0)))()
    adapter = PolicyDescent(horizon=8, episodes=10, credit=0.7)

    @eqx.filter_jit
    def think(agent):
        lived = adapter.live(agent, env, key=jr.key(1))
        ours = eqx.filter_grad(adapter.loss)(agent, lived)
        usual = eqx.filter_grad(plain)(agent, lived, adapter.gained(lived))
        noise = jr.normal(jr.key(2), lived.reward.shape)
        return (
            lived,
            replay(agent, lived),
            log_probs(agent, lived),
            ours,
            usual,
            noise,
            baseline(lived, noise, 1e-7),
        )

    return think(agent)


def test_the_loss_has_the_gradient_of_reinforce(thought):
    assert_close(*thought[3:5])


def test_what_was_done_is_as_probable_as_when_it_was_done(thought):
    """Step by step, as `PPO` needs it, and all at once."""
    lived, again, at_once = thought[:3]
    assert jnp.allclose(lived.log_prob, at_once, atol=1e-5)
    assert jnp.allclose(lived.log_prob, again.log_prob, atol=1e-5)
    assert jnp.allclose(lived.value, again.value, atol=1e-5)


def test_the_baseline_is_least_squares(thought):
    seen, noise, fitted = (
        np.asarray(part, np.float64) for part in (thought[0].percept.observation, *thought[5:])
    )
    time = np.arange(8)[:, None, None] * np.ones((1, 10, 1)) / 8
    features = np.concatenate(
        [seen, seen**2, time, time**2, time**3, np.ones_like(time)], axis=-1
    ).reshape(80, -1)
    solution = np.linalg.lstsq(features, noise.ravel(), rcond=None)[0]
    assert np.allclose(fitted.ravel(), features @ solution, atol=1e-3)


def test_one_step_goes_far_from_a_meta_learnt_policy(getkey):
    """Nothing can be known beforehand but by how much to believe what is tried out."""
    tasks, start, key = OneOfTwo(), Scaled(jnp.zeros(2), jnp.array(1.0)), getkey()
    method = MAMLPolicy(PolicyDescent(horizon=1))
    run = train(
        method, start, tasks, optax.adam(0.1), steps=60, tasks_per_step=10, log_every=60, key=key
    )

    @jax.jit
    def rewards(model):
        def of_one(env, key):
            return method.adapter.trace(model, env, key=key).reward.mean(axis=(1, 2))

        return jax.vmap(of_one)(tasks.draw(100, Split.TEST, key=key), jr.split(key, 100)).mean(
            axis=0
        )

    before, after = rewards(run.model)
    assert before < 0.6 and after > 0.95
    before, after = rewards(start)
    assert before < 0.6 and after < 0.6


@pytest.mark.parametrize(
    "method", [A2C(6), PPO(6), MAMLPolicy(PolicyDescent(6))], ids=["A2C", "PPO", "MAML"]
)
def test_agents_and_methods_go_together(method, agent):
    """Traced only, as compiling takes long: gradients have the agent's structure."""
    if isinstance(method, MAMLPolicy):
        agent = eqx.filter_jit(
            lambda: RecurrentAgent(Wages(jnp.array(3.0)), width=4, key=jr.key(0))
        )()
    grads = eqx.filter_eval_shape(
        method.gradient, agent, Wages(jnp.ones(4)), method.init(agent), key=jr.key(0)
    )[0]
    moving = eqx.filter(agent, eqx.is_inexact_array)
    assert jax.tree.map(jnp.shape, grads) == jax.tree.map(jnp.shape, moving)


def test_wrong_arguments_are_refused(agent, getkey):
    for wrong in (
        {"lr": 0.0}, {"steps": -1}, {"episodes": 0}, {"credit": 1.5}, {"discount": -0.1}, {"lr": jnp.ones(3)}, {"penalty": 0.0}
    ):  # fmt: skip
        with pytest.raises(InputError, match=next(iter(wrong))):
            PolicyDescent(horizon=8, **wrong)
    with pytest.raises(InputError, match="episodes"):
        PolicyDescent(horizon=6, episodes=1).adapt(agent, Wages(jnp.array(3.0)), key=getkey())
    with pytest.raises(InputError, match="width"):
        ReactiveAgent(OneChoice(PAYS), width=0, key=getkey())
