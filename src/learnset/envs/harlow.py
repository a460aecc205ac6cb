"""Harlow's learning sets: which of two new objects hides the food?"""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int, Key

from ..core import InputError, Split
from ._base import AbstractEnv, AbstractEnvs, Discrete, Feedback, feedback

LEFT, RIGHT, LOOK = 0, 1, 2
Bank = Float[Array, "_objects features"]


class Tray(eqx.Module):
    """The state of one trial."""

    shown: Bool[Array, ""]  # whether the objects are visible; otherwise a cross, to be looked at
    chosen: Int[Array, ""]  # the object that was chosen; -1 before
    steps: Int[Array, ""]
    trial: Int[Array, ""]


class HarlowProblem(AbstractEnv):
    """One problem of Harlow: two objects on changing sides, one of which is always rewarded.

    An observation holds the left object, the right object, and whether the cross is shown. Choosing
    the rewarded object gives 1, the other one -1, and ends the trial. With `fixation`, a trial
    begins with a cross, and the objects appear when the agent has looked at it (a third action);
    choosing before that does nothing.

    Source: Harlow 1949, *The formation of learning sets*; choices and rewards as in Wang et al.
    2016, §3.2.2.

    **Arguments:**

    - `objects`: the appearance of each.
    - `left`: the object on the left, in each trial.
    - `rewarded`: the object with the food, in each trial.

    Here the rewarded object is on the right in the second trial:

    >>> import jax.numpy as jnp, jax.random as jr, learnset as ls
    >>> problem = ls.envs.HarlowProblem(jnp.eye(2), jnp.array([0, 1]), jnp.array([0, 0]))
    >>> state, right = problem.reset(1, key=jr.key(0)), jnp.array(ls.envs.RIGHT)
    >>> state, feedback = problem.step(state, right, key=jr.key(1))
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
        on_the_left = self.rewarded[state.trial] == self.left[state.trial]
        return on_the_left.astype(self.objects.dtype)[None]

    def observe(self, state: Tray) -> Float[Array, "observation"]:
        left = self.objects[self.left[state.trial]]
        right = self.objects[1 - self.left[state.trial]]
        # After the choice the objects stay visible, so that the agent can learn from them.
        shown = (state.shown | (state.chosen >= 0)).astype(left.dtype)
        return jnp.concatenate([shown * left, shown * right, (1 - shown)[None]])


class Harlow(AbstractEnvs):
    """Problems with new objects: random feature vectors, or two pictures of a bank.

    Each object is on the left in half of the trials, in random order. (An agent that counts can
    then predict the last sides without looking at the objects. `counterbalanced=False` draws sides
    independently, so that only the objects can be learnt from.)

    **Arguments:**

    - `features`: the length of an object's random vector.
    - `counterbalanced`: see above.
    - `bank`: pictures as vectors, "objects features", instead of random ones. Of every ten, the
      first is kept for validation and the second for tests, so that no object of a test was seen in
      training. Or three banks: of training, of validation and of test problems.
    - `reversed_at`: the trial, counted from zero, from which on the other object is rewarded.

    >>> import jax.random as jr, learnset as ls
    >>> ls.envs.Harlow(features=8).draw(5, ls.Split.TEST, key=jr.key(0)).objects.shape
    (5, 2, 8)
    """

    features: int = eqx.field(static=True, default=16)
    trials: int = eqx.field(static=True, default=6)
    fixation: bool = eqx.field(static=True, default=False)
    reversed_at: int | None = eqx.field(static=True, default=None)
    counterbalanced: bool = eqx.field(static=True, default=True)
    bank: Bank | tuple[Bank, Bank, Bank] | None = None

    def __check_init__(self):
        if self.features < 1 or self.trials < 1:
            raise InputError(
                f"Harlow: `features={self.features}`, `trials={self.trials}`, but both must be at"
                " least 1."
            )
        if self.reversed_at is not None and not 0 < self.reversed_at < self.trials:
            raise InputError(
                f"Harlow: `reversed_at={self.reversed_at}`, but it must be from 1 to"
                f" {self.trials - 1}."
            )
        banks = self.bank if isinstance(self.bank, tuple) else (self.bank,)
        if isinstance(self.bank, tuple) and len(banks) != 3:
            raise InputError(f"Harlow: `bank` has {len(banks)} banks, but there are three splits.")
        need = 2 if len(banks) == 3 else 20  # two objects of a problem, or three splits
        for bank in banks:
            if bank is not None and bank.shape[-2] < need:
                raise InputError(
                    f"Harlow: a bank has {bank.shape[-2]} pictures, but it needs at least {need}."
                )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> HarlowProblem:
        object_key, left_key, rewarded_key = jr.split(split.fold(key), 3)
        half = jr.permutation(left_key, jnp.arange(self.trials) % 2)
        left = half if self.counterbalanced else jr.randint(left_key, (self.trials,), 0, 2)
        reversed_at = self.trials if self.reversed_at is None else self.reversed_at
        turned = jnp.arange(self.trials) >= reversed_at
        rewarded = jr.randint(rewarded_key, (), 0, 2) ^ turned.astype(int)
        return HarlowProblem(self._objects(split, object_key), left, rewarded, self.fixation)

    def _objects(self, split: Split, key: Key[Array, ""]) -> Float[Array, "2 features"]:
        if self.bank is None:
            return jr.normal(key, (2, self.features))
        bank, members = self._members(split)
        first_key, other_key = jr.split(key)
        first = jr.randint(first_key, (), 0, len(members))
        other = (first + jr.randint(other_key, (), 1, len(members))) % len(members)
        return bank[members[jnp.stack([first, other])]]

    def _members(self, split: Split) -> tuple[Bank, Int[Array, "some"]]:
        """The bank of a split, and the numbers of the pictures in it that belong to the split."""
        assert self.bank is not None
        if isinstance(self.bank, tuple):
            bank = self.bank[split.value]
            return bank, jnp.arange(len(bank))
        low, high = {Split.VALIDATION: (0, 1), Split.TEST: (1, 2), Split.TRAIN: (2, 10)}[split]
        digit = np.arange(len(self.bank)) % 10
        return self.bank, jnp.asarray(np.flatnonzero((digit >= low) & (digit < high)))
