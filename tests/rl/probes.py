"""Environments so small that what is to be learned in them is known beforehand."""

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
    """Trials of `length` steps, in each of which a table says what is seen and what each of two actions brings. Nobody
    sees `hidden`, but a critic may be told."""

    seen: Float[Array, "steps"]
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
        told = ls.envs.Feedback(
            self.reward[state.step, action], state.step + 1 >= self.length, jnp.asarray(False)
        )
        return Moment(state.step + 1, state.trial), told

    def observe(self, state) -> Float[Array, "1"]:
        return self.seen[jnp.minimum(state.step, 1)][None]

    def secret(self, state) -> Float[Array, "1"]:
        del state
        return self.hidden[None]


class Probes(ls.envs.AbstractEnvs):
    """Two kinds of task, one as likely as the other."""

    seen: Float[Array, "*probes kinds steps"]
    reward: Float[Array, "*probes kinds steps actions"]
    length: Int[Array, "*probes"]
    trials: int = eqx.field(static=True, default=1)

    def sample(self, split: ls.Split, *, key) -> Probe:
        kind_key, hidden_key = jr.split(split.fold(key))
        kind = jr.randint(kind_key, (), 0, 2)
        return Probe(
            self.seen[kind],
            self.reward[kind],
            self.length,
            jr.uniform(hidden_key, minval=-1.0),
            self.trials,
        )


def _probe(seen: list, reward: list, length: int) -> Probes:
    return Probes(jnp.asarray(seen, float), jnp.asarray(reward, float), jnp.asarray(length))


NOTHING = [0, 0]
# What is seen in the two steps, and what the two actions bring in them, for either kind.
CONSTANT = _probe([[0, 0], [0, 0]], [[[1, 1], NOTHING]] * 2, 1)
SEEN = _probe([[1, 0], [-1, 0]], [[[1, 1], NOTHING], [[-1, -1], NOTHING]], 1)
DISCOUNTED = _probe([[0, 1], [0, 1]], [[NOTHING, [1, 1]]] * 2, 2)
ACTION = _probe([[0, 0], [0, 0]], [[[-1, 1], NOTHING]] * 2, 1)
ACTION_BY_SEEN = _probe([[1, 0], [-1, 0]], [[[-1, 1], NOTHING], [[1, -1], NOTHING]], 1)
REMEMBERED = _probe([[1, 0], [-1, 0]], [[NOTHING, [-1, 1]], [NOTHING, [1, -1]]], 2)
LADDER = jax.tree.map(
    lambda *leaves: jnp.stack(leaves),
    CONSTANT,
    SEEN,
    DISCOUNTED,
    ACTION,
    ACTION_BY_SEEN,
    REMEMBERED,
)


@eqx.filter_jit
def agents(keys):
    """One small agent for each key."""
    env = ACTION.sample(ls.Split.TRAIN, key=jr.key(0))
    return eqx.filter_vmap(
        lambda key: ls.rl.RecurrentAgent(env, width=8, critic_shapes_memory=True, key=key)
    )(keys)


def row(tree, index):
    """What stands at an index of every array's first axis."""
    return jax.tree.map(lambda leaf: leaf[index] if eqx.is_array(leaf) else leaf, tree)
