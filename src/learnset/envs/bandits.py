"""Bandits: which arm pays best? There is nothing to see; all information comes from rewards."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import InputError, Split
from ._base import AbstractEnv, AbstractEnvs, Discrete, Feedback, feedback

INFORMATIVE_ARMS = 11  # the last of them tells which of the other ten is the target


class Pulls(eqx.Module):
    """The state of a bandit: how often arms have been pulled."""

    number: Int[Array, ""]


class Bandit(AbstractEnv):
    """A bandit: each arm pays 1 with its own probability, and otherwise 0. The task is one trial.

    An observation holds a constant 1 and the fraction of the pulls that is over.

    **Arguments:**

    - `means`: the probability of each arm to pay.
    - `pulls`: the number of pulls; the last one terminates the trial.
    - `sure`: whether arms always pay their mean, which then need not be a probability.
    - `moments`: what `secret` holds: the means of the arms, or with 2 also their squares. An agent
      that is trained to guess both must know how certain it is of a mean, not only the mean.

    >>> import jax.numpy as jnp, jax.random as jr
    >>> from learnset.envs.bandits import Bandit
    >>> bandit = Bandit(jnp.array([0.0, 1.0]), pulls=10)
    >>> state, feedback = bandit.step(bandit.reset(0, key=jr.key(0)), jnp.array(1), key=jr.key(1))
    >>> float(feedback.reward)
    1.0
    """

    means: Float[Array, "arms"]
    pulls: int = eqx.field(static=True, default=100)
    sure: bool = eqx.field(static=True, default=False)
    moments: int = eqx.field(static=True, default=1)

    @property
    def trials(self) -> int:
        return 1

    @property
    def trial_steps(self) -> int:
        return self.pulls

    @property
    def actions(self) -> Discrete:
        return Discrete(self.means.shape[-1])

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> Pulls:
        del trial, key
        return Pulls(jnp.asarray(0))

    def step(self, state: Pulls, action: Array, *, key: Key[Array, ""]) -> tuple[Pulls, Feedback]:
        mean = self.means[action]
        reward = mean if self.sure else jr.bernoulli(key, mean)
        return Pulls(state.number + 1), feedback(reward, state.number + 1 >= self.pulls, False)

    def secret(self, state: Pulls) -> Float[Array, "secret"]:
        """The means of the arms; with two `moments` also three times their squares, which is one on
        average."""
        del state
        return self.means if self.moments == 1 else jnp.concatenate([self.means, 3 * self.means**2])

    def worth(self, state: Pulls, action: Array, feedback: Feedback) -> Float[Array, ""]:
        """The mean of the arm."""
        del state, feedback
        return self.means[action]

    def observe(self, state: Pulls) -> Float[Array, "observation"]:
        past = state.number.astype(self.means.dtype) / self.pulls
        return jnp.stack([jnp.ones_like(past), past])


class Bandits(AbstractEnvs):
    """Bandits whose arms pay with independent probabilities, drawn uniformly from 0 to 1; or, if
    `correlated`, with two arms that pay with p and 1 - p.

    Known values: random pulls are paid half of the time; with k independent arms, the best one pays
    k / (k + 1) on average.

    Source: Duan et al. 2016, *RL²*, §3.1; correlated arms: Wang et al. 2016, *Learning to
    reinforcement learn*, §3.1.2 (uniform; and easy, medium and hard with `low` 0.1, 0.25 and 0.4).

    **Arguments:**

    - `correlated`: whether there are two arms, the second of which pays with one minus the
      probability of the first.
    - `low`: one of two correlated arms pays with this probability, and the other with one minus it.
      There are only two such bandits, so that all splits have the same ones.
    - `moments`: what the `secret` of each bandit holds.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.bandits import Bandits
    >>> Bandits(arms=5, pulls=10).draw(3, ls.Split.TEST, key=jr.key(0)).means.shape
    (3, 5)
    >>> hard = Bandits(correlated=True, low=0.4).sample(ls.Split.TEST, key=jr.key(0))
    >>> sorted(round(float(mean), 3) for mean in hard.means)
    [0.4, 0.6]
    """

    arms: int = eqx.field(static=True, default=2)
    pulls: int = eqx.field(static=True, default=100)
    correlated: bool = eqx.field(static=True, default=False)
    low: float | None = eqx.field(static=True, default=None)
    moments: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        if self.moments not in (1, 2):
            raise InputError(f"Bandits: `moments={self.moments}`, but it must be 1 or 2.")
        if self.arms < 1 or self.pulls < 1:
            raise InputError(
                f"Bandits: `arms={self.arms}`, `pulls={self.pulls}`; both must be at least 1."
            )
        if self.correlated and self.arms != 2:
            raise InputError(
                f"Bandits: `arms={self.arms}`, but there are two correlated arms. Omit `arms`."
            )
        if self.low is not None and not (self.correlated and 0 <= self.low <= 1):
            raise InputError(
                f"Bandits: `low={self.low}`, but it must be a probability, and needs"
                " `correlated=True`."
            )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Bandit:
        key = split.fold(key)
        means = self._correlated(key) if self.correlated else jr.uniform(key, (self.arms,))
        return Bandit(means, self.pulls, moments=self.moments)

    def _correlated(self, key: Key[Array, ""]) -> Float[Array, "2"]:
        if self.low is None:
            first = jr.uniform(key)
        else:
            first = jnp.where(jr.bernoulli(key), self.low, 1 - self.low)
        return jnp.stack([first, 1 - first])


class InformativeBandits(AbstractEnvs):
    """Bandits with eleven arms of constant pay: one of the first ten pays 5, the others pay 1, and
    the last arm pays a tenth of the number (counted from one) of the arm that pays 5. An agent that
    pulls the last arm first loses a little, and then knows the best arm.

    Known values of five pulls: the last arm, and then four times the arm that pays 5, gives 20.55
    on average; trying one arm after the other until it is found gives 11. There are only ten such
    bandits, so that all splits have the same ones.

    Source: Wang et al. 2016, *Learning to reinforcement learn*, §3.1.3.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.bandits import InformativeBandits
    >>> InformativeBandits().draw(3, ls.Split.TEST, key=jr.key(0)).means.shape
    (3, 11)
    """

    pulls: int = eqx.field(static=True, default=5)

    def __check_init__(self):
        if self.pulls < 1:
            raise InputError(
                f"InformativeBandits: `pulls={self.pulls}`, but it must be at least 1."
            )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> Bandit:
        target = jr.randint(split.fold(key), (), 0, INFORMATIVE_ARMS - 1)
        means = jnp.ones(INFORMATIVE_ARMS).at[target].set(5.0)
        means = means.at[-1].set((target + 1).astype(means.dtype) / 10)
        return Bandit(means, self.pulls, sure=True)


def expected_regret(env: Bandit, actions: Int[Array, "pulls"]) -> Float[Array, "pulls"]:
    """The expected regret: the loss so far, in expectation over rewards, from not always pulling
    the best arm.

    **Returns:** after each pull, the sum of the differences between the mean of the best arm and
    that of the pulled arm.

    Source: Wang et al. 2016, *Learning to reinforcement learn*, §3.1.1.

    >>> import jax.numpy as jnp
    >>> from learnset.envs.bandits import Bandit, expected_regret
    >>> expected_regret(Bandit(jnp.array([0.25, 1.0])), jnp.array([0, 1, 0])).tolist()
    [0.75, 0.75, 1.5]
    """
    return jnp.cumsum(env.means.max() - env.means[actions])
