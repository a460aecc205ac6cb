"""Ten classes of objects in four kinds of pictures: labels of one, and none of another."""

import csv
import dataclasses
import itertools
from collections.abc import Callable
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
    GFK,
    JDA,
    JointPCA,
    KMM,
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
    "SVM": "SVM",
    "KMM + SVM": "KMM",
    "PCA + 1NN": "PCA+1NN dim100",
    "GFK + 1NN": "GFK+1NN dim100",
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
NEAR = frozenset(map(frozenset, ("WD", "WA", "CD")))  # pairs of which GFK has half the components
# As printed, these values of the row SVM are shares of no whole number of the target's pictures,
# and all are of those of the other place: the columns of webcam and of dslr were exchanged.
EXCHANGED = {"CW": "CD", "CD": "CW", "AW": "AD", "AD": "AW"}
DRAWN = frozenset({"KMM"})  # such shares in neither order: means over draws of pictures
ROUNDING = 0.0051  # percentage points: published values have two digits


@dataclasses.dataclass(frozen=True)
class OfficeCaltechStudy:
    """The study's sizes.

    **Arguments:**

    - `components`: of TCA, JDA and joint principal components; `own`: of subspace alignment.
    - `flow`: of GFK; half as many for three pairs of domains, as its authors have it.
    - `guesses`: of the target's classes, in JDA.
    - `tasks`: pairs of domains, source and target.
    """

    components: int = 100
    own: int = 30
    flow: int = 20
    guesses: int = 10
    tasks: tuple[str, ...] = TASKS

    reads: ClassVar[frozenset[str]] = frozenset()

    def quick(self) -> "OfficeCaltechStudy":
        """The two smallest domains only, and fewer components."""
        return OfficeCaltechStudy(20, 10, 20, 2, ("WD", "DW"))

    def run(self, folder: Path, key: Key[Array, ""], **options: Any) -> dict[str, Any]:
        """Scores all methods. Nothing is drawn at random.

        **Returns:** a row for each method and task, and one for its mean; published rows.
        """
        del folder, key, options
        domains, table = office_caltech(), published()
        rows, others = [], []
        for name, classify in self._methods().items():
            accuracy = [_accuracy(classify, domains, task) for task in self.tasks]
            row = PUBLISHED.get(name, "")
            rows += _rows(name, self.tasks, accuracy, table.get(row), equal=row not in DRAWN)
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

    def _methods(self) -> dict[str, "Classify"]:
        tca = TCA(self.components)

        def flow(task: str) -> GFK:
            return GFK(self.flow // 2 if frozenset(task) in NEAR else self.flow)

        alignments: dict[str, Callable[[str], AbstractAlignment]] = {
            "1NN": lambda _: Unaligned(),
            "PCA + 1NN": lambda _: JointPCA(self.components),
            "CORAL + 1NN": lambda _: CORAL(),
            "linear transport + 1NN": lambda _: LinearTransport(l2=1.0),
            "SA + 1NN": lambda _: SubspaceAlignment(self.own),
            "GFK + 1NN": flow,
            "TCA + 1NN": lambda _: tca,
            "JDA + 1NN": lambda _: JDA(dataclasses.replace(tca, unit=True), self.guesses),
        }
        vectors = {
            "SVM": support_vectors,
            "SVM, linear kernel": linear_support_vectors,
            "KMM + SVM": matched_support_vectors,
        }
        return vectors | {name: _nearest(alignment) for name, alignment in alignments.items()}


# Of a task, source points, their classes, and target points: the classes of the latter.
Classify = Callable[[str, np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def _nearest(alignment: Callable[[str], AbstractAlignment]) -> Classify:
    """The nearest neighbour after the alignment of a task."""

    def classify(task: str, source: Any, labels: Any, target: Any) -> np.ndarray:
        aligned = alignment(task).align(source, labels, target)
        return nearest_neighbour(aligned.source, labels, aligned.target)

    return classify


def support_vectors(task: str, source: Any, labels: Any, target: Any) -> np.ndarray:
    """A support vector machine, scikit-learn's with its defaults, and no alignment."""
    from sklearn.svm import SVC

    del task
    return SVC().fit(source, labels).predict(target)


def linear_support_vectors(task: str, source: Any, labels: Any, target: Any) -> np.ndarray:
    """The same with a linear kernel."""
    from sklearn.svm import SVC

    del task
    return SVC(kernel="linear").fit(source, labels).predict(target)


def matched_support_vectors(task: str, source: Any, labels: Any, target: Any) -> np.ndarray:
    """With a linear kernel, on source points with the weights of kernel mean matching."""
    from sklearn.svm import SVC

    del task
    weight = KMM().align(source, labels, target).weight
    heavy = weight > 0
    machine = SVC(kernel="linear")
    return machine.fit(source[heavy], labels[heavy], weight[heavy]).predict(target)


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
    """Published accuracies by method and task, and the `source` of each row. Columns that were
    exchanged are in their places."""
    path = data_folder("office_caltech") / "office_caltech_surf_published.csv"
    if not path.exists():
        raise InputError(f"{path} is missing: the published accuracies. Restore it.")
    with path.open(newline="") as file:
        table = {row["method"]: row for row in csv.DictReader(file)}
    return {
        name: {
            task: float(row[EXCHANGED.get(task, task) if name == "SVM" else task]) for task in TASKS
        }
        | {"source": next((full for key, full in SOURCES.items() if key in row["source"]), CODE)}
        for name, row in table.items()
    }


def _accuracy(classify: Classify, domains: dict[str, Domain], task: str) -> float:
    (source, labels), (target, truth) = (domains[letter] for letter in task)
    return float(100 * (classify(task, source, labels, target) == truth).mean())


def _rows(
    name: str,
    tasks: tuple[str, ...],
    accuracy: list[float],
    known: dict[str, Any] | None,
    *,
    equal: bool,
) -> list[dict[str, Any]]:
    """A row for each task, and one for the mean; `equal`: whether the published values are those of
    all pictures, so that ours may be equal to them."""
    about: dict[str, Any] = {"method": name, "measure": "accuracy (%)"}
    rows = [about | {"task": task, "value": v} for task, v in zip(tasks, accuracy, strict=True)]
    rows.append(about | {"task": MEAN, "value": float(np.mean(accuracy))})
    if known is None:
        return rows
    values = [known[task] for task in tasks]
    for row, value in zip(rows, [*values, float(np.mean(values))], strict=True):
        row |= {"published": value, "source": known["source"]}
        if equal:
            row["agrees"] = abs(row["value"] - value) <= ROUNDING
    return rows
