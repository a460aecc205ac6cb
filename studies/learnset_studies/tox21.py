"""Toxicity of molecules in twelve assays, many labels missing: a model for each assay, or all
together?"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Array, Key

from learnset.core import cross_entropy
from learnset.data import tox21
from learnset.multitask import UW
from learnset.report import Grid, Page, Paragraph, Section

from ._rows_study import (
    answer_section,
    balanced,
    check_sizes,
    chosen_recipes,
    compared,
    Divided,
    draw_scores,
    scores_section,
    stopping,
)
from ._study import SHARED

PARTS = (0.8, 0.1, 0.1)
LRS = (0.003, 0.01)
RECIPES = (
    "ridge per task", "network per task", "pooled network", "shared body",
    "shared body + equal weights", "shared body + FAMO", "shared body + UPGrad",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Tox21Study:
    """The study's sizes.

    **Arguments:**

    - `seeds`: random divisions of the molecules.
    - `steps`: of training of a network of one hidden layer of `width`.
    """

    seeds: int = 6
    steps: int = 1000
    width: int = 32

    reads: ClassVar[frozenset[str]] = SHARED | {"seed", "steps", "resume"}

    def __post_init__(self):
        check_sizes("tox21", seeds=self.seeds, steps=self.steps, width=self.width)

    def quick(self) -> "Tox21Study":
        """A fast run, whose networks have not learnt much."""
        return Tox21Study(2, 3, 4)

    def with_steps(self, steps: int) -> "Tox21Study":
        """The same study with another length of training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `compare`.

        **Returns:** rows, of each recipe and of each task.
        """
        table, sizes = Divided.of(tox21(), PARTS), {"steps": self.steps, "lrs": LRS}
        recipes = chosen_recipes(table, RECIPES, **sizes)
        uncertainty = UW(cross_entropy, num_tasks=len(table), classification=True)
        kendall = "Kendall, Gal & Cipolla 2018"
        recipes.append(balanced("UW", uncertainty, kendall, num_tasks=len(table), **sizes))
        shape: dict[str, Any] = {"seeds": self.seeds, "width": self.width, "depth": 1}
        answers = compared(recipes, table, folder, key, **shape, **options)
        labels = {name: len(table.rows_of(number)) for number, name in enumerate(table.names)}
        about = {"measure": "ROC-AUC", "labels": labels}
        return answers | about | {"rows_of_table": len(table.x)}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `scores`."""
        draw_scores(result, folder, label="ROC-AUC, mean over twelve assays")

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        sizes, labels = result["sizes"], result["labels"]
        missing = 1 - sum(labels.values()) / (len(labels) * result["rows_of_table"])
        about = (
            f"{result['rows_of_table']:,} molecules, in {sizes['seeds']} random divisions: eight"
            " tenths to train on, one to choose settings on, one to score on. Inputs are 1,024 bits"
            " of circular fingerprints."
        )
        method = (
            f"{stopping(sizes, LRS)} The pooled network does not see which assay it predicts. A"
            " missing label has no weight, in losses, in balancers and in scores."
        )
        published = (
            "No published numbers stand next to these: those known are of other fingerprints, other"
            " divisions (by scaffold, or the challenge's own test set) and larger networks."
        )
        return Page(
            f"Tox21: twelve assays, {missing:.0%} of the labels missing",
            (
                Section("", (Paragraph(about),)),
                answer_section(result, "ROC-AUC, mean over assays"),
                scores_section("ROC-AUC of each recipe, mean over assays,"),
                _assays(result),
                Section("How it was measured", (Paragraph(method), Paragraph(published))),
            ),
        )


def _assays(result: dict[str, Any]) -> Section:
    rows = [row for row in result["rows"] if row["part"] == "tasks"]
    values = {(row["recipe"], row["task"]): row["value"] for row in rows}
    recipes = tuple(dict.fromkeys(row["recipe"] for row in rows))
    lines = tuple(
        (assay, f"{count:,}", *(f"{values[name, assay]:.3f}" for name in recipes))
        for assay, count in result["labels"].items()
    )
    return Section("Each assay", (Grid(("ROC-AUC", "labels", *recipes), lines),))
