"""Environments that are so small that the result of learning is known in advance."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int

import learnset as ls


class Moment(eqx.Module):
    step: Int[Array, ""]
    trial: Int[Array, ""]


class Probe(ls.envs.AbstractEnv):
    """Trials of `length` steps, with tables of the observation and of the reward of each of two
    actions. `hidden` is the secret."""

    seen: Float[Array, " steps"]
    reward: Float[Array, "steps actions"]
    length: Int[Array, ""]
    hidden: Float[Array, ""]
    trials: int = eqx.field(static=True, default=1)
    trial_steps: int = eqx.field(static=True, default=2)

    @property
    def actions(self) -> ls.envs.Discrete:
        return ls.envs.Discrete(2)

    def reset(self, trial, *, key) -> Moment:
        del key
        return Moment(jnp.asarray(0), jnp.asarray(trial))

    def step(self, state, action, *, key) -> tuple[Moment, ls.envs.Feedback]:
        del key
        reward, last = self.reward[state.step, action], state.step + 1 >= self.length
        feedback = ls.envs.Feedback(reward, last, jnp.asarray(False))
        return Moment(state.step + 1, state.trial), feedback

    def observe(self, state) -> Float[Array, "1"]:
        return self.seen[jnp.minimum(state.step, 1)][None]

    def secret(self, state) -> Float[Array, "1"]:
        del state
        return self.hidden[None]


class Probes(ls.envs.AbstractEnvs):
    """Two kinds of task with equal probabilities."""

    seen: Float[Array, "*probes kinds steps"]
    reward: Float[Array, "*probes kinds steps actions"]
    length: Int[Array, "*probes"]
    trials: int = eqx.field(static=True, default=1)

    def sample(self, split: ls.Split, *, key) -> Probe:
        kind_key, hidden_key = jr.split(split.fold(key))
        kind = jr.randint(kind_key, (), 0, 2)
        hidden = jr.uniform(hidden_key, minval=-1.0)
        return Probe(self.seen[kind], self.reward[kind], self.length, hidden, self.trials)


def _probe(seen: list, reward: list, length: int) -> Probes:
    return Probes(jnp.asarray(seen, float), jnp.asarray(reward, float), jnp.asarray(length))


NOTHING = [0, 0]
# The observations of the two steps, and the rewards of the two actions in them, for either kind.
CONSTANT = _probe([[0, 0], [0, 0]], [[[1, 1], NOTHING]] * 2, 1)
SEEN = _probe([[1, 0], [-1, 0]], [[[1, 1], NOTHING], [[-1, -1], NOTHING]], 1)
DISCOUNTED = _probe([[0, 1], [0, 1]], [[NOTHING, [1, 1]]] * 2, 2)
ACTION = _probe([[0, 0], [0, 0]], [[[-1, 1], NOTHING]] * 2, 1)
ACTION_BY_SEEN = _probe([[1, 0], [-1, 0]], [[[-1, 1], NOTHING], [[1, -1], NOTHING]], 1)
REMEMBERED = _probe([[1, 0], [-1, 0]], [[NOTHING, [-1, 1]], [NOTHING, [1, -1]]], 2)
_RUNGS = (CONSTANT, SEEN, DISCOUNTED, ACTION, ACTION_BY_SEEN, REMEMBERED)
LADDER = jax.tree.map(lambda *leaves: jnp.stack(leaves), *_RUNGS)


@eqx.filter_jit
def agents(keys):
    """One small agent for each key."""
    env = ACTION.sample(ls.Split.TRAIN, key=jr.key(0))
    return eqx.filter_vmap(
        lambda key: ls.rl.RecurrentAgent(env, width=8, critic_shapes_memory=True, key=key)
    )(keys)


def row(tree, index):
    """The tree at an index of the first axis of every array."""
    return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, tree)
