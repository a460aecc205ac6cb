"""Harlow's learning sets: which of two new objects hides the food?"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import InputError, Split
from ._base import AbstractEnv, AbstractEnvs, Discrete, Feedback, feedback

LEFT, RIGHT, LOOK = 0, 1, 2


class Tray(eqx.Module):
    """Where one trial is."""

    shown: Bool[
        Array, ""
    ]  # whether the objects are to be seen; otherwise a cross, to be looked at first
    chosen: Int[Array, ""]  # the object that was chosen; -1 before
    steps: Int[Array, ""]
    trial: Int[Array, ""]


class HarlowProblem(AbstractEnv):
    """One problem: two objects, one of which is always rewarded, on changing sides.

    An observation holds the left object, the right object, and whether the cross is shown. Choosing the rewarded object
    gives 1, the other one -1, and the trial is over. With `fixation`, a trial begins with a cross, and the objects come
    when it was looked at (a third action); choosing before that does nothing.

    Source: Harlow 1949, *The formation of learning sets*; choices and rewards as in Wang et al. 2016, §3.2.2.

    **Arguments:**

    - `objects`: what each looks like.
    - `left`: the object that is on the left, in each trial.
    - `rewarded`: the object with the food, in each trial.

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> problem = ls.envs.HarlowProblem(jnp.eye(2), jnp.array([0, 1]), jnp.array([0, 0]))
    >>> state, feedback = problem.step(problem.reset(1, key=jr.key(0)), jnp.array(1), key=jr.key(1))  # right: object 0
    >>> float(feedback.reward)
    1.0
    """

    objects: Float[Array, "2 features"]
    left: Int[Array, "trials"]
    rewarded: Int[Array, "trials"]
    fixation: bool = eqx.field(static=True, default=False)

    @property
    def trials(self) -> int:
        return self.left.shape[-1]

    @property
    def trial_steps(self) -> int:
        return 8 if self.fixation else 1

    @property
    def actions(self) -> Discrete:
        return Discrete(3 if self.fixation else 2)

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> Tray:
        del key
        return Tray(
            jnp.asarray(not self.fixation), jnp.asarray(-1), jnp.asarray(0), jnp.asarray(trial)
        )

    def step(self, state: Tray, action: Array, *, key: Key[Array, ""]) -> tuple[Tray, Feedback]:
        del key
        chooses = state.shown & (action != LOOK)
        on_the_left = self.left[state.trial]
        chosen = jnp.where(action == LEFT, on_the_left, 1 - on_the_left)
        reward = jnp.where(chooses, jnp.where(chosen == self.rewarded[state.trial], 1.0, -1.0), 0.0)
        late = ~chooses & (state.steps + 1 >= self.trial_steps)
        shown = (state.shown | (action == LOOK)) & ~chooses
        state = Tray(shown, jnp.where(chooses, chosen, -1), state.steps + 1, state.trial)
        return state, feedback(reward, chooses, late)

    def secret(self, state: Tray) -> Float[Array, "secret"]:
        """Whether the food is on the left."""
        return (self.rewarded[state.trial] == self.left[state.trial]).astype(self.objects.dtype)[
            None
        ]

    def observe(self, state: Tray) -> Float[Array, "observation"]:
        left = self.objects[self.left[state.trial]]
        right = self.objects[1 - self.left[state.trial]]
        shown = (state.shown | (state.chosen >= 0)).astype(
            left.dtype
        )  # the objects stay, to learn from
        return jnp.concatenate([shown * left, shown * right, (1 - shown)[None]])


class Harlow(AbstractEnvs):
    """Problems with objects that no other problem has: random feature vectors, or two of a bank of pictures.

    Each object is on the left in half of the trials, in random order. (Who counts can then tell the last sides without
    looking at objects. `counterbalanced=False` draws sides independently, and leaves nothing but objects to learn from.)

    **Arguments:**

    - `features`: length of an object's random vector.
    - `counterbalanced`: see above.
    - `bank`: pictures as vectors, "objects features", instead of random ones. Of every ten, the first is kept for
      validation and the second for tests, so that no object of a test was ever seen in training.
    - `reversed_at`: the trial, counted from zero, from which the other object is rewarded.

    >>> import jax.random as jr, learnset as ls
    >>> ls.envs.Harlow(features=8).draw(5, ls.Split.TEST, key=jr.key(0)).objects.shape
    (5, 2, 8)
    """

    features: int = eqx.field(static=True, default=16)
    trials: int = eqx.field(static=True, default=6)
    fixation: bool = eqx.field(static=True, default=False)
    reversed_at: int | None = eqx.field(static=True, default=None)
    counterbalanced: bool = eqx.field(static=True, default=True)
    bank: Float[Array, "objects features"] | None = None

    def __check_init__(self):
        if self.features < 1 or self.trials < 1:
            raise InputError(
                f"Harlow: `features={self.features}`, `trials={self.trials}`; both must be at least 1."
            )
        if self.reversed_at is not None and not 0 < self.reversed_at < self.trials:
            raise InputError(
                f"Harlow: `reversed_at={self.reversed_at}`, but it must be 1 to {self.trials - 1}."
            )
        if self.bank is not None and self.bank.shape[-2] < 20:
            raise InputError(
                f"Harlow: the bank has {self.bank.shape[-2]} pictures; at least 20 are needed, for three splits."
            )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> HarlowProblem:
        object_key, left_key, rewarded_key = jr.split(split.fold(key), 3)
        half = jr.permutation(left_key, jnp.arange(self.trials) % 2)
        left = half if self.counterbalanced else jr.randint(left_key, (self.trials,), 0, 2)
        turned = jnp.arange(self.trials) >= (
            self.trials if self.reversed_at is None else self.reversed_at
        )
        rewarded = jr.randint(rewarded_key, (), 0, 2) ^ turned.astype(int)
        return HarlowProblem(self._objects(split, object_key), left, rewarded, self.fixation)

    def _objects(self, split: Split, key: Key[Array, ""]) -> Float[Array, "2 features"]:
        if self.bank is None:
            return jr.normal(key, (2, self.features))
        place = {Split.VALIDATION: (0, 1), Split.TEST: (1, 2), Split.TRAIN: (2, 10)}[split]
        number = jnp.arange(len(self.bank))
        chance = ((number % 10 >= place[0]) & (number % 10 < place[1])).astype(self.bank.dtype)
        return self.bank[
            jr.choice(key, len(self.bank), (2,), replace=False, p=chance / chance.sum())
        ]
