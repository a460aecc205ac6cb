"""Training of agents in stages, their lives on held-out tasks, and stored agents."""

from importlib import resources
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
from jaxtyping import Array, Float, Key

from learnset.comparison import AbstractLifeMeasure, Comparison
from learnset.core import DivergedError, InputError, interval, Split
from learnset.envs import (
    AbstractAgent,
    AbstractEnv,
    AbstractEnvs,
    expected_regret,
    Life,
    live,
)
from learnset.rl import AbstractActorCritic, RecurrentAgent
from learnset.training import read_sealed_json, train, write_sealed_json

TRAINING_OPTIONS = frozenset({"seed", "steps", "checkpoint_every", "resume"})  # of the command


def seeds_of(agent: Any) -> int:
    """How many agents are stacked in one."""
    return jax.tree.leaves(eqx.filter(agent, eqx.is_array))[0].shape[0]


@eqx.filter_jit
def drawn(envs: AbstractEnvs, number: int, split: Split, key: Key[Array, ""]) -> Any:
    """`number` tasks, drawn by one compiled program."""
    return envs.draw(number, split, key=key)


@eqx.filter_jit
def lives(agents: Any, envs: AbstractEnv, key: Key[Array, ""]) -> Life:
    """The lives of several agents on the same tasks; "seeds tasks steps"."""
    tasks = jax.tree.leaves(eqx.filter(envs, eqx.is_array))[0].shape[0]

    def one(agent: AbstractAgent, key: Key[Array, ""]) -> Life:
        return jax.vmap(lambda env, key: live(agent, env, key=key))(envs, jr.split(key, tasks))

    return eqx.filter_vmap(one)(agents, jr.split(key, seeds_of(agents)))


@eqx.filter_jit
def life_of(agent: AbstractAgent, envs: AbstractEnv, key: Key[Array, ""]) -> Life:
    """The life of a single agent, such as a rule, on several tasks; the `seeds` axis is one."""
    tasks = jax.tree.leaves(eqx.filter(envs, eqx.is_array))[0].shape[0]
    life = jax.vmap(lambda env, key: live(agent, env, key=key))(envs, jr.split(key, tasks))
    return jax.tree.map(lambda leaf: leaf[None], life)


def answered(comparison: Comparison) -> Comparison:
    """The same comparison.

    **Raises:** `DivergedError` if a recipe has failed, because pages need all of them.
    """
    if comparison.failures:
        raise DivergedError("; ".join(comparison.failures.values()))
    return comparison


class ExpectedRegret(AbstractLifeMeasure):
    """The expected regret up to each pull."""

    name = "expected regret"
    higher_is_better = False

    def of_life(self, env: Any, life: Life) -> Float[Array, "pulls"]:
        return expected_regret(env, life.action)

    def for_choice(self, scores: Float[np.ndarray, "... pulls"]) -> Float[np.ndarray, "..."]:
        return scores[..., -1]


class Training(eqx.Module):
    """Training of a study's agents, which are scored on the way.

    **Arguments:**

    - `stages`: training steps after which they are scored, rising; the last is the end.
    """

    method: AbstractActorCritic
    optimiser: optax.GradientTransformation = eqx.field(static=True)
    stages: tuple[int, ...]
    tasks_per_step: int
    width: int

    def new(self, envs: AbstractEnvs, key: Key[Array, "seeds"], **options: Any) -> RecurrentAgent:
        """Untrained agents, with a leading `seeds` axis."""
        env = envs.sample(Split.TRAIN, key=jr.key(0))
        return eqx.filter_vmap(lambda k: RecurrentAgent(env, width=self.width, key=k, **options))(
            key
        )

    def run(
        self,
        name: str,
        agents: Any,
        envs: AbstractEnvs,
        folder: Path,
        key: Key[Array, "seeds"],
        score: Any,
        options: Any,
    ) -> tuple[Any, dict[int, list], dict[str, float]]:
        """Trains agents together, one for each key.

        **Returns:** the agents, their scores at each stage, and the seconds of training. A resumed
        run keeps the scores of earlier stages.
        """
        out = folder / "checkpoints" / name.replace(", ", "-").replace(" ", "-").lower()
        notes, scores = out.with_suffix(".json"), {}
        if options.get("resume") and notes.is_file():
            scores = read_sealed_json(notes, "Delete it, and begin again with `overwrite`.")
        model, seconds = agents, {"train_seconds": 0.0, "compile_seconds": 0.0}
        resume = bool(options.get("resume"))
        for stage in self.stages:
            if str(stage) in scores and stage != self.stages[-1]:
                continue
            run = train(
                self.method,
                agents,
                envs,
                self.optimiser,
                steps=stage,
                key=key,
                tasks_per_step=self.tasks_per_step,
                log_every=max(1, self.stages[-1] // 100),
                out=out,
                name=name,
                **options | {"resume": resume},
            )
            model, resume = run.model, True
            scores[str(stage)] = np.asarray(score(model)).tolist()
            write_sealed_json(notes, scores)
            seconds["train_seconds"] = run.seconds
            seconds["compile_seconds"] += run.compile_seconds
        return model, {int(stage): value for stage, value in scores.items()}, seconds


def without(agents: RecurrentAgent, **ablated: bool) -> RecurrentAgent:
    """The same agents without an input or without their memory."""
    for name, value in ablated.items():
        agents = eqx.tree_at(lambda agent, name=name: getattr(agent, name), agents, value)
    return agents


def stored(name: str, like: Any) -> Any:
    """Trained agents that come with the package, in the structure of `like`."""
    path = resources.files("learnset_studies").joinpath("trained", f"{name}.npz")
    if not path.is_file():
        raise InputError(
            f"No trained agents `{name}` come with this package. Run the study without"
            " `--from-pretrained`."
        )
    with path.open("rb") as file, np.load(file) as arrays:
        leaves = [jnp.asarray(arrays[f"leaf{i}"], jnp.float32) for i in range(len(arrays.files))]
    moving, fixed = eqx.partition(like, eqx.is_inexact_array)
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(moving), leaves), fixed)


def store(agents: Any, path: Path) -> None:
    """Writes agents as half-precision arrays, which is what `stored` reads."""
    leaves = jax.tree.leaves(eqx.filter(agents, eqx.is_inexact_array))
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        f"leaf{i}": np.asarray(leaf, np.float16) for i, leaf in enumerate(leaves)
    }
    np.savez_compressed(path, **arrays)


def summary(by_seed: Float[np.ndarray, "seeds tasks"]) -> dict[str, Any]:
    """Mean and 95 % interval over seeds and tasks, and each seed."""
    mean, half = interval(by_seed)
    return {
        "value": mean,
        "ci95": half,
        "num_tasks": int(by_seed.size),
        "by_seed": [round(float(seed), 4) for seed in np.nanmean(by_seed, axis=1)],
    }
