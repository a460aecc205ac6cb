"""Exam scores of pupils in 139 schools: one model for each, one for all, or learnt together?"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from jaxtyping import Array, Key

from learnset.core import mse
from learnset.data import school
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
    PERCENT,
    recipe_rows,
    scores_section,
    stopping,
)
from ._study import SHARED

SOURCE = (
    "Evgeniou & Pontil 2004, Regularized Multi-Task Learning, table 3 (at second hand: two"
    " summaries of the paper print the same values)"
)
ALONE = "SVM for each school"
PUBLISHED = {  # explained variance in per cent
    ALONE: 11.92,
    "Bakker & Heskes 2003": 29.5,
    "Evgeniou & Pontil 2004": 34.32,
}
PARTS = (0.6, 0.15, 0.25)  # a quarter of each school's pupils is scored, as published
LRS = (0.003, 0.01)
RECIPES = (
    "mean of each task", "ridge per task", "network per task", "pooled ridge", "pooled network",
    "ridge with offsets", "mixed model", "multi-task lasso", "shared body",
    "shared body + equal weights", "shared body + FAMO", "soft sharing",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SchoolStudy:
    """The study's sizes.

    **Arguments:**

    - `seeds`: random divisions of the pupils, as many as published numbers have.
    - `steps`: of training of a network of two hidden layers of `width`.
    """

    seeds: int = 10
    steps: int = 2000
    width: int = 16

    reads: ClassVar[frozenset[str]] = SHARED | {"seed", "steps", "resume"}

    def __post_init__(self):
        check_sizes("school", seeds=self.seeds, steps=self.steps, width=self.width)

    def quick(self) -> "SchoolStudy":
        """A fast run, whose networks have not learnt much."""
        return SchoolStudy(2, 3, 4)

    def with_steps(self, steps: int) -> "SchoolStudy":
        """The same study with another length of training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains and scores. `options` go to `compare`.

        **Returns:** rows, of each recipe and of each task.
        """
        table, sizes = Divided.of(school(), PARTS), {"steps": self.steps, "lrs": LRS}
        recipes = chosen_recipes(table, RECIPES, **sizes)
        uncertainty, kendall = UW(mse, num_tasks=len(table)), "Kendall, Gal & Cipolla 2018"
        recipes.append(balanced("UW", uncertainty, kendall, num_tasks=len(table), **sizes))
        shape: dict[str, Any] = {"seeds": self.seeds, "width": self.width, "depth": 2}
        answers = compared(recipes, table, folder, key, **shape, **options)
        about = {"measure": "explained variance", "tasks": len(table)}
        return answers | about | {"rows_of_table": len(table.x)}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `scores`."""
        label = "explained variance of the scored pupils (%)"
        draw_scores(result, folder, label=label, scale=PERCENT, published=PUBLISHED)

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        sizes, schools = result["sizes"], result["tasks"]
        about = (
            f"{result['rows_of_table']:,} pupils of {schools} schools, in {sizes['seeds']} random"
            " divisions of each school's pupils: six tenths to train on, 15 % to choose settings"
            " on, a quarter to score on."
        )
        method = (
            f"{stopping(sizes, LRS)} `mean of each task` is ridge regression with so strong a"
            " penalty that only each school's mean is left. Balancers that need the Gramian of"
            f" {schools} gradients are left out: they would take longer than everything else."
        )
        return Page(
            f"School: exam scores in {schools} schools",
            (
                Section("", (Paragraph(about),)),
                answer_section(result, "explained variance (%)", PERCENT),
                scores_section("Explained variance of each recipe, and published values below,"),
                _published(result),
                Section("How it was measured", (Paragraph(method),)),
            ),
        )


def _published(result: dict[str, Any]) -> Section:
    scores = {row["recipe"]: 100 * row["value"] for row in recipe_rows(result)}
    ridge, pooled = scores["ridge per task"], scores["pooled ridge"]
    words = (
        f"Source: {SOURCE}. These train on three quarters of the pupils, as ours do once settings"
        " are chosen on a fifth of these. Here a ridge regression for each school, with a"
        f" penalty that is chosen, reaches {ridge:.1f} %, and one ridge regression for all pupils"
        f" {pooled:.1f} %."
    )
    if ridge > PUBLISHED[ALONE]:
        words += (
            " The published models of each school alone are worse than ours: with a chosen penalty,"
            " part of what was gained by learning together is gained without it."
        )
    lines = tuple((name, f"{value:.1f}") for name, value in PUBLISHED.items())
    grid = Grid(("published", "explained variance (%)"), lines)
    return Section("Compared with the published", (grid, Paragraph(words)))
