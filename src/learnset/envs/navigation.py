"""Navigation of a point in the plane to a goal that it cannot see."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float, Int, Key

from ..core import check_positive, InputError, Split
from ._base import AbstractEnv, AbstractEnvs, Continuous, Discrete, Feedback, feedback

STEP = 0.1  # the largest movement of the point in one step, along each axis
NEAR = 0.01  # the distance from the goal at which a trial terminates


class Point(eqx.Module):
    """The state of the point within one trial."""

    position: Float[Array, "2"]
    steps: Int[Array, ""]


class PointNavigation(AbstractEnv):
    """Navigation to one goal. The point starts at the origin; an action is a velocity, clipped to
    0.1 per step along each axis.

    The reward is minus the squared distance to the goal after the step. A trial terminates within
    0.01 of the goal, and is truncated after `trial_steps`. An observation is the position.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, §5.3. The authors' code does
    not square the distance (`squared=False`), nor does that of Zintgraf et al. 2019, *CAVIA*; both
    end a trial in a square around the goal, where the text has a circle.

    **Arguments:**

    - `goal`: the place to reach.
    - `squared`: whether distances are squared.

    >>> import jax.numpy as jnp, jax.random as jr
    >>> from learnset.envs.navigation import PointNavigation
    >>> plane = PointNavigation(jnp.array([0.5, 0.0]))
    >>> state, velocity = plane.reset(0, key=jr.key(0)), jnp.array([9.0, 0.0])
    >>> state, feedback = plane.step(state, velocity, key=jr.key(1))
    >>> round(float(feedback.reward), 3)
    -0.16
    """

    goal: Float[Array, "2"]
    squared: bool = eqx.field(static=True, default=True)
    trials: int = eqx.field(static=True, default=1)
    trial_steps: int = eqx.field(static=True, default=100)

    @property
    def actions(self) -> Discrete | Continuous:
        return Continuous(2, STEP)

    def reset(self, trial: int | Int[Array, ""], *, key: Key[Array, ""]) -> Point:
        del trial, key
        return Point(jnp.zeros_like(self.goal), jnp.asarray(0))

    def step(self, state: Point, action: Array, *, key: Key[Array, ""]) -> tuple[Point, Feedback]:
        del key
        state = Point(state.position + jnp.clip(action, -STEP, STEP), state.steps + 1)
        squared = ((state.position - self.goal) ** 2).sum()
        reward = -squared if self.squared else -jnp.sqrt(squared)
        arrived = squared < NEAR**2
        return state, feedback(reward, arrived, ~arrived & (state.steps >= self.trial_steps))

    def secret(self, state: Point) -> Float[Array, "2"]:
        """The goal."""
        del state
        return self.goal

    def observe(self, state: Point) -> Float[Array, "observation"]:
        return state.position


class Navigation(AbstractEnvs):
    """Navigation to goals that are drawn uniformly from a square around the origin, `reach` to each
    side.

    Source: Finn, Abbeel & Levine 2017, *Model-Agnostic Meta-Learning*, §5.3.

    >>> import jax.random as jr, learnset as ls
    >>> from learnset.envs.navigation import Navigation
    >>> Navigation().draw(20, ls.Split.TEST, key=jr.key(0)).goal.shape
    (20, 2)
    """

    reach: float = eqx.field(static=True, default=0.5)
    squared: bool = eqx.field(static=True, default=True)
    trials: int = eqx.field(static=True, default=1)
    trial_steps: int = eqx.field(static=True, default=100)

    def __check_init__(self):
        check_positive("Navigation", reach=self.reach)
        if self.trials < 1 or self.trial_steps < 1:
            raise InputError(
                f"Navigation: `trials={self.trials}`, `trial_steps={self.trial_steps}`, but both"
                " must be at least 1."
            )

    def sample(self, split: Split, *, key: Key[Array, ""]) -> PointNavigation:
        goal = jr.uniform(split.fold(key), (2,), minval=-self.reach, maxval=self.reach)
        return PointNavigation(goal, self.squared, self.trials, self.trial_steps)
