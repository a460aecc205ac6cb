"""Learning a new place of the platform by the weights of a policy: fine-tuning, and MAML."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.random as jr
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import ByGradient, NothingLearnt, Outcome, Recipe, Setting
from learnset.core import Split
from learnset.envs import AbstractEnv, AbstractEnvs, AbstractWrapper, MatchingToPlace
from learnset.rl import MAMLPolicy, OnlineDescent, PolicyDescent, ReactiveAgent

from ._water_maze_lives import POOL

SWIMS = 20  # of the new place before each step of descent, as MAML's code takes; or one
STEPS = 3
PLACES = 8  # in each training step of MAML
LRS = {1: (0.03, 0.1, 0.3, 1.0), SWIMS: (0.3, 1.0, 3.0, 10.0)}
PENALTY = 1e-2
DISCOUNT = 0.98
HORIZON = round(POOL.time_limit / POOL.interval) + 1  # of one swim
INNER_LR = 3.0  # of MAML's step, from as many swims
POLICIES = {
    "new policy": Setting.SCRATCH,
    "pretrained policy": Setting.TRANSFER,
    "MAML policy": Setting.META,
}
Starts = Sequence[Recipe | None]  # from which each of these policies is taken


class OneSwim(AbstractWrapper):
    """A day as a task of one trial, which can be repeated: a swim from any of its starts."""

    env: AbstractEnv

    @property
    def trials(self) -> int:
        return 1

    def reset(self, trial: Any, *, key: Key[Array, ""]) -> Any:
        del trial
        return self.env.reset(jr.randint(key, (), 0, self.env.trials), key=key)


class Swims(AbstractEnvs):
    """Places to swim to from any start."""

    days: MatchingToPlace

    def sample(self, split: Split, *, key: Key[Array, ""]) -> OneSwim:
        return OneSwim(self.days.sample(split, key=key))


def as_swims(days: MatchingToPlace, key: Key[Array, ""]) -> Swims:
    """The past of MAML."""
    del key
    return Swims(days)


class ByTrial(eqx.Module):
    """An agent that learns by its weights from trial to trial, in place of its policy."""

    lr: float | Float[Array, ""]

    def __call__(self, policy: ReactiveAgent, key: Key[Array, ""]) -> OnlineDescent:
        del key
        return OnlineDescent(policy, self.lr, DISCOUNT, where=lambda policy: policy.actor)


def maml_steps(steps: int) -> int:
    """Training steps of MAML, each of which costs as much as several of the others."""
    return max(1, steps // 8)


def maml(pretrained: Recipe, steps: int) -> Recipe:
    """Policies that MAML trains further, for the first step of descent at a new place."""
    # Half of a trial: later rewards are worth little at this discount.
    adapter = PolicyDescent(HORIZON // 2, INNER_LR, 1, SWIMS, DISCOUNT, penalty=PENALTY)
    rate = optax.linear_schedule(1e-3, 1e-4, steps)
    learner = ByGradient(
        MAMLPolicy(adapter),
        past=as_swims,
        steps=steps,
        tasks_per_step=PLACES,
        optimiser=optax.chain(optax.clip_by_global_norm(0.5), optax.adam(rate)),
    )
    return Recipe("MAML", Setting.META, (learner,), start=pretrained)


def from_one_swim(starts: Starts) -> list[Recipe]:
    """Policies that take a step after each swim, of sizes to choose from."""
    learners = tuple(NothingLearnt(ByTrial(lr)) for lr in LRS[1])
    return [
        Recipe(name, setting, learners, start=start)
        for (name, setting), start in zip(POLICIES.items(), starts, strict=True)
    ]


def from_many_swims(starts: Starts) -> list[Recipe]:
    """Policies that take each step after many swims, likewise."""
    adapters = tuple(
        PolicyDescent(HORIZON, lr, STEPS, SWIMS, DISCOUNT, penalty=PENALTY) for lr in LRS[SWIMS]
    )
    return [
        Recipe(name, setting, adapters=adapters, start=start)
        for (name, setting), start in zip(POLICIES.items(), starts, strict=True)
    ]


def step_sizes(one: Outcome, many: Outcome) -> list[list[float]]:
    """The step sizes that were chosen for each seed: for one swim, and for many."""
    return [
        [LRS[1][choice.learner] for choice in one.chosen[0]],
        [LRS[SWIMS][choice.adapter] for choice in many.chosen[0]],
    ]
