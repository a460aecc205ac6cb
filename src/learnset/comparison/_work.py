"""The units of work of a comparison: what an executor does, here or elsewhere."""

import contextlib
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core import Interrupted, Model, RECIPE
from ._answers import Answers
from ._ask import Asking
from ._recipe import Recipe
from ._sent import Sent
from ._workers import as_done, Serial, stoppable


def answered(
    experience: Any, recipes: Sequence[Recipe], asking: Asking, models: Mapping[str, Model]
) -> Iterator[tuple[Recipe, Answers | str]]:
    """What recipes answer, as they are done; in words why one diverged. Work is given to the
    experience's executor in units: recipes that need the same training are one."""
    here = isinstance(experience.executor, Serial)
    shared = Sent((experience if here else experience.sent(), asking, models))
    units: dict[Any, list[Recipe]] = {}

    def submitted() -> Iterator[Any]:
        for unit in units_of(recipes):
            future = experience.executor.submit(work, shared, Sent(unit))
            units[future] = unit
            yield future

    try:
        for future in as_done(submitted()):
            unit = units.pop(future)
            with named(" and ".join(recipe.name for recipe in unit)):
                answers, learnt, notes = future.result().value
            for note in notes:
                warnings.warn(note, stacklevel=4)
            by_name = {one.name: one for recipe in unit for one in recipe.chain}
            experience.kept += [(by_name[name], of_one) for name, of_one in learnt]
            yield from zip(unit, answers, strict=True)
    except KeyboardInterrupt as stop:
        if here or experience.folder is None:
            raise
        raise Interrupted(
            f"The comparison was stopped; what was done is kept in {experience.folder}. Continue"
            " with `resume`."
        ) from stop


def work(shared: Sent, unit: Sent) -> Sent:
    """One unit of work.

    **Arguments:** `shared`: an `Experience`, what is asked, and models in place of what is learnt.
    `unit`: recipes.

    **Returns:** for each recipe its answers, or in words why it diverged; what another process
    learnt that serves other questions, by the names of recipes; and its warnings.
    """
    experience, asking, models = shared.value
    if not shared.away:
        return Sent(([experience.answers(recipe, asking, models) for recipe in unit.value], [], []))
    with stoppable(), warnings.catch_warnings(record=True) as notes:
        known = len(experience.kept)
        answers = [experience.answers(recipe, asking, models) for recipe in unit.value]
    learnt = [(recipe.name, of_one) for recipe, of_one in experience.kept[known:]]
    return Sent((answers, learnt, [note.message for note in notes]))


def units_of(recipes: Sequence[Recipe]) -> list[list[Recipe]]:
    """Recipes that need the same training on the host together, the others alone.

    >>> import learnset as ls
    >>> one, other = ls.recipes.regression.scratch(), ls.recipes.regression.r2d2()
    >>> [[recipe.name for recipe in unit] for unit in units_of([one, other])]
    [['scratch'], ['R2D2']]
    """
    units: list[list[Recipe]] = []
    for recipe in recipes:
        same = [unit for unit in units if any(_shares(recipe, other) for other in unit)]
        units = [unit for unit in units if not any(unit is one for one in same)]
        units.append([*itertools.chain(*same), recipe])
    return units


@contextlib.contextmanager
def named(name: str) -> Iterator[None]:
    """Notes the name of a recipe with an error, if none is noted yet."""
    try:
        yield
    except Exception as error:
        if not any(note.startswith(RECIPE) for note in getattr(error, "__notes__", ())):
            error.add_note(f"{RECIPE}{name}")
        raise


def _shares(recipe: Recipe, other: Recipe) -> bool:
    """Whether two recipes need the same training on the host."""
    pairs = itertools.product(recipe.chain, other.chain)
    return any(one.on_host and one.learns_as(two) for one, two in pairs)
