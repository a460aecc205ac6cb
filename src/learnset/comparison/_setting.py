"""The problem settings, and the controls that every comparison has next to them."""

import enum


class Setting(enum.Enum):
    """The problem setting of a recipe: how it uses past tasks. The value is its one name in results
    and on pages.

    >>> import learnset as ls
    >>> ls.Setting.POOLED.value, ls.Setting.MULTI_TASK.keeps_data
    ('pooled', True)
    """

    SCRATCH = "from scratch"  # no past tasks: each task is learnt by itself
    POOLED = "pooled"  # one model for all tasks, which may be given the task
    TRANSFER = "transfer"  # a model of past tasks, then the new one
    MULTI_TASK = "multi-task"  # all tasks at once, each with something of its own
    META = "meta-learning"  # past tasks are used to make learning the next one quick
    BOUND = "bound"  # no contestant: given more than there is to know, or nothing

    @property
    def keeps_data(self) -> bool:
        """Whether the data of past tasks are needed when a task is added."""
        return self is Setting.MULTI_TASK
