"""The two-step task: does an agent learn which choice was rewarded, or where each choice leads?"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import check_range, InputError, Split
from ._base import AbstractEnv, AbstractEnvs, Discrete, Feedback, feedback
from ._live import Life


class TwoStepPlace(eqx.Module):
    """The state of one trial: 0 for the first choice, 1 or 2 for the place that it led to."""

    place: Int[Array, ""]
    trial: Int[Array, ""]


class TwoStepTask(AbstractEnv):
    """The two-step task: a first choice leads to one of two places, and a second choice there leads
    to a reward or to none. Each first choice commonly leads to the place of its own number, and
    rarely to the other one.

    An observation tells where the agent is: at the first choice, in place 1, or in place 2. A trial
    has two steps, and its last observation is the place in which the reward was given.

    Source: Daw, Gershman, Seymour, Dayan & Dolan 2011, *Model-based influences on humans' choices
    and striatal prediction errors*. In Wang et al. 2016, *Learning to reinforcement learn*, §3.2.1,
    the second choice makes no difference.

    **Arguments:**

    - `chances`: the probability of a reward in each trial, at each place, for each second choice.
    - `common`: the probability of the common transition.

    >>> import jax.numpy as jnp, jax.random as jr
    >>> from learnset.envs.two_step import TwoStepTask
    >>> task = TwoStepTask(jnp.ones((10, 2, 2)), common=jnp.array(1.0))
    >>> state, feedback = task.step(task.reset(0, key=jr.key(0)), jnp.array(1), key=jr.key(1))
    >>> task.observe(state).tolist()
    [0.0, 0.0, 1.0]
    """

    chances: Float[Array, "trials 2 2"]
    common: Float[Array, ""]

    @property
    def trials(self) -> int:
        return self.chances.shape[-3]

    @property
    def trial_steps(self) -> int:
        return 2

    @property
    def actions(self) -> Discrete:
        return Discrete(2)

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> TwoStepPlace:
        del key
        return TwoStepPlace(jnp.asarray(0), jnp.asarray(trial))

    def step(
        self, state: TwoStepPlace, action: Array, *, key: Key[Array, ""]
    ) -> tuple[TwoStepPlace, Feedback]:
        common_key, reward_key = jr.split(key)
        reached = 1 + jnp.where(jr.bernoulli(common_key, self.common), action, 1 - action)
        second = state.place > 0
        rewarded = jr.bernoulli(reward_key, self.chances[state.trial, state.place - 1, action])
        place = jnp.where(second, state.place, reached)
        return TwoStepPlace(place, state.trial), feedback(second & rewarded, second, False)

    def secret(self, state: TwoStepPlace) -> Float[Array, "4"]:
        """The probabilities of a reward in this trial."""
        return self.chances[state.trial].ravel()

    def observe(self, state: TwoStepPlace) -> Float[Array, "observation"]:
        return (jnp.arange(3) == state.place).astype(jnp.result_type(float))


class TwoStep(AbstractEnvs):
    """Two-step tasks in which one place is rich and the other poor, whatever is chosen there, and
    the two are exchanged from time to time. The place that is rich at first is drawn.

    Source: Wang et al. 2016, *Learning to reinforcement learn*, §3.2.1 (`common`, `rich`). The
    probability of 0.025 of an exchange is how re-implementations read Wang et al. 2018, *Prefrontal
    cortex as a meta-reinforcement learning system*.

    **Arguments:**

    - `common`: the probability of the common transition.
    - `rich`: the probability of a reward in the rich place; in the poor one it is one minus that.
    - `reversal`: the probability of an exchange of the places before each trial except the first.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.two_step import TwoStep
    >>> tasks = TwoStep(trials=50).draw(5, ls.Split.TEST, key=jr.key(0))
    >>> tasks.chances.shape  # tasks, trials, places, choices
    (5, 50, 2, 2)
    """

    trials: int = eqx.field(static=True, default=100)
    common: float = eqx.field(static=True, default=0.75)
    rich: float = eqx.field(static=True, default=0.9)
    reversal: float = eqx.field(static=True, default=0.025)

    def __check_init__(self):
        _check_trials("TwoStep", self.trials)
        _check_chances("TwoStep", common=self.common, rich=self.rich, reversal=self.reversal)

    def sample(self, split: Split, *, key: Key[Array, ""]) -> TwoStepTask:
        first_key, reversal_key = jr.split(split.fold(key))
        reversals = jr.bernoulli(reversal_key, self.reversal, (self.trials,))
        rich = jnp.cumsum(reversals.at[0].set(jr.bernoulli(first_key))) % 2
        chances = jnp.where(jnp.arange(2)[None] == rich[:, None], self.rich, 1 - self.rich)
        return TwoStepTask(jnp.repeat(chances[:, :, None], 2, axis=2), jnp.asarray(self.common))


class DriftingTwoStep(AbstractEnvs):
    """Two-step tasks in which each of the four second choices has its own probability of a reward,
    which drifts slowly.

    Source: Daw et al. 2011: 201 trials; common transitions in 70 %; probabilities take Gaussian
    steps, and are reflected at 0.25 and 0.75.

    **Arguments:**

    - `drift`: the standard deviation of the step of a probability from one trial to the next.
    - `limits`: the range of the probabilities.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.two_step import DriftingTwoStep
    >>> chances = DriftingTwoStep().sample(ls.Split.TEST, key=jr.key(0)).chances
    >>> bool((chances >= 0.25).all() & (chances <= 0.75).all())
    True
    """

    trials: int = eqx.field(static=True, default=201)
    common: float = eqx.field(static=True, default=0.7)
    drift: float = eqx.field(static=True, default=0.025)
    limits: tuple[float, float] = eqx.field(static=True, default=(0.25, 0.75))

    def __check_init__(self):
        _check_trials("DriftingTwoStep", self.trials)
        low, high = self.limits
        _check_chances("DriftingTwoStep", common=self.common, drift=self.drift, low=low, high=high)
        check_range("DriftingTwoStep", limits=self.limits)

    def sample(self, split: Split, *, key: Key[Array, ""]) -> TwoStepTask:
        start_key, drift_key = jr.split(split.fold(key))
        low, high = self.limits
        start = jr.uniform(start_key, (1, 2, 2), minval=low, maxval=high)
        steps = self.drift * jr.normal(drift_key, (self.trials - 1, 2, 2))
        free = jnp.cumsum(jnp.concatenate([start, steps]), axis=0) - low
        # A reflected random walk is a free one, folded.
        away = free % (2 * (high - low))
        chances = low + jnp.minimum(away, 2 * (high - low) - away)
        return TwoStepTask(chances, jnp.asarray(self.common))


def stay_probabilities(life: Life) -> Float[Array, "2 2"]:
    """Stay probabilities: how often the first choice of a trial is repeated in the next one, by
    reward and transition.

    An agent that learns which choice was rewarded stays after a reward, whatever the transition. An
    agent that learns where choices lead stays after a reward that followed a common transition, and
    shifts after one that followed a rare transition; without a reward it does the opposite.

    Source: Daw et al. 2011, figure 2.

    **Arguments:**

    - `life`: the `Life` in a whole `TwoStepTask`, from `live`.

    **Returns:** probabilities after no reward and reward (rows), common and rare transitions
    (columns); NaN for cases that never happened.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.two_step import TwoStep, stay_probabilities
    >>> task = TwoStep().sample(ls.Split.TEST, key=jr.key(0))
    >>> stay_probabilities(ls.envs.live(ls.rl.AtRandom(2), task, key=jr.key(1))).shape
    (2, 2)
    """
    # A trial takes three steps of a life: two choices, and the step to the next trial.
    choice, reward = life.action[0::3], life.reward[1::3]
    rare = life.after.place[0::3] != choice + 1
    stays = (choice[1:] == choice[:-1]).astype(jnp.result_type(float))

    def after(rewarded: int, rarely: int) -> Float[Array, ""]:
        cases = (((reward > 0) == bool(rewarded)) & (rare == bool(rarely)))[:-1]
        return _mean(stays, cases)

    return jnp.stack(
        [jnp.stack([after(rewarded, rarely) for rarely in (0, 1)]) for rewarded in (0, 1)]
    )


def _mean(values: Float[Array, "n"], counts: Bool[Array, "n"]) -> Float[Array, ""]:
    weight = counts.astype(values.dtype)
    return (values * weight).sum() / weight.sum()


def _check_trials(owner: str, trials: int) -> None:
    if trials < 1:
        raise InputError(f"{owner}: `trials={trials}`, but it must be at least 1.")


def _check_chances(owner: str, **chances: float) -> None:
    for name, chance in chances.items():
        if not 0 <= chance <= 1:
            raise InputError(f"{owner}: `{name}={chance}`, but it must be from 0 to 1.")
