"""Exam scores of pupils in 139 schools."""

import numpy as np

from ._files import data_folder, read_arrays, reading
from ._table import Table


def school() -> Table:
    """School: exam scores of 15 362 pupils in 139 secondary schools in inner London, 1985 to 1987.
    Each school is a task. The 27 inputs describe the pupil and the school: year, sex, ethnic group
    and the like as zeros and ones, and two percentages.

    The table is read from `$LEARNSET_DATA/school/school_139_tasks.npz` (arrays `x`, `y` and
    `task`).

    **Raises:** `InputError` if the environment variable LEARNSET_DATA is unset, or the file is
    missing or damaged.

    Source: Goldstein 1991, *Multilevel modelling of survey data*; as a multi-task problem in Bakker
    & Heskes 2003, *Task Clustering and Gating for Bayesian Multitask Learning*. The last column of
    the inputs, a constant, is left out.
    """
    path = data_folder("school") / "school_139_tasks.npz"
    arrays = read_arrays(path)
    with reading(path):
        x, y, task = arrays["x"][:, :27], arrays["y"], arrays["task"]
        return Table.from_arrays(np.asarray(x), y, task, targets=("exam score",))
