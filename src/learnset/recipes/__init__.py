"""The standard recipes: for new tasks of regression and of classes, for the rows of a table, and
for tasks of a table that are held out."""

from . import (
    affinity as affinity,
    classes as classes,
    frozen as frozen,
    held_out as held_out,
    in_context as in_context,
    moved as moved,
    regression as regression,
    rows as rows,
)
