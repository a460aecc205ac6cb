"""A recipe: one way to use past tasks, from learning to adaptation."""

import hashlib
from collections.abc import Callable

import equinox as eqx

from ..core import AbstractAdapter, InputError
from ..rl import AbstractPolicyAdapter
from ..tasks import AbstractTasks
from ..training import same_code
from ..transfer import AsIs
from ._learner import AbstractLearner, ByGradient, NothingLearnt
from ._setting import Setting

MOST = 40  # letters of a file's name


def in_full(tasks: AbstractTasks) -> AbstractTasks:
    """Tasks as they are."""
    return tasks


def slug(name: str) -> str:
    """A name as part of a file's name.

    >>> slug("shared body + FAMO")
    'shared-body-famo'
    """
    words = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
    if 0 < len(words) <= MOST:
        return words
    digest = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"{words[:MOST]}-{digest}".strip("-")


class Recipe(eqx.Module):
    """One entry of a comparison: ways to learn from the past, and ways to adapt to a task, of which
    the best on validation tasks is scored.

    **Arguments:**

    - `name`, `setting`, `source`: how tables show it.
    - `learners`: candidates, from which one is chosen for each seed. Those that differ in numbers
      alone are learnt in one compiled program.
    - `adapters`: candidates, from which one is chosen for each seed and number of shots.
    - `start`: another recipe, with one learner, from whose models this one's learners start;
      default: the common initial models.
    - `view`: what it may see of any task, when it learns and later.
    - `quick`: whether it is among the few of a short run.
    - `baseline`: whether it is what the others are compared with. Of several baselines the best on
      validation tasks counts, for each seed.

    >>> import learnset as ls
    >>> ls.Recipe("scratch", ls.Setting.SCRATCH, adapters=(ls.FineTune(ls.mse),)).name
    'scratch'
    """

    name: str
    setting: Setting
    learners: tuple[AbstractLearner, ...] = (NothingLearnt(),)
    adapters: tuple[AbstractAdapter | AbstractPolicyAdapter, ...] = (AsIs(),)
    source: str = ""
    view: Callable[[AbstractTasks], AbstractTasks] = in_full
    quick: bool = False
    baseline: bool = False
    start: "Recipe | None" = None

    def __check_init__(self):
        if not self.learners or not self.adapters:
            raise InputError(f"Recipe {self.name!r} needs at least one learner and one adapter.")
        if self.start is not None and len(self.start.learners) > 1:
            raise InputError(
                f"Recipe {self.name!r} cannot start from {self.start.name!r}, which has several"
                " learners to choose from. Start from a recipe with one."
            )

    @property
    def learns(self) -> bool:
        """Whether anything is learnt from the past."""
        started = self.start is not None and self.start.learns
        return started or not isinstance(self.learners[0], NothingLearnt)

    @property
    def on_host(self) -> bool:
        """Whether it trains once, with the host to talk to; several candidates are one program."""
        return len(self.learners) == 1 and isinstance(self.learners[0], ByGradient)

    @property
    def chain(self) -> "list[Recipe]":
        """This recipe, and those that it starts from."""
        return [self, *([] if self.start is None else self.start.chain)]

    def learns_as(self, other: "Recipe") -> bool:
        """Whether the two learn in the same way, so that one model serves both."""
        mine, theirs = ((r.learners, r.view, r.start) for r in (self, other))
        return same_code(mine, theirs)
