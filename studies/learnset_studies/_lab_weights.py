"""Networks of the lab, trained by the recipes of the studies and stored with them.

`python -m learnset_studies._lab_weights sines` takes about ten minutes on two cores;
`characters` takes a few, and needs the drawings of Omniglot (`LEARNSET_DATA`).
"""

import dataclasses
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Key

from learnset.comparison import Budget, ByGradient, learn, Recipe, Setting
from learnset.core import mse
from learnset.meta import LearntRidge, R2D2, WithRidge
from learnset.models import Headed, MLP
from learnset.tasks import Sinusoids
from learnset.training import write_npz

from ._characters_parts import Part
from ._maml_sinusoids_page import CURVE_SHOTS
from .maml_sinusoids import MAMLSinusoids, network, trained_on_all, TUNED
from .omniglot import OmniglotStudy, RANDOM

R2D2_STEPS = 20_000


def sines(key: Key[Array, ""]) -> dict[str, Any]:
    """The first seed of the study of sine waves; R2D2 on the same tasks, and an untrained network
    of usual weights. Step sizes are those chosen on validation tasks."""
    study = MAMLSinusoids()
    question = study._question(Sinusoids(10, 10), CURVE_SHOTS)
    together = learn(network, question, key=key, budget=Budget(study.steps, tasks_per_step=25))
    pretrained, maml, _ = trained_on_all()
    models = {
        name: jax.tree.map(lambda leaf: leaf[0], together.learnt(recipe).of_one)
        for name, recipe in {"maml": maml, "pretrained": pretrained}.items()
    }
    one = MAMLSinusoids(seeds=1)._question(Sinusoids(10, 10), CURVE_SHOTS)
    alone = learn(usual, one, key=key, budget=Budget(R2D2_STEPS, tasks_per_step=25))
    ridge = Recipe("R2D2", Setting.META, (ByGradient(R2D2(mse)),), (LearntRidge(),))
    models["r2d2"] = jax.tree.map(lambda leaf: leaf[0], alone.learnt(ridge).of_one)
    models["scratch"] = jax.tree.map(lambda leaf: leaf[0], alone.models)
    scratch = alone.ask(one, [Recipe("from scratch", Setting.SCRATCH, adapters=TUNED)])
    (outcome,) = scratch
    (choice,) = outcome.chosen[outcome.shots.index(5)]
    return models | {"scratch_lr": TUNED[choice.adapter].lr}


def usual(key: Key[Array, ""]) -> MLP:
    """The network of the study with the weights that most networks begin with."""
    return MLP(1, 1, width=40, depth=2, key=key)


def write_sines(models: dict[str, Any], path: Path) -> None:
    """Writes weights in single precision."""
    arrays: dict[str, Any] = {
        f"{name}-{i}": np.asarray(leaf, np.float32)
        for name, model in models.items()
        for i, leaf in enumerate(jax.tree.leaves(eqx.filter(model, eqx.is_array)))
        if name != "scratch_lr"
    }
    write_npz(path, **arrays, scratch_lr=models["scratch_lr"])


def stored_sines() -> tuple[dict[str, list[np.ndarray]], float]:
    """The weights of each stored network, and the step size of the untrained one."""
    with _file("lab-sinusoids.npz").open("rb") as file, np.load(file) as arrays:
        names = dict.fromkeys(name.partition("-")[0] for name in arrays.files if "-" in name)
        counts = {each: sum(f.startswith(f"{each}-") for f in arrays.files) for each in names}
        weights = {name: [arrays[f"{name}-{i}"] for i in range(counts[name])] for name in names}
        return weights, float(arrays["scratch_lr"])


def read_sines() -> dict[str, Any]:
    """The stored networks as models."""
    plain = usual(jr.key(0))
    like = {"maml": plain, "pretrained": plain, "scratch": plain, "r2d2": WithRidge(plain)}
    return {name: _filled(like[name], weights) for name, weights in stored_sines()[0].items()}


@dataclasses.dataclass(frozen=True)
class Drawings(OmniglotStudy):
    """The study of drawn characters with a network that is small enough for a page."""

    steps: int = 2000
    ways: int = 20
    filters: tuple[int, ...] = (8, 16, 32, 64)

    name = "lab"
    cells = ((2, 4), (5, 1))


def characters(key: Key[Array, ""]) -> tuple[Headed, list[dict[str, Any]]]:
    """A prototypical network, and its accuracy on characters that it was not trained on."""
    study = Drawings()
    scored = study.scored(study.splits(RANDOM))
    experience, (recipe,) = study.learnt(Part(RANDOM, "ProtoNet"), None, key=key)
    model = jax.tree.map(lambda leaf: leaf[0], experience.learnt(recipe).of_one)
    rows = study._rows_of_features(experience, recipe, scored, RANDOM)
    return model, [row for row in rows if row["tasks"] == "new"]


def write_characters(model: Headed, rows: list[dict[str, Any]], path: Path) -> None:
    """Writes, for each block of the network, its convolution and its normalisation as one: a kernel
    and a bias, in half precision."""
    arrays: dict[str, Any] = {}
    for i, block in enumerate(model.encoder.blocks):
        kernel, bias = folded(block)
        arrays |= {f"kernel{i}": kernel.astype(np.float16), f"bias{i}": bias.astype(np.float16)}
    accuracy = [[row["ways"], row["shots"], row["value"]] for row in rows]
    write_npz(path, **arrays, accuracy=np.array(accuracy))


def read_characters() -> tuple[list[tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Kernel and bias of each block, and rows of ways, shots and accuracy."""
    with _file("lab-characters.npz").open("rb") as file, np.load(file) as arrays:
        count = sum(name.startswith("kernel") for name in arrays.files)
        blocks = [(arrays[f"kernel{i}"], arrays[f"bias{i}"]) for i in range(count)]
        return blocks, arrays["accuracy"]


def folded(block: Any) -> tuple[np.ndarray, np.ndarray]:
    """Kernel and bias of a convolution with a normalisation by stored statistics after it: that is
    a factor and a shift for each channel."""
    convolution = block.convolution
    ends = jnp.broadcast_to(jnp.arange(2.0)[:, None, None, None], (2, 1, 1, len(convolution.bias)))
    shift, at_one = np.asarray(block.normalisation(ends, jnp.ones(2)))[:, 0, 0]
    factor = at_one - shift
    return np.asarray(convolution.weight) * factor, np.asarray(convolution.bias) * factor + shift


def _filled(model: Any, weights: list[np.ndarray]) -> Any:
    moving, fixed = eqx.partition(model, eqx.is_array)
    leaves = [jnp.asarray(leaf, float) for leaf in weights]
    return eqx.combine(jax.tree.unflatten(jax.tree.structure(moving), leaves), fixed)


def swimmers() -> list[list[np.ndarray]]:
    """The weights of the cell and of the actor of each seed of the trained agents of the water
    maze, which come first in their file."""
    with _file("water-maze-rl2.npz").open("rb") as file, np.load(file) as arrays:
        leaves = [arrays[f"leaf{i}"] for i in range(6)]
        return [[leaf[seed] for leaf in leaves] for seed in range(len(leaves[0]))]


def _file(name: str) -> Any:
    return resources.files("learnset_studies").joinpath("trained", name)


if __name__ == "__main__":
    (which,) = sys.argv[1:]
    folder = Path(__file__).parent / "trained"
    if which == "sines":
        write_sines(sines(jr.key(0)), folder / "lab-sinusoids.npz")
    elif which == "characters":
        write_characters(*characters(jr.key(0)), folder / "lab-characters.npz")
