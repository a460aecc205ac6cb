"""Your own tasks, models and recipes, from a Python module."""

import dataclasses
from typing import Any, ClassVar

from tyro.conf import OmitArgPrefixes, Positional

from ...core import InputError
from ...tasks import AbstractTasks
from ._families import AbstractFamilySubject
from ._named import named
from ._network import Network, sizes


@dataclasses.dataclass(frozen=True)
class Custom:
    """Your own tasks, and a model for them."""

    name: Positional[str] = ""
    """`module:name` of the tasks, or of a function that makes them"""
    model: str | None = None
    """`module:name` of a function that makes the model from a random key; default: two hidden
    layers"""

    def tasks(self) -> AbstractTasks:
        """The tasks that the name stands for."""
        tasks = named(self.name, "custom")
        tasks = tasks if isinstance(tasks, AbstractTasks) or not callable(tasks) else tasks()
        if not isinstance(tasks, AbstractTasks):
            raise InputError(
                f"`{self.name}` is a {type(tasks).__name__}, but it must be tasks: a subclass of"
                " `learnset.tasks.AbstractTasks`."
            )
        return tasks

    def network(self, tasks: AbstractTasks) -> Any:
        """Makes the common model from a key."""
        return Network(*sizes(tasks)) if self.model is None else named(self.model, "--model")


@dataclasses.dataclass(frozen=True)
class CustomSubject(AbstractFamilySubject):
    """Compares ways to use past tasks on your own tasks, from a Python module."""

    tasks: OmitArgPrefixes[Custom] = dataclasses.field(default_factory=Custom)
    word: ClassVar[str] = "custom"

    @property
    def family(self) -> AbstractTasks:
        return self.tasks.tasks()

    def network(self, family: AbstractTasks) -> Any:
        return self.tasks.network(family)
