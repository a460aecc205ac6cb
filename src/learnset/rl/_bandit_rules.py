"""Rules for bandits: the arm to pull next, given how often each has paid so far."""

import abc
from typing import TYPE_CHECKING

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import check_not_negative, InputError
from ..envs import AbstractAgent, Percept
from ._gittins import gittins_indices

if TYPE_CHECKING:
    from typing import (
        ClassVar as AbstractVar,  # type checkers take an AbstractVar for the first argument
    )
else:
    from equinox import AbstractVar


class Counts(eqx.Module):
    """Successes and failures of each arm, starting at one each: a posterior Beta(successes,
    failures) under which all means are equally likely at first."""

    successes: Float[Array, "arms"]
    failures: Float[Array, "arms"]

    @property
    def pulls(self) -> Float[Array, "arms"]:
        return self.successes + self.failures

    @property
    def mean(self) -> Float[Array, "arms"]:
        return self.successes / self.pulls

    def after(self, percept: Percept) -> "Counts":
        """The counts including the reward of the last pull, if there was one."""
        pulled = (jnp.arange(self.successes.size) == percept.action) & ~percept.first
        pulled, reward = pulled.astype(self.successes.dtype), percept.feedback.reward
        return Counts(self.successes + pulled * reward, self.failures + pulled * (1 - reward))


class AbstractBanditRule(AbstractAgent):
    """A rule for bandits: it pulls the arm with the highest value, the first one of several.

    Your own rules are subclasses with `value`. Rewards must be from 0 to 1.
    """

    arms: AbstractVar[int]

    @abc.abstractmethod
    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        """The value of each arm."""

    def begin(self) -> Counts:
        return Counts(jnp.ones(self.arms), jnp.ones(self.arms))

    def act(
        self, memory: Counts, percept: Percept, *, key: Key[Array, ""]
    ) -> tuple[Int[Array, ""], Counts]:
        memory = memory.after(percept)
        return jnp.argmax(self.value(memory, key=key)), memory


class Greedy(AbstractBanditRule):
    """Greedy: the arm with the highest posterior mean.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> from learnset.envs.bandits import Bandit
    >>> from learnset.rl import Greedy
    >>> bandit = Bandit(jnp.array([0.0, 1.0]), pulls=5)
    >>> ls.envs.live(Greedy(2), bandit, key=jr.key(0)).reward[:5].tolist()
    [0.0, 1.0, 1.0, 1.0, 1.0]
    """

    arms: int = eqx.field(static=True)

    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        del key
        return counts.mean


class EpsilonGreedy(AbstractBanditRule):
    """Epsilon-greedy: any arm with probability `epsilon`, otherwise the one with the highest
    posterior mean."""

    arms: int = eqx.field(static=True)
    epsilon: float | Float[Array, ""] = 0.1

    def __check_init__(self):
        check_epsilon("EpsilonGreedy", self.epsilon)

    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        explore_key, arm_key = jr.split(key)
        explores = jr.bernoulli(explore_key, self.epsilon)
        return jnp.where(explores, jr.uniform(arm_key, (self.arms,)), counts.mean)


def check_epsilon(owner: str, epsilon: float | Float[Array, ""]) -> None:
    """Raises `InputError` unless epsilon is a probability. Arrays are not checked."""
    if isinstance(epsilon, (int, float)) and not 0 <= epsilon <= 1:
        raise InputError(
            f"{owner}: `epsilon={epsilon}`, but it must be a probability, from 0 to 1."
        )


class UCB1(AbstractBanditRule):
    """UCB1: the arm with the highest upper confidence bound, which at pull t is
    mean + c * sqrt(2 ln t / pulls of the arm).

    Counts begin with one success and one failure, so that arms need not be tried once at first.

    Source: Auer, Cesa-Bianchi & Fischer 2002, *Finite-time analysis of the multiarmed bandit
    problem* (where c is 1); c and the counts as in Duan et al. 2016, *RL²*, appendix.
    """

    arms: int = eqx.field(static=True)
    c: float | Float[Array, ""] = 1.0

    def __check_init__(self):
        check_not_negative("UCB1", c=self.c)

    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        del key
        number = counts.pulls.sum() - 2 * self.arms + 1
        return counts.mean + self.c * jnp.sqrt(2 * jnp.log(number) / counts.pulls)


class ThompsonSampling(AbstractBanditRule):
    """Thompson sampling: the best arm in a draw from the posterior or, with more `samples`, in most
    of the draws.

    Source: Thompson 1933, *On the likelihood that one unknown probability exceeds another*. The
    column "OTS" in table 1 of Duan et al. 2016, *RL²*, is closer to 20 draws (in six of nine cells)
    than to `OptimisticThompsonSampling`.
    """

    arms: int = eqx.field(static=True)
    samples: int = eqx.field(static=True, default=1)

    def __check_init__(self):
        if self.samples < 1:
            raise InputError(
                f"ThompsonSampling: `samples={self.samples}`, but it must be at least 1."
            )

    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        draws = jax.vmap(lambda k: _draw(counts, k))(jr.split(key, self.samples))
        return jax.nn.one_hot(draws.argmax(axis=-1), self.arms).sum(axis=0)


class OptimisticThompsonSampling(AbstractBanditRule):
    """Optimistic Thompson sampling: the draw of an arm never counts less than its posterior mean.

    Source: May, Korda, Lee & Leslie 2012, *Optimistic Bayesian sampling in contextual-bandit
    problems*.
    """

    arms: int = eqx.field(static=True)

    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        return jnp.maximum(_draw(counts, key), counts.mean)


def _draw(counts: Counts, key: Key[Array, ""]) -> Float[Array, "arms"]:
    """Means drawn from the posterior, a beta distribution: the share of one of two gamma
    variates."""
    wins, losses = draw_gamma(jnp.stack([counts.successes, counts.failures]), key=key)
    return wins / (wins + losses)


def draw_gamma(shape: Float[Array, "*dims"], *, key: Key[Array, ""]) -> Float[Array, "*dims"]:
    """Gamma variates with these shape parameters, each at least 1, and scale 1.

    The whole array is drawn at once, until the last number is accepted; on a CPU `jax.random.gamma`
    draws one number after the other, and is several times slower.

    Source: Marsaglia & Tsang 2000, *A simple method for generating gamma variables*.

    >>> import jax.numpy as jnp, jax.random as jr
    >>> from learnset.rl._bandit_rules import draw_gamma
    >>> bool(abs(draw_gamma(jnp.full(10_000, 4.0), key=jr.key(0)).mean() - 4) < 0.1)
    True
    """
    d = shape - 1 / 3
    c = 1 / jnp.sqrt(9 * d)

    def attempt(
        tried: tuple[Int[Array, ""], Array, Bool[Array, "*dims"]],
    ) -> tuple[Array, Array, Array]:
        number, drawn, done = tried
        normal_key, uniform_key = jr.split(jr.fold_in(key, number))
        normal, uniform = jr.normal(normal_key, shape.shape), jr.uniform(uniform_key, shape.shape)
        v = jnp.maximum(1 + c * normal, 1e-6) ** 3  # numbers below zero are never accepted
        accepted = jnp.log(uniform) < normal**2 / 2 + d - d * v + d * jnp.log(v)
        return number + 1, jnp.where(done, drawn, d * v), done | accepted

    start = (jnp.asarray(0), jnp.zeros_like(shape), jnp.zeros(shape.shape, bool))
    return jax.lax.while_loop(lambda tried: ~tried[2].all(), attempt, start)[1]


class Gittins(AbstractBanditRule):
    """Gittins' rule: the arm with the highest Gittins index. It is optimal for an endless bandit in
    which each reward is worth `discount` times the same reward one pull earlier.

    For a known number of pulls there is no such index, and `discount` must be chosen; 1 - 1 / pulls
    is a good guess.

    Source: Gittins 1979, *Bandit processes and dynamic allocation indices*.

    **Arguments:**

    - `pulls`: the number of pulls of one arm that the table of indices covers; beyond it, an arm is
      valued by its mean.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> from learnset.envs.bandits import Bandit
    >>> from learnset.rl import Gittins
    >>> bandit = Bandit(jnp.array([0.0, 1.0]), pulls=5)
    >>> ls.envs.live(Gittins(2, pulls=5, discount=0.9), bandit, key=jr.key(0)).action[:5].tolist()
    [0, 1, 1, 1, 1]
    """

    arms: int = eqx.field(static=True)
    pulls: int = eqx.field(static=True)
    discount: float = eqx.field(static=True)
    indices: Float[Array, "successes failures"]

    def __init__(self, arms: int, pulls: int, discount: float = 0.99):
        self.arms = arms
        self.pulls = pulls
        self.discount = discount
        self.indices = jnp.asarray(gittins_indices(pulls, discount), jnp.result_type(float))

    def value(self, counts: Counts, *, key: Key[Array, ""]) -> Float[Array, "arms"]:
        del key
        successes, failures = counts.successes.astype(int) - 1, counts.failures.astype(int) - 1
        known = successes + failures <= self.pulls
        return jnp.where(known, self.indices[successes, failures], counts.mean)
