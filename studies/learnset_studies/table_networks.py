"""The weights of `learnset.meta.TablePFN.pretrained()`: networks are trained on random tables that
are related.

Usage: python -m learnset_studies.table_networks FOLDER [--resume]

Linear tasks come first: without them a network of this size does not find out for thousands of
steps that rows with similar inputs have similar targets. Then each step takes groups of four
families of related tables, which differ in their numbers of siblings, rows and inputs: large
tables first, for the network that reads a table alone, then many tasks of few rows, for the one
that reads siblings. Writes `table_network.npz` and `related_network.npz` into the folder, with
what was done. A run that was stopped goes on with `--resume`.
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

SIZES: dict[str, Any] = {"width": 96, "heads": 4, "depth": 5, "thinking": 8}
SEED, WARM_UP = 0, 50
LOG, KEEP = 20, 200  # steps
SHARE = 0.15  # of the rate of Muon: that of Adam


class Stage(NamedTuple):
    """A part of the training."""

    tasks: AbstractDistribution
    groups: int  # of each family in a step
    steps: int
    rate: float = 0.01  # of Muon
    falls: bool = False  # whether the rates fall to zero, or stay
    kept: str = ""  # the file of the network after it


def one_table(shots: int, in_size: int) -> Groups:
    """Linear tasks without siblings."""
    return Groups(
        RelatedGaussian(shots, 8, 0, in_size=in_size, common=(0.0,), noise=0.2, varied=in_size > 1)
    )


RELATED = Bundle(
    (
        Groups(RelatedGaussian(32, 8, siblings=7, in_size=6, varied=True)),
        Groups(RelatedTables(256, 32, siblings=0, in_size=16, varied=True)),
        Groups(RelatedTables(50, 8, siblings=7, in_size=8, varied=True)),
        Groups(RelatedTables(24, 6, siblings=23, in_size=5, varied=True)),
    )
)
FEW_ROWS = Bundle(
    (
        Groups(RelatedGaussian(16, 8, siblings=11, in_size=4, varied=True)),
        Groups(RelatedTables(16, 8, siblings=11, in_size=4, varied=True)),
        Groups(RelatedTables(24, 8, siblings=15, in_size=5, varied=True)),
        Groups(RelatedTables(40, 8, siblings=9, in_size=8, varied=True)),
    )
)
STAGES = (
    Stage(one_table(20, 1), 64, 300, rate=0.02),
    Stage(one_table(32, 4), 64, 400),
    Stage(RELATED, 8, 300),
    Stage(RELATED, 8, 2000, falls=True, kept="table_network.npz"),
    Stage(FEW_ROWS, 1, 475, rate=0.005),
    Stage(FEW_ROWS, 1, 850, rate=0.005, falls=True, kept="related_network.npz"),
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
    """Trains the networks in a folder, and writes them."""
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
            log_every=LOG,
            out=folder / str(number),
            checkpoint_every=KEEP,
            resume=resume,
        )
        model = run.model
        done.append(f"{stage.steps:,} steps of {described(stage)} ({run.seconds / 60:.0f} min)")
        if stage.kept:
            about = {
                "prior": "; then ".join(done),
                "seed": SEED,
                "hardware": f"{hardware()}, jax {jax.__version__}",
                "command": "python -m learnset_studies.table_networks FOLDER",
            }
            save_network(folder / stage.kept, model, about)


def hardware() -> str:
    """What the network was trained on."""
    if jax.default_backend() == "cpu":
        return f"a processor ({platform.machine()})"
    return f"one {jax.devices()[0].device_kind}"


def described(stage: Stage) -> str:
    """The families of a stage, as one writes them, and how many groups of each a step has."""
    parts = stage.tasks.families if isinstance(stage.tasks, Bundle) else (stage.tasks,)
    written = [" ".join(repr(part.family).split()) for part in parts]  # pyright: ignore[reportAttributeAccessIssue]
    named = " and ".join(one.replace("( ", "(").replace(" )", ")") for one in written)
    groups = "1 group" if stage.groups == 1 else f"{stage.groups} groups"
    return f"{groups} each of {named}"


def optimiser(stage: Stage) -> optax.GradientTransformation:
    """That of a stage."""
    shape = optax.schedules.linear_schedule(0.0, 1.0, WARM_UP)
    if stage.falls:
        down = optax.schedules.linear_schedule(1.0, 0.0, stage.steps - WARM_UP)
        shape = optax.schedules.join_schedules([shape, down], [WARM_UP])
    return muon(lambda step: stage.rate * shape(step))


def muon(rate: optax.Schedule) -> optax.GradientTransformation:
    """Muon for the matrices of the blocks of a table network, Adam for all else.

    Source: Jordan et al. 2024, *Muon: An optimizer for hidden layers in neural networks*.
    """
    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.contrib.muon(
            rate,
            adam_learning_rate=lambda step: SHARE * rate(step),
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
