"""Torques of a robot arm: seven regressions on the same rows, alone or together."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Array, Key

from learnset.core import mse
from learnset.data import sarcos
from learnset.multitask import CAGrad, IMTLG, MGDA, NashMTL, PCGrad
from learnset.report import Grid, Page, Paragraph, Section

from ._rows_study import (
    answer_section,
    balanced,
    check_sizes,
    chosen_recipes,
    compared,
    draw_scores,
    scores_section,
    stopping,
)
from ._study import SHARED

BALANCERS = {
    "MGDA": (MGDA, "Sener & Koltun 2018"),
    "PCGrad": (PCGrad, "Yu et al. 2020"),
    "CAGrad": (CAGrad, "Liu et al. 2021"),
    "IMTL-G": (IMTLG, "Liu et al. 2021"),
    "Nash-MTL": (NashMTL, "Navon et al. 2022"),
}
LRS = (0.003, 0.01)
RECIPES = (
    "ridge per task", "network per task", "shared body",
    "shared body + equal weights", "shared body + FAMO", "shared body + UPGrad",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SarcosStudy:
    """The study's sizes.

    **Arguments:**

    - `seeds`: random divisions of the rows.
    - `steps`: of training of a network of two hidden layers of `width`.
    - `balancers`: those compared in addition to FAMO and UPGrad, by their names.
    """

    seeds: int = 4
    steps: int = 5000
    width: int = 40
    balancers: tuple[str, ...] = tuple(BALANCERS)

    reads: ClassVar[frozenset[str]] = SHARED | {"seed", "steps", "resume"}

    def __post_init__(self):
        check_sizes("sarcos", seeds=self.seeds, steps=self.steps, width=self.width)

    def quick(self) -> "SarcosStudy":
        """A fast run of fewer balancers, whose networks have not learnt much."""
        return SarcosStudy(2, 3, 4, ("MGDA",))

    def with_steps(self, steps: int) -> "SarcosStudy":
        """The same study with another length of training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `compare`.

        **Returns:** rows, of each recipe and of each task.
        """
        table, sizes = sarcos(), {"steps": self.steps, "lrs": LRS}
        recipes = chosen_recipes(table, RECIPES, **sizes)
        for name in self.balancers:
            method, source = BALANCERS[name]
            recipes.append(balanced(name, method(mse), source, num_tasks=len(table), **sizes))
        shape = {"seeds": self.seeds, "width": self.width, "depth": 2}
        answers = compared(recipes, table, folder, key, **shape, **options)
        about = {"measure": "explained variance", "tasks": list(table.names)}
        return answers | about | {"rows_of_table": len(table.x)}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `scores`."""
        draw_scores(result, folder, label="explained variance, mean over seven torques (1 - SMSE)")

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        sizes, number = result["sizes"], result["rows_of_table"]
        about = (
            f"{number:,} rows, those of the official test file, in {sizes['seeds']} random"
            " divisions: six tenths to train on, two to choose settings on, two to score on."
        )
        published = (
            "No published numbers stand next to these: those known are of the official division,"
            f" with 44,484 rows to train on, where ours has {0.6 * number:,.0f}."
        )
        return Page(
            "SARCOS: seven torques of a robot arm",
            (
                Section("", (Paragraph(about),)),
                answer_section(result, "1 - SMSE, mean over torques"),
                scores_section("Explained variance of each recipe, mean over torques,"),
                _torques(result),
                Section(
                    "How it was measured",
                    (Paragraph(stopping(sizes, LRS, alone=True)), Paragraph(published)),
                ),
            ),
        )


def _torques(result: dict[str, Any]) -> Section:
    rows = [row for row in result["rows"] if row["part"] == "tasks"]
    torques = tuple(name.removeprefix("torque ") for name in result["tasks"])
    lines = tuple(
        (name, *(f"{1 - row['value']:.3f}" for row in rows if row["recipe"] == name))
        for name in dict.fromkeys(row["recipe"] for row in rows)
    )
    words = (
        "Standardised mean squared error (SMSE): the mean squared error over the variance of the"
        " scored rows. Lower is better."
    )
    grid = Grid(("SMSE of torque", *torques), lines)
    return Section("Each torque", (Paragraph(words), grid))
