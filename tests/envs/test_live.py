"""A life goes through the trials of a task, and records each step where it happened."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from jaxtyping import Array, Float, Int

import learnset as ls

KEY = jr.key(0)
LONGEST = 4
some_lengths = st.lists(st.integers(1, LONGEST), min_size=3, max_size=3)
some_rewards = st.lists(st.integers(-5, 5), min_size=3 * LONGEST, max_size=3 * LONGEST)
a_few = settings(deadline=None, max_examples=40, derandomize=True)


class Place(eqx.Module):
    trial: Int[Array, ""]
    step: Int[Array, ""]


class Lengths(ls.envs.AbstractEnv):
    """Trials with given lengths and rewards, whatever the actions. An observation is the number of
    the trial and of the step."""

    lengths: Int[Array, "trials"]
    rewards: Float[Array, "trials steps"]
    truncates: bool = eqx.field(static=True, default=False)
    trial_steps: int = eqx.field(static=True, default=LONGEST)

    @property
    def trials(self):
        return len(self.lengths)

    @property
    def actions(self):
        return ls.envs.Discrete(100)

    def reset(self, trial, *, key):
        return Place(jnp.asarray(trial, jnp.int32), jnp.asarray(0, jnp.int32))

    def step(self, state, action, *, key):
        reward = self.rewards[state.trial, state.step]
        state = Place(state.trial, state.step + 1)
        last = state.step >= self.lengths[state.trial]
        return state, ls.envs.Feedback(reward, last & (not self.truncates), last & self.truncates)

    def observe(self, state):
        return jnp.stack([state.trial, state.step]).astype(float)


class Total(ls.envs.AbstractAgent):
    """Its action is the sum of its rewards so far, and so its memory."""

    def begin(self):
        return jnp.asarray(0)

    def act(self, memory, percept, *, key):
        memory = memory + percept.feedback.reward.astype(int)
        return memory, memory


@eqx.filter_jit
def alive(agent, env, key=KEY, steps=None):
    return ls.envs.live(agent, env, key=key, steps=steps)


def lengths_of(lengths, rewards, truncates=False):
    return Lengths(np.array(lengths), np.float32(rewards).reshape(3, LONGEST), truncates)


def expected_counts(lengths, steps=3 * (LONGEST + 1)):
    """Each trial, one step that does not count, and nothing after the last trial."""
    counts = np.concatenate([[True] * length + [False] for length in lengths])
    return np.pad(counts, (0, steps - len(counts)))


@given(some_lengths, some_rewards)
@a_few
def test_steps_between_trials_and_after_the_last_do_not_count(lengths, rewards):
    life = alive(ls.rl.AtRandom(2), lengths_of(lengths, rewards))
    counts = np.asarray(life.counts)
    assert np.array_equal(counts, expected_counts(lengths))
    assert np.array_equal(np.asarray(life.trial)[counts], np.repeat(np.arange(3), lengths))
    assert np.array_equal(
        np.asarray(life.before.step)[counts], np.concatenate([np.arange(n) for n in lengths])
    )
    assert np.array_equal(life.after.step[counts], life.before.step[counts] + 1)
    assert not np.asarray(life.reward)[~counts].any() and not np.asarray(life.over)[~counts].any()
    assert int(life.over.sum()) == 3


@given(some_lengths, some_rewards)
@a_few
def test_rewards_are_those_that_the_agent_received(lengths, rewards):
    env = lengths_of(lengths, rewards)
    life = alive(Total(), env)
    pairs = zip(env.rewards, lengths, strict=True)
    expected = np.concatenate([row[:length] for row, length in pairs])
    assert np.array_equal(np.asarray(life.reward)[np.asarray(life.counts)], expected)
    # The action after the feedback of the last step of the last trial.
    received = np.asarray(life.action)[sum(lengths) + 2]
    assert received == np.asarray(life.reward).sum() == expected.sum()


@pytest.mark.parametrize("truncates", (False, True))
def test_found_is_over_but_not_truncated(truncates):
    life = alive(ls.rl.AtRandom(2), lengths_of([2, 1, 4], np.zeros(12), truncates))
    assert np.array_equal(np.flatnonzero(life.over), [1, 3, 8])
    assert np.array_equal(life.found, np.zeros(15, bool) if truncates else life.over)


def test_a_short_life_is_the_beginning_of_a_long_one():
    env = lengths_of([2, 1, 4], np.arange(12))
    long, short = alive(ls.rl.AtRandom(2), env), alive(ls.rl.AtRandom(2), env, steps=7)
    assert eqx.tree_equal(short, jax.tree.map(lambda leaf: leaf[:7], long))


def test_the_same_key_gives_the_same_life_and_another_key_another():
    problem = ls.envs.Harlow(features=3, trials=20).sample(ls.Split.TEST, key=KEY)
    one, again, other = (alive(ls.rl.AtRandom(2), problem, key=jr.key(seed)) for seed in (1, 1, 2))
    assert eqx.tree_equal(one, again)
    assert not np.array_equal(one.action, other.action)


# Percepts.


@eqx.filter_jit
def percepts(env, actions, endless):
    """Percepts and worlds, first to last."""
    first = ls.envs.begin(env, key=KEY)

    def step(world, action):
        world = ls.envs.advance(env, world, action, endless=endless, key=KEY)
        return world, world

    rest = jax.lax.scan(step, first, actions)[1]
    return jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, rest)


def test_a_percept_has_the_last_action_and_its_feedback():
    env = lengths_of([2, 1, 4], np.arange(12))
    worlds = percepts(env, jnp.arange(1, 11), False)
    percept = worlds.percept
    # trial:                                     0  0  0  1  1  2  2  2   2   2  the end
    assert percept.observation[:, 1].tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3, 4, 4]
    assert percept.first.tolist() == [i in (0, 3, 5) for i in range(11)]
    assert percept.action.tolist() == [0, 1, 2, 0, 4, 0, 6, 7, 8, 9, 9]
    assert percept.feedback.reward.tolist() == [0, 0, 1, 0, 4, 0, 8, 9, 10, 11, 11]
    assert percept.feedback.over.tolist() == [i in (2, 4, 9, 10) for i in range(11)]
    assert worlds.done.tolist() == [False] * 10 + [True]


@given(st.lists(st.integers(0, 99), min_size=10, max_size=10), st.integers(0, 99))
@a_few
def test_an_action_between_trials_leaves_no_trace(actions, other):
    env = lengths_of([2, 1, 4], np.arange(12))
    changed = np.array(actions)
    changed[[2, 4, 9]] = other  # after the percepts with `over`
    assert eqx.tree_equal(
        percepts(env, jnp.asarray(actions), False), percepts(env, jnp.asarray(changed), False)
    )


class NoteTaker(ls.envs.AbstractAgent):
    """Stores nothing, but its action after each trial, which has no effect, says which object had
    the food: 1 if it is the one whose first feature is larger. If it perceived this action in the
    next trial, it would need no memory."""

    def begin(self):
        return None

    def act(self, memory, percept, *, key):
        left, right = percept.observation[0], percept.observation[1]
        left_had_it = (percept.action == ls.envs.LEFT) == (percept.feedback.reward > 0)
        note = (left > right) == left_had_it
        choice = jnp.where((percept.action == 1) == (left > right), ls.envs.LEFT, ls.envs.RIGHT)
        return jnp.where(percept.feedback.over, note.astype(int), choice), memory


def test_an_agent_cannot_leave_itself_a_note():
    problems = ls.envs.Harlow(features=1).draw(500, ls.Split.TEST, key=KEY)
    reward = jax.jit(jax.vmap(lambda env, key: ls.envs.live(NoteTaker(), env, key=key).reward))(
        problems, jr.split(KEY, 500)
    )
    correct = (np.asarray(reward)[:, ::2] == 1).mean(axis=0)
    assert np.all(np.abs(correct - 0.5) < 4 * np.sqrt(0.25 / 500))


class Coin(Lengths):
    """Throws a coin at the beginning of a trial, which the agent cannot see, and rewards a right
    guess."""

    def reset(self, trial, *, key):
        coin = jr.bernoulli(jr.split(key)[0]).astype(jnp.int32)
        return Place(jnp.asarray(trial, jnp.int32), coin)

    def step(self, state, action, *, key):
        return state, ls.envs.Feedback(
            (action == state.step).astype(float), jnp.asarray(True), jnp.asarray(False)
        )


class Thrower(ls.envs.AbstractAgent):
    """Throws another coin."""

    def begin(self):
        return None

    def act(self, memory, percept, *, key):
        return jr.bernoulli(key).astype(jnp.int32), memory


def test_the_chance_of_the_world_and_that_of_the_agent_are_independent():
    env = Coin(jnp.ones(2, jnp.int32), jnp.zeros((2, 1)))
    reward = jax.jit(jax.vmap(lambda key: ls.envs.live(Thrower(), env, key=key, steps=3).reward))(
        jr.split(KEY, 1000)
    )
    agreed = np.asarray(reward)[:, [0, 2]].mean(axis=0)
    assert np.all(np.abs(agreed - 0.5) < 4 * np.sqrt(0.25 / 1000))


# A world without an end.


@pytest.mark.slow
@given(some_lengths, some_rewards)
@a_few
def test_an_endless_world_begins_the_trials_again(lengths, rewards):
    env = lengths_of(lengths, rewards)
    worlds = percepts(env, jnp.zeros(3 * 3 * (LONGEST + 1), jnp.int32), True)
    round_trip = sum(lengths) + 3
    assert not worlds.done.any()
    seen, feedback = worlds.percept.observation, worlds.percept.feedback
    for values in (seen, feedback.reward, feedback.over, worlds.percept.first):
        rounds = len(values) // round_trip
        # The very first percept is like the first of every round: the beginning of the first trial.
        again = values[: rounds * round_trip].reshape(rounds, round_trip, *values.shape[1:])
        assert np.array_equal(again, np.broadcast_to(again[:1], again.shape))
    assert np.array_equal(worlds.trial % 3, seen[:, 0]) and worlds.trial[round_trip] == 3


def test_begin_knows_continuous_actions():
    maze = ls.envs.WaterMaze(jnp.zeros((1, 2)), pool=ls.envs.Pool(continuous=True, cells=5))
    assert ls.envs.begin(maze, key=KEY).percept.action.shape == (2,)


class Unchanged(ls.envs.AbstractWrapper):
    env: ls.envs.AbstractEnv


@pytest.mark.parametrize("kind", (ls.envs.Harlow(), ls.envs.TwoStep(), ls.envs.Bandits(moments=2)))
def test_a_wrapper_that_changes_nothing_is_the_environment(kind):
    env = kind.sample(ls.Split.TEST, key=KEY)
    wrapped, state = Unchanged(env), env.reset(0, key=KEY)
    agent = ls.rl.AtRandom(env.actions.size)
    assert eqx.tree_equal(alive(agent, wrapped), alive(agent, env))
    assert eqx.tree_equal(wrapped.secret(state), env.secret(state))
    action, feedback = jnp.asarray(0), env.step(state, jnp.asarray(0), key=KEY)[1]
    assert wrapped.worth(state, action, feedback) == env.worth(state, action, feedback)


def test_what_an_environment_hides_is_observed_after_the_rest():
    goals = ls.envs.Navigation()
    told = ls.envs.RevealedEnvs(goals).draw(3, ls.Split.TEST, key=jr.key(1))
    plain = goals.draw(3, ls.Split.TEST, key=jr.key(1))
    np.testing.assert_array_equal(told.env.goal, plain.goal)
    state = jax.vmap(lambda env: env.reset(0, key=jr.key(0)))(told)
    seen = jax.vmap(lambda env, state: env.observe(state))(told, state)
    np.testing.assert_array_equal(seen[:, :2], state.position)
    np.testing.assert_array_equal(seen[:, 2:], plain.goal)
