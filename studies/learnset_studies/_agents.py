"""Agents of studies: what is asked of them, what they took, and those that are stored."""

import json
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Key

from learnset.comparison import AbstractLifeMeasure, Comparison, Cost, Learnt
from learnset.core import DivergedError, InputError, interval, write_file
from learnset.envs import expected_regret, Life
from learnset.rl import RecurrentAgent
from learnset.training import write_npz

TRAINING_OPTIONS = frozenset({"seed", "steps", "checkpoint_every", "resume"})  # of the command


def seconds_of(*costs: Cost | Learnt) -> dict[str, float]:
    """The seconds of trainings."""
    seconds = [cost.train_seconds if isinstance(cost, Cost) else cost.seconds for cost in costs]
    compiling = sum(cost.compile_seconds for cost in costs)
    return {"train_seconds": sum(seconds), "compile_seconds": compiling}


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


def without(agents: RecurrentAgent, **ablated: bool) -> RecurrentAgent:
    """The same agents, one for each seed, without an input or without their memory. One compiled
    program serves all ablations, and none."""
    for name in ("senses_reward", "senses_action", "keeps_memory"):
        value = jnp.asarray(np.full(len(agents.actor.weight), ablated.get(name, True)))
        agents = eqx.tree_at(lambda agent, name=name: getattr(agent, name), agents, value)
    return agents


def stored(name: str, agent: Callable[[Key[Array, ""]], Any], seeds: int) -> Any:
    """Trained agents that come with the package, one for each seed.

    **Arguments:** `agent`: makes an agent of their structure; nothing is computed by it.
    """
    path = resources.files("learnset_studies").joinpath("trained", f"{name}.npz")
    if not path.is_file():
        raise InputError(
            f"No trained agents `{name}` come with this package. Run the study without"
            " `--from-pretrained`."
        )
    with path.open("rb") as file, np.load(file) as arrays:
        leaves = [jnp.asarray(arrays[f"leaf{i}"], jnp.float32) for i in range(len(arrays.files))]
    like = eqx.filter_eval_shape(lambda: eqx.filter_vmap(agent)(jr.split(jr.key(0), seeds)))
    moving, fixed = eqx.partition(like, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(moving), leaves), fixed)


def store(agents: Any, path: Path) -> None:
    """Writes agents as half-precision arrays, which is what `stored` reads."""
    leaves = jax.tree.leaves(eqx.filter(agents, eqx.is_inexact_array))
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        f"leaf{i}": np.asarray(leaf, np.float16) for i, leaf in enumerate(leaves)
    }
    write_npz(path, **arrays)


def stored_result(name: str) -> dict[str, Any]:
    """What comes with stored agents: the part of the kept result that needs none of them, which are
    rivals without past tasks and the course of training."""
    path = resources.files("learnset_studies").joinpath("trained", f"{name}.json")
    return json.loads(path.read_text())


def store_result(part: dict[str, Any], path: Path) -> None:
    """Writes what `stored_result` reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps(part, separators=(",", ":")))


def summary(by_seed: Float[np.ndarray, "seeds tasks"]) -> dict[str, Any]:
    """Mean and 95 % interval over seeds and tasks, and each seed."""
    mean, half = interval(by_seed)
    return {
        "value": mean,
        "ci95": half,
        "num_tasks": int(by_seed.size),
        "by_seed": [round(float(seed), 4) for seed in np.nanmean(by_seed, axis=1)],
    }
