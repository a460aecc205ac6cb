"""Torques of a robot arm: seven regressions on the same rows, alone or together."""

import dataclasses
from pathlib import Path
from typing import Any

from jaxtyping import Array, Key

from learnset.core import InputError, mse
from learnset.data import sarcos
from learnset.multitask import CAGrad, IMTLG, MGDA, NashMTL, PCGrad

from ._rows_study import (
    balanced,
    chosen_recipes,
    compared,
    draw_scores,
    Network,
    score_table,
    tuning,
    verdict,
)
from ._study import markdown_table

SOURCE = "Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, table 2.1 (recalled, unverified)"
PUBLISHED = {  # standardised mean squared error of the first torque, with 44 484 rows to train on
    "linear regression": 0.075,
    "rigid body dynamics": 0.104,
    "LWPR": 0.040,
    "Gaussian process": 0.011,
}
BALANCERS = {
    "MGDA": (MGDA, "Sener & Koltun 2018"),
    "PCGrad": (PCGrad, "Yu et al. 2020"),
    "CAGrad": (CAGrad, "Liu et al. 2021"),
    "IMTL-G": (IMTLG, "Liu et al. 2021"),
    "Nash-MTL": (NashMTL, "Navon et al. 2022"),
}
LRS = (0.003, 0.01)
RECIPES = (
    "ridge per task", "network per task", "shared body", "shared body, FAMO", "shared body, UPGrad",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class SarcosStudy:
    """The study's sizes.

    **Arguments:**

    - `seeds`: random divisions of the rows.
    - `steps`: of training of a network of two hidden layers of `width`.
    - `balancers`: those beside FAMO and UPGrad, by their names.
    """

    seeds: int = 4
    steps: int = 400
    width: int = 40
    balancers: tuple[str, ...] = tuple(BALANCERS)

    def __post_init__(self):
        if self.seeds < 2 or self.steps < 1 or self.width < 1:
            raise InputError("sarcos: `seeds` must be at least 2, `steps` and `width` at least 1.")

    def quick(self) -> "SarcosStudy":
        """A fast run of fewer balancers, whose networks have not learnt much."""
        return SarcosStudy(2, 3, 4, ("MGDA",))

    def with_steps(self, steps: int) -> "SarcosStudy":
        """The same study with other training."""
        return dataclasses.replace(self, steps=steps)

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Trains, scores, draws and writes everything into `folder`.

        **Returns:** what `result.json` holds.
        """
        table, sizes = sarcos(), {"steps": self.steps, "lrs": LRS}
        recipes = chosen_recipes(table, RECIPES, **sizes)
        for name in self.balancers:
            method, source = BALANCERS[name]
            recipes.append(balanced(method(mse), name, source, **sizes))
        _, rows = compared(
            recipes, table, Network(self.width, 2), folder, key, seeds=self.seeds, **options
        )
        draw_scores(rows, folder, label="explained variance, mean over seven torques (1 - SMSE)")
        rows += [
            {
                "part": "published",
                "recipe": name,
                "task": "torque 1",
                "published_smse": value,
                "source": SOURCE,
            }
            for name, value in PUBLISHED.items()
        ]
        result = {
            "rows": rows,
            "measure": "explained variance",
            "tasks": table.names,
            "rows_of_table": len(table.x),
        }
        (folder / "README.md").write_text(page(result, self))
        return result


def page(result: dict[str, Any], study: SarcosStudy) -> str:
    """The page of results, all of its numbers from `result`."""
    rows = result["rows"]
    smse = [["SMSE", *(name.removeprefix("torque ") for name in result["tasks"])]]
    for recipe in dict.fromkeys(r["recipe"] for r in rows if r["part"] == "tasks"):
        mine = [r for r in rows if r["part"] == "tasks" and r["recipe"] == recipe]
        smse.append([recipe, *(f"{1 - r['score']:.3f}" for r in mine)])
    theirs = [["torque 1, published", "SMSE"]]
    theirs += [
        [r["recipe"], f"{r['published_smse']:.3f}"] for r in rows if r["part"] == "published"
    ]
    return f"""# SARCOS: seven torques of a robot arm

Made by `learnset study sarcos`; {study.seeds} random divisions of {result["rows_of_table"]:,} rows (those of the
official test file): six tenths to train on, two to choose settings on, two to score on. All numbers are in
[result.json](result.json).

![Explained variance](scores.svg)

{score_table(rows, "1 - SMSE, mean over torques")}

{verdict(rows)}

{tuning(study.steps, LRS, study.seeds)}

## Each torque

Standardised mean squared error: mean squared error over the variance of the scored rows; lower is better.

{markdown_table(smse)}

{markdown_table(theirs)}

Source: {SOURCE}. Those are of the official division, with 44,484 rows to train on; ours have
{0.6 * result["rows_of_table"]:,.0f}, drawn from other rows, so that the two are no comparison of methods.
"""
