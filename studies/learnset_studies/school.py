"""Exam scores of pupils in 139 schools: one model for each, one for all, or learnt together?"""

import dataclasses
from pathlib import Path
from typing import Any

from jaxtyping import Array, Key

from learnset.core import InputError, mse
from learnset.data import school
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

PUBLISHED = {  # explained variance in per cent, as they are remembered: these have not been looked up
    "each school alone": (23.5, "about 23 to 24, as reported beside multi-task methods"),
    "Bakker & Heskes": (29.5, "Bakker & Heskes 2003, Task Clustering and Gating"),
    "Evgeniou et al.": (
        34.0,
        "Evgeniou, Micchelli & Pontil 2005, Learning Multiple Tasks with Kernel Methods",
    ),
    "MTL-FEAT": (37.0, "Argyriou, Evgeniou & Pontil 2008, Convex Multi-Task Feature Learning"),
}
UNVERIFIED = " (recalled, unverified)"
PARTS = (0.6, 0.15, 0.25)  # a quarter of each school's pupils is scored, as published
LRS = (0.003, 0.01)
RECIPES = (
    "mean of each task", "ridge per task", "network per task", "pooled ridge", "pooled network", "ridge with offsets",
    "mixed model", "multi-task lasso", "shared body", "shared body, FAMO", "soft sharing",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SchoolStudy:
    """The study's sizes.

    **Arguments:**

    - `seeds`: random divisions of the pupils, as many as published numbers have.
    - `steps`: of training of a network of two hidden layers of `width`.
    """

    seeds: int = 10
    steps: int = 100
    width: int = 16

    def __post_init__(self):
        if self.seeds < 2 or self.steps < 1 or self.width < 1:
            raise InputError("school: `seeds` must be at least 2, `steps` and `width` at least 1.")

    def quick(self) -> "SchoolStudy":
        """A fast run, whose networks have not learnt much."""
        return SchoolStudy(2, 3, 4)

    def with_steps(self, steps: int) -> "SchoolStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`.

        **Returns:** what `result.json` holds.
        """
        table, sizes = Divided.of(school(), PARTS), {"steps": self.steps, "lrs": LRS}
        recipes = chosen_recipes(table, RECIPES, **sizes)
        tasks = len(table)
        recipes.append(
            balanced(UW(mse, num_tasks=tasks), "UW", "Kendall, Gal & Cipolla 2018", **sizes)
        )
        _, rows = compared(
            recipes, table, Network(self.width, 2), folder, key, seeds=self.seeds, **options
        )
        published = {name: value for name, (value, _) in PUBLISHED.items()}
        draw_scores(
            rows,
            folder,
            label="explained variance of the scored pupils (%)",
            percent=True,
            published=published,
        )
        rows += [
            {
                "part": "published",
                "recipe": name,
                "published": value / 100,
                "source": source + UNVERIFIED,
            }
            for name, (value, source) in PUBLISHED.items()
        ]
        result = {
            "rows": rows,
            "measure": "explained variance",
            "tasks": tasks,
            "rows_of_table": len(table.x),
        }
        (folder / "README.md").write_text(page(result, self))
        return result


def page(result: dict[str, Any], study: SchoolStudy) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]
    theirs = [["published, recalled and not verified", "explained variance (%)"]]
    theirs += [
        [r["source"].removesuffix(UNVERIFIED), f"{100 * r['published']:g}"]
        for r in rows
        if r["part"] == "published"
    ]
    scores = {r["recipe"]: 100 * r["score"] for r in rows if r["part"] == "recipes"}
    best = max(scores, key=lambda name: scores[name])
    ridge, pooled = scores["ridge per task"], scores["pooled ridge"]
    published_alone = next(100 * r["published"] for r in rows if r["part"] == "published")
    alone = (
        " Models of each school alone are published as worse than ours: with a penalty chosen on validation rows, part of what"
        " was gained by learning together is gained without it."
        if ridge > published_alone
        else ""
    )
    return f"""# School: exam scores in {result["tasks"]} schools

Made by `learnset study school`; {result["rows_of_table"]:,} pupils, {study.seeds} random divisions of each school's
pupils: six tenths to train on, 15 % to choose settings on, a quarter to score on. All numbers are in [result.json](result.json).

![Explained variance](scores.svg)

{score_table(rows, "explained variance (%)", percent=True)}

{verdict(rows, percent=True)}

{tuning(study.steps, LRS, study.seeds)} `mean of each task` is ridge regression
with so strong a penalty that only each school's mean is left. Balancers that
need the Gramian of {result["tasks"]} gradients are left out: they
would take longer than all the rest.

## Beside the published

{markdown_table(theirs)}

Published numbers are of three quarters of the pupils to train on, without a separate part to choose settings on; ours are of
fewer to train on. They are from memory, and were not looked up. Here a ridge regression for each school, with a penalty that
was chosen, has {ridge:.1f} %, and one ridge regression for all pupils together {pooled:.1f} %; the best recipe, {best}, has
{scores[best]:.1f} %.{alone}
"""
