"""The weights of `learnset.meta.TablePFN.pretrained()`: a network is trained on random tables that
are related.

Usage: python -m learnset_studies.table_networks FOLDER [--resume]

Linear tasks come first: without them a network of this size does not find out for thousands of
steps that rows with similar inputs have similar targets. Then each step takes groups of four
families of related tables, which differ in their numbers of siblings, rows and inputs. Writes
`table_network.npz` into the folder, with what was done. A run that was stopped goes on with
`--resume`.
"""

import platform
import sys
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.random as jr
import optax

from learnset.meta import TablePFN
from learnset.models import save_network, TableTransformer
from learnset.tasks import AbstractDistribution, Bundle, Groups, RelatedGaussian, RelatedTables
from learnset.training import train

SIZES: dict[str, Any] = {"width": 64, "heads": 4, "depth": 4, "thinking": 8}
SEED, WARM_UP = 0, 50
SHARE = 0.15  # of the rate of Muon: that of Adam


class Stage(NamedTuple):
    """A part of the training."""

    tasks: AbstractDistribution
    groups: int  # of each family in a step
    steps: int
    rate: float = 0.02  # of Muon
    falls: float = 1.0  # from which part of the steps the rates fall to zero


STAGES = (
    Stage(Groups(RelatedGaussian(20, 8, siblings=0, in_size=1, common=(0.0,), noise=0.1)), 64, 150),
    Stage(
        Groups(RelatedGaussian(32, 8, 0, in_size=4, common=(0.0,), noise=0.2, varied=True)), 48, 200
    ),
    Stage(
        Bundle(
            (
                Groups(RelatedGaussian(24, 8, 7, in_size=4, varied=True)),
                Groups(RelatedTables(100, 16, siblings=0, in_size=8, varied=True)),
                Groups(RelatedTables(30, 8, siblings=3, in_size=5, varied=True)),
                Groups(RelatedTables(8, 3, siblings=15, in_size=3, varied=True)),
            )
        ),
        4,
        2700,
        rate=0.01,
        falls=0.3,
    ),
)
# The axes of matrices in the blocks, of which there are several along the first axis.
AXES = {
    "query": (1, (2, 3)),
    "key_value": (1, (3, 4)),
    "out": ((1, 2), 3),
    "grow": (1, 2),
    "shrink": (1, 2),
}


def main(folder: Path, *, resume: bool = False) -> None:
    """Trains the network in a folder, and writes it."""
    key = jr.key(SEED)
    model, done = TableTransformer(**SIZES, key=key), []
    for number, stage in enumerate(STAGES):
        run = train(
            TablePFN(),
            model,
            stage.tasks,
            optimiser(stage),
            steps=stage.steps,
            key=jr.fold_in(key, number),
            tasks_per_step=stage.groups,
            log_every=10,
            out=folder / str(number),
            checkpoint_every=50,
            resume=resume,
        )
        model = run.model
        done.append(f"{stage.steps:,} steps of {described(stage)} ({run.seconds / 60:.0f} min)")
    about = {
        "prior": "; then ".join(done),
        "seed": SEED,
        "hardware": f"a processor ({platform.machine()}), jax {jax.__version__}",
        "command": "python -m learnset_studies.table_networks FOLDER",
    }
    save_network(folder / "table_network.npz", model, about)


def described(stage: Stage) -> str:
    """The families of a stage, as one writes them, and how many groups of each a step has."""
    parts = stage.tasks.families if isinstance(stage.tasks, Bundle) else (stage.tasks,)
    written = [" ".join(repr(part.family).split()) for part in parts]  # pyright: ignore[reportAttributeAccessIssue]
    named = " and ".join(one.replace("( ", "(").replace(" )", ")") for one in written)
    return f"{stage.groups} groups each of {named}"


def optimiser(stage: Stage) -> optax.GradientTransformation:
    """Muon for the matrices of blocks, Adam for all else."""
    turn = round(stage.falls * stage.steps)
    shape = optax.schedules.join_schedules(
        [
            optax.schedules.linear_schedule(0.0, 1.0, WARM_UP),
            optax.schedules.linear_schedule(1.0, 0.0, max(1, stage.steps - turn)),
        ],
        [max(turn, WARM_UP)],
    )
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.contrib.muon(
            lambda step: stage.rate * shape(step),
            adam_learning_rate=lambda step: SHARE * stage.rate * shape(step),
            muon_weight_dimension_numbers=matrices,
        ),
    )


def matrices(params: Any) -> Any:
    """The axes of each matrix that Muon takes; `None` for other arrays."""

    def one(path: Any, leaf: Any) -> Any:
        axes = AXES.get(getattr(path[-1], "name", ""))
        return None if leaf is None or axes is None else optax.contrib.MuonDimensionNumbers(*axes)

    return jax.tree_util.tree_map_with_path(one, params)


if __name__ == "__main__":
    main(Path(sys.argv[1]), resume="--resume" in sys.argv)
