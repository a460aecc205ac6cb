"""The table network that comes with the package, in comparisons of tables."""

from ...comparison import Recipe
from ...core import InputError
from ...data import Table
from ...meta import too_large
from ...recipes import in_context


def reading_recipes(table: Table, inputs: int, outputs: int) -> list[Recipe]:
    """The recipes of the table network.

    **Arguments:** `inputs`, `outputs`: of a network of this table.

    **Raises:** `InputError` for tables that it does not read.
    """
    if table.task is None:
        raise InputError(
            "`--in-context` is for tasks of rows, but here each target is a task. Leave it out."
        )
    classes = bool(table.classes)
    if why := too_large(inputs, outputs if classes else 0):
        raise InputError(f"`--in-context`, but the table network is out of its range: {why}.")
    return in_context.standard(inputs, outputs, classes=classes)
