"""The last column of FAMO's table on NYUv2, computed from the other columns of the table."""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Key

from learnset.multitask import delta_m
from learnset.report import Grid, Markdown, Page, Paragraph, Section

SOURCE = (
    "Liu et al. 2023, FAMO: Fast Adaptive Multitask Optimization, table 1 (baselines from Navon et"
    " al. 2022)"
)
MEASURES = (
    "mIoU",
    "pixel accuracy",
    "absolute error",
    "relative error",
    "mean angle",
    "median angle",
)
MEASURES += ("within 11.25°", "within 22.5°", "within 30°")
HIGHER_IS_BETTER = (True, True, False, False, False, False, True, True, True)
SINGLE_TASK = (38.30, 63.76, 0.6754, 0.2780, 25.01, 19.21, 30.14, 57.20, 69.15)
PUBLISHED = {  # the nine measures, and Δm in percentage points
    "LS": ((39.29, 65.33, 0.5493, 0.2263, 28.15, 23.96, 22.09, 47.50, 61.08), 5.59),
    "SI": ((38.45, 64.27, 0.5354, 0.2201, 27.60, 23.37, 22.53, 48.57, 62.32), 4.39),
    "RLW": ((37.17, 63.77, 0.5759, 0.2410, 28.27, 24.18, 22.26, 47.05, 60.62), 7.78),
    "DWA": ((39.11, 65.31, 0.5510, 0.2285, 27.61, 23.18, 24.17, 50.18, 62.39), 3.57),
    "UW": ((36.87, 63.17, 0.5446, 0.2260, 27.04, 22.61, 23.54, 49.05, 63.65), 4.05),
    "MGDA": ((30.47, 59.90, 0.6070, 0.2555, 24.88, 19.45, 29.18, 56.88, 69.36), 1.38),
    "PCGrad": ((38.06, 64.64, 0.5550, 0.2325, 27.41, 22.80, 23.86, 49.83, 63.14), 3.97),
    "GradDrop": ((39.39, 65.12, 0.5455, 0.2279, 27.48, 22.96, 23.38, 49.44, 62.87), 3.58),
    "CAGrad": ((39.79, 65.49, 0.5486, 0.2250, 26.31, 21.58, 25.61, 52.36, 65.58), 0.20),
    "IMTL-G": ((39.35, 65.60, 0.5426, 0.2256, 26.02, 21.19, 26.20, 53.13, 66.24), -0.76),
    "Nash-MTL": ((40.13, 65.93, 0.5261, 0.2171, 25.26, 20.08, 28.40, 55.47, 68.15), -4.04),
    "FAMO": ((38.88, 64.90, 0.5474, 0.2194, 25.06, 19.57, 29.21, 56.61, 68.98), -4.10),
}
ROUNDING = 0.015  # percentage points, which rounding of the printed measures explains


@dataclasses.dataclass(frozen=True)
class NYUv2DeltaM:
    """Δm of each printed row. Nothing is trained: there is nothing to set."""

    reads: ClassVar[frozenset[str]] = frozenset()

    def quick(self) -> "NYUv2DeltaM":
        """The same: it takes no time."""
        return self

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Computes the column.

        **Returns:** a row for each method.
        """
        del folder, key, options
        rows = []
        for name, (values, published) in PUBLISHED.items():
            ours = float(delta_m(np.array(values), np.array(SINGLE_TASK), HIGHER_IS_BETTER))
            row = {"method": name, "measure": "delta_m", "value": ours, "published": published}
            rows.append(row | {"source": SOURCE, "agrees": abs(ours - published) <= ROUNDING})
        return {"rows": rows, "measures": list(MEASURES)}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """There is no figure."""

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        rows, measures = result["rows"], result["measures"]
        off = [row for row in rows if not row["agrees"]]
        answer = (
            f"{len(rows) - len(off)} of {len(rows)} rows agree within rounding ({ROUNDING}"
            " percentage points)."
        )
        if off:
            differences = "; ".join(map(_difference, off))
            answer += f" {differences}: the printed row and the printed Δm cannot both be right."
        about = (
            f"Δm is the mean relative difference of {len(measures)} measures"
            f" ({', '.join(measures)}) from the single-task row: lower is better, and below zero is"
            " better than a model for each task. `learnset.multitask.delta_m` computed it from each"
            " printed row. Nothing was trained."
        )
        lines = tuple(
            (
                row["method"],
                f"{row['value']:.2f}",
                f"{row['published']:.2f}",
                "yes" if row["agrees"] else Markdown("**no**"),
            )
            for row in rows
        )
        head = ("method", "Δm from the row (%)", "Δm as printed (%)", "agrees")
        return Page(
            "Δm on NYUv2, from the printed rows",
            (
                Section("", (Paragraph(about),)),
                Section("", (Paragraph(answer, boxed=True), Grid(head, lines)), brief=True),
                Section("Source", (Paragraph(f"{SOURCE}."),)),
            ),
        )


def _difference(row: dict[str, Any]) -> str:
    return f"{row['method']} gives {row['value']:.2f} and not {row['published']:.2f}"
