"""Learning a new place of the platform by the weights of a policy: fine-tuning, and MAML."""

from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key

from learnset.comparison import seed_keys
from learnset.core import Split
from learnset.envs import AbstractEnv, AbstractEnvs, AbstractWrapper, MatchingToPlace, WaterMaze
from learnset.rl import MAMLPolicy, PolicyDescent
from learnset.training import train

from ._agents import seeds_of

SWIMS = 20  # of the new place before each step of descent, as MAML's code takes; or one
STEPS = 3
PLACES = 8  # in each training step of MAML
LRS = {1: (0.03, 0.1, 0.3, 1.0), SWIMS: (0.3, 1.0, 3.0, 10.0)}
# One swim is scored by its time; it is too short to fit more of a baseline than a constant.
PENALTY = {1: 1e3, SWIMS: 1e-2}
DISCOUNT = 0.98


class OneSwim(AbstractWrapper):
    """One trial of a day as a task of its own, which can be repeated.

    **Arguments:**

    - `trial`: the one whose start is used; default: a random one each time.
    """

    env: AbstractEnv
    trial: Int[Array, ""] | None = None

    @property
    def trials(self) -> int:
        return 1

    def reset(self, trial: Any, *, key: Key[Array, ""]) -> Any:
        del trial
        chosen = jr.randint(key, (), 0, self.env.trials) if self.trial is None else self.trial
        return self.env.reset(chosen, key=key)


class Swims(AbstractEnvs):
    """Places to swim to from any start."""

    days: MatchingToPlace

    def sample(self, split: Split, *, key: Key[Array, ""]) -> OneSwim:
        return OneSwim(self.days.sample(split, key=key))


def descent(env: WaterMaze, swims: int, lr: Any, steps: int = STEPS) -> PolicyDescent:
    """The adapter of a policy to a place, with `swims` swims a step."""
    return PolicyDescent(
        env.trial_steps + 1,
        lr,
        steps,
        swims,
        discount=DISCOUNT,
        penalty=jnp.asarray(PENALTY[swims]),
    )


@eqx.filter_jit
def by_trial(
    policies: Any, mazes: WaterMaze, lr: Float[Array, ""], key: Key[Array, ""]
) -> Float[Array, "..."]:
    """Seconds in each trial of a day, with a step along the policy gradient after each; "seeds days
    trials". They are rounded up to whole decisions."""

    def day(policy: Any, maze: WaterMaze, key: Key[Array, ""]) -> Float[Array, "trials"]:
        moving, fixed = eqx.partition(policy, eqx.is_inexact_array)
        adapter = descent(maze, 1, lr)

        def trial(moving: Any, given: Any) -> tuple[Any, Array]:
            number, key = given
            lived = adapter.live(eqx.combine(moving, fixed), OneSwim(maze, number), key=key)
            grads = jax.grad(lambda part: adapter.loss(eqx.combine(part, fixed), lived))(moving)
            return jax.tree.map(lambda m, g: m - lr * g, moving, grads), _seconds(
                lived.counts, maze
            )[0]

        return jax.lax.scan(trial, moving, (jnp.arange(maze.trials), jr.split(key, maze.trials)))[1]

    return _each(day, policies, mazes, key, together=mazes.platforms.shape[0])


@eqx.filter_jit
def by_step(
    policies: Any, mazes: WaterMaze, lr: Float[Array, ""], key: Key[Array, ""]
) -> Float[Array, "..."]:
    """Seconds before any step of descent and after each, the mean of `SWIMS` swims; "seeds days
    steps"."""

    def place(policy: Any, maze: WaterMaze, key: Key[Array, ""]) -> Float[Array, "steps"]:
        lived = descent(maze, SWIMS, lr).trace(policy, OneSwim(maze), key=key)
        return jax.vmap(lambda counts: _seconds(counts, maze).mean())(lived.counts)

    return _each(place, policies, mazes, key, together=8)


def _seconds(counts: Array, maze: WaterMaze) -> Float[Array, "swims"]:
    return counts.sum(axis=0).astype(float) * maze.pool.interval


def _each(
    one: Any, policies: Any, mazes: WaterMaze, key: Key[Array, ""], *, together: int
) -> Array:
    """For each policy and each maze, the same mazes for all; "seeds days ...".

    **Arguments:** `together`: mazes at once, as memory has room for.
    """
    days = mazes.platforms.shape[0]

    def seed(policy: Any, key: Key[Array, ""]) -> Array:
        return jax.lax.map(
            lambda both: one(policy, *both), (mazes, jr.split(key, days)), batch_size=together
        )

    return eqx.filter_vmap(seed)(policies, jr.split(key, seeds_of(policies)))


def best_lrs(policies: Any, mazes: WaterMaze, key: Key[Array, ""]) -> Float[Array, "2"]:
    """The step sizes, for one swim a step and for many, with the lowest latency after the first
    step of descent and later. `mazes` are of the validation split."""
    chosen = []
    for swims, seconds in ((1, by_trial), (SWIMS, by_step)):
        took = [
            float(seconds(policies, mazes, jnp.asarray(lr), key)[..., 1:].mean())
            for lr in LRS[swims]
        ]
        chosen.append(LRS[swims][int(np.argmin(took))])
    return jnp.asarray(chosen)


def maml_steps(steps: int) -> int:
    """Training steps of MAML, each of which costs as much as several of the others."""
    return max(1, steps // 8)


def maml(
    policies: Any,
    days: MatchingToPlace,
    lr: float,
    *,
    steps: int,
    folder: Path,
    key: Key[Array, ""],
    **options: Any,
) -> tuple[Any, dict[str, float]]:
    """Policies that MAML has trained further, for the first step of descent at a new place.

    **Returns:** the policies, and the seconds of training.
    """
    env = days.sample(Split.TRAIN, key=jr.key(0))
    # Half of a trial: later rewards are worth little at this discount.
    adapter = PolicyDescent(
        env.trial_steps // 2, lr, 1, SWIMS, discount=DISCOUNT, penalty=PENALTY[SWIMS]
    )
    optimiser = optax.chain(
        optax.clip_by_global_norm(0.5), optax.adam(optax.linear_schedule(1e-3, 1e-4, steps))
    )
    run = train(
        MAMLPolicy(adapter),
        policies,
        Swims(days),
        optimiser,
        steps=steps,
        key=seed_keys(key, 9, seeds_of(policies)),
        tasks_per_step=PLACES,
        log_every=max(1, steps // 50),
        out=folder / "checkpoints" / "maml",
        name="MAML",
        **options,
    )
    return run.model, {"train_seconds": run.seconds, "compile_seconds": run.compile_seconds}
