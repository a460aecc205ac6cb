"""The page of any comparison, custom recipes and questions included."""

from pathlib import Path

from ..comparison import Comparison
from ..core import attempt
from ..training import finished_run
from ._figures import draw_comparison, draw_differences
from ._new_tasks import explanation, grid_of, page_of_new_tasks
from ._values import escaped, Page, Paragraph, Picture, Section
from ._write import write_page


def write_report(
    comparison: Comparison, folder: str | Path, *, title: str = "Comparison", unit: str = "shot"
) -> Path:
    """Writes the page of a comparison, with its figures, into `folder`, which is made if it is not
    there: `report.html` and `README.md`. The folder of a run lists them as its own.

    **Arguments:** `unit`: the name of one support point, such as "row".

    **Returns:** the path of `report.html`.

    **Raises:** `InputError` if another process writes into the folder.

    >>> import jax.random as jr, learnset as ls, tempfile
    >>> recipes = [ls.recipes.regression.scratch(steps=2), ls.recipes.regression.maml(steps=2)]
    >>> question = ls.comparison.NewTasks(ls.Sinusoids(), seeds=2, shots=(5,), test_tasks=20)
    >>> network = lambda key: ls.MLP(1, 1, key=key)
    >>> result = ls.compare(recipes, network, question, key=jr.key(0), budget=ls.Budget(steps=2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(ls.report.write_report(result, folder).name)
    report.html
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    with finished_run(place):
        shots = comparison.shots[-1]
        if shots is None:
            page = _page_of_seen_tasks(comparison, place, title, unit)
        else:
            figures = draw_comparison([comparison], shots, place, unit=unit)
            family = getattr(comparison.question, "family", comparison.question)
            tasks = " ".join(repr(family).split())[:200]
            options = {"title": title, "tasks": tasks, "unit": unit, "figures": figures}
            page = page_of_new_tasks([comparison], shots, **options)
        write_page(page, place)
    return place / "report.html"


def _page_of_seen_tasks(comparison: Comparison, folder: Path, title: str, unit: str) -> Page:
    figures = []
    if comparison.baseline() is not None:
        figures = attempt(
            "differences", lambda: draw_differences([comparison], 0, folder, unit=unit)
        )
    pictures = [
        Picture(name, "The paired difference of each recipe to the baseline.") for name in figures
    ]
    failures = [Paragraph(str(escaped(text))) for text in comparison.failures.values()]
    parts = (grid_of([comparison], 0, unit), *failures, Paragraph(explanation(unit)), *pictures)
    return Page(title, (Section("", parts),))
