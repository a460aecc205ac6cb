"""Ten classes of objects in four kinds of pictures: labels of one, and none of another."""

import csv
import dataclasses
import itertools
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float, Int, Key

from learnset.core import InputError
from learnset.data import data_folder, read_arrays, reading
from learnset.report import Page
from learnset.transfer import (
    AbstractAlignment,
    CORAL,
    JDA,
    LinearTransport,
    nearest_neighbour,
    SubspaceAlignment,
    TCA,
    Unaligned,
)

from ._office_caltech_page import draw_means, MEAN, page

DOMAINS = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
TASKS = tuple("".join(pair) for pair in itertools.permutations("CAWD", 2))  # source, target
PUBLISHED = {  # the row of the published table for each of ours
    "1NN": "1NN no adaptation",
    "SA + 1NN": "SA+1NN dim30",
    "TCA + 1NN": "TCA+1NN dim100",
    "JDA + 1NN": "JDA+1NN dim100",
}
SOURCES = {  # of the numbers in the table's column `source`, and of the rest
    "[4]": "Long et al. 2013, the paper of JDA",
    "[11]": "Zhang, Li & Ogunbona 2017, the paper of JGSA",
    "[13]": "benchmark.md of Wang's repository transferlearning",
}
CODE = "Zhang & Wu 2020, comments in the code of JPDA"
ROUNDING = 0.0051  # percentage points: published values have two digits


@dataclasses.dataclass(frozen=True)
class OfficeCaltechStudy:
    """The study's sizes.

    **Arguments:**

    - `components`: of TCA and JDA; `own`: of subspace alignment.
    - `guesses`: of the target's classes, in JDA.
    - `tasks`: pairs of domains, source and target.
    """

    components: int = 100
    own: int = 30
    guesses: int = 10
    tasks: tuple[str, ...] = TASKS

    reads: ClassVar[frozenset[str]] = frozenset()

    def quick(self) -> "OfficeCaltechStudy":
        """The two smallest domains only, and fewer components."""
        return OfficeCaltechStudy(20, 10, 2, ("WD", "DW"))

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Scores all methods. Nothing is drawn at random.

        **Returns:** a row for each method and task, and one for its mean; published rows.
        """
        del folder, key, options
        domains, table = office_caltech(), published()
        rows, others = [], []
        for name, alignment in self._alignments().items():
            accuracy = [_accuracy(alignment, domains, task) for task in self.tasks]
            known = table.get(PUBLISHED.get(name, ""), None)
            rows += _rows(name, self.tasks, accuracy, known)
        for name, known in table.items():
            values = [known[task] for task in self.tasks]
            about = {"method": name, "source": known["source"]}
            others.append(about | {"values": values, "mean": float(np.mean(values))})
        images = {DOMAINS[letter]: len(y) for letter, (_, y) in domains.items()}
        return {"rows": rows, "published": others, "images": images}

    @staticmethod
    def draw(result: dict[str, Any], folder: Path) -> None:
        """Writes `means`."""
        draw_means(result, folder)

    @staticmethod
    def page(result: dict[str, Any]) -> Page:
        """The page, all of its numbers from `result`."""
        return page(result)

    def _alignments(self) -> dict[str, AbstractAlignment]:
        tca = TCA(self.components)
        return {
            "1NN": Unaligned(),
            "CORAL + 1NN": CORAL(),
            "linear transport + 1NN": LinearTransport(l2=1.0),
            "SA + 1NN": SubspaceAlignment(self.own),
            "TCA + 1NN": tca,
            "JDA + 1NN": JDA(dataclasses.replace(tca, unit=True), self.guesses),
        }


Domain = tuple[Float[np.ndarray, "images 800"], Int[np.ndarray, "images"]]


def office_caltech() -> dict[str, Domain]:
    """Features and classes of each domain, by its letter. Counts of visual words are divided by
    their sum, then each word is standardised in each domain by itself.

    The arrays are read from `$LEARNSET_DATA/office_caltech/office_caltech_surf.npz`.

    **Raises:** `InputError` if the environment variable is unset, or the file is missing or
    damaged.

    Source: Gong et al. 2012, *Geodesic Flow Kernel for Unsupervised Domain Adaptation*, §4.1.
    """
    path = data_folder("office_caltech") / "office_caltech_surf.npz"
    arrays = read_arrays(path)
    domains = {}
    with reading(path):
        for letter, name in DOMAINS.items():
            counts = arrays[f"{name}_x"].astype(np.float64)
            share = counts / counts.sum(axis=1, keepdims=True)
            x = (share - share.mean(axis=0)) / share.std(axis=0)
            domains[letter] = (x, arrays[f"{name}_y"].astype(int))
    return domains


def published() -> dict[str, dict[str, Any]]:
    """Published accuracies by method and task, and the `source` of each row."""
    path = data_folder("office_caltech") / "office_caltech_surf_published.csv"
    if not path.exists():
        raise InputError(f"{path} is missing: the published accuracies. Restore it.")
    with path.open(newline="") as file:
        table = {row["method"]: row for row in csv.DictReader(file)}
    return {
        name: {task: float(row[task]) for task in TASKS}
        | {"source": next((full for key, full in SOURCES.items() if key in row["source"]), CODE)}
        for name, row in table.items()
    }


def _accuracy(alignment: AbstractAlignment, domains: dict[str, Domain], task: str) -> float:
    (source, labels), (target, truth) = (domains[letter] for letter in task)
    aligned = alignment.align(source, labels, target)
    guess = nearest_neighbour(aligned.source, labels, aligned.target)
    return float(100 * (guess == truth).mean())


def _rows(
    name: str, tasks: tuple[str, ...], accuracy: list[float], known: dict[str, Any] | None
) -> list[dict[str, Any]]:
    about: dict[str, Any] = {"method": name, "measure": "accuracy (%)"}
    rows = [about | {"task": task, "value": v} for task, v in zip(tasks, accuracy, strict=True)]
    rows.append(about | {"task": MEAN, "value": float(np.mean(accuracy))})
    if known is None:
        return rows
    values = [known[task] for task in tasks]
    for row, value in zip(rows, [*values, float(np.mean(values))], strict=True):
        row |= {"published": value, "source": known["source"]}
        row["agrees"] = abs(row["value"] - value) <= ROUNDING
    return rows
