"""Toxicity of molecules in twelve assays, many labels missing: one model for each assay against all together."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxtyping import Array, Key

from learnset.core import cross_entropy, InputError
from learnset.data import tox21
from learnset.multitask import UW

from ._rows_study import (
    balanced,
    chosen_recipes,
    compared,
    Divided,
    draw_scores,
    Network,
    score_table,
    tuning,
    verdict,
)
from ._study import markdown_table

PARTS = (0.8, 0.1, 0.1)
LRS = (0.003, 0.01)
RECIPES = (
    "ridge per task", "network per task", "pooled network", "shared body", "shared body, FAMO", "shared body, UPGrad",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tox21Study:
    """The study's sizes.

    **Arguments:**

    - `seeds`: random divisions of the molecules.
    - `steps`: of training of a network of one hidden layer of `width`.
    """

    seeds: int = 6
    steps: int = 200
    width: int = 32

    def __post_init__(self):
        if self.seeds < 2 or self.steps < 1 or self.width < 1:
            raise InputError("tox21: `seeds` must be at least 2, `steps` and `width` at least 1.")

    def quick(self) -> "Tox21Study":
        """A fast run, whose networks have not learnt much."""
        return Tox21Study(2, 3, 4)

    def with_steps(self, steps: int) -> "Tox21Study":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`.

        **Returns:** what `result.json` holds.
        """
        table, sizes = Divided.of(tox21(), PARTS), {"steps": self.steps, "lrs": LRS}
        recipes = chosen_recipes(table, RECIPES, **sizes)
        weighting = UW(cross_entropy, num_tasks=len(table), classification=True)
        recipes.append(balanced(weighting, "UW", "Kendall, Gal & Cipolla 2018", **sizes))
        _, rows = compared(
            recipes, table, Network(self.width, 1), folder, key, seeds=self.seeds, **options
        )
        draw_scores(rows, folder, label="ROC-AUC, mean over twelve assays")
        labels = {name: len(table.rows_of(number)) for number, name in enumerate(table.names)}
        result = {
            "rows": rows,
            "measure": "ROC-AUC",
            "labels": labels,
            "rows_of_table": len(table.x),
        }
        (folder / "README.md").write_text(page(result, self))
        return result


def page(result: dict[str, Any], study: Tox21Study) -> str:
    """The page of results, all of its numbers from `result`."""
    rows, labels = result["rows"], result["labels"]
    recipes = list(dict.fromkeys(r["recipe"] for r in rows if r["part"] == "tasks"))
    each = [["ROC-AUC", "labels", *recipes]]
    for assay, count in labels.items():
        mine = {
            r["recipe"]: r["score"] for r in rows if r["part"] == "tasks" and r["task"] == assay
        }
        each.append([assay, f"{count:,}", *(f"{mine[name]:.3f}" for name in recipes)])
    missing = 1 - sum(labels.values()) / (len(labels) * result["rows_of_table"])
    return f"""# Tox21: twelve assays, {missing:.0%} of the labels missing

Made by `learnset study tox21`; {study.seeds} random divisions of {result["rows_of_table"]:,} molecules: eight tenths
to train on, one to choose settings on, one to score on. Inputs are 1,024 bits of circular fingerprints.
All numbers are in [result.json](result.json).

![ROC-AUC](scores.svg)

{score_table(rows, "ROC-AUC, mean over assays")}

{verdict(rows)}

{tuning(study.steps, LRS, study.seeds)} The pooled network is told nothing of the
assay. A missing label has no weight, in losses, in balancers and in scores.

## Each assay

{markdown_table(each)}

No published number stands beside these: those known are of other fingerprints, other divisions (by scaffold, or the challenge's
own test set) and larger networks.
"""
