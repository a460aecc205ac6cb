"""Toxicity of molecules in twelve assays."""

import numpy as np

from ._files import data_folder, read_arrays, reading
from ._table import Table


def tox21() -> Table:
    """Tox21: the toxicity of 8 006 molecules in twelve assays, in each of which a molecule is
    active or inactive. Each assay is a task on the same rows; a sixth of the labels are missing.
    Inputs are 1 024 bits of circular fingerprints.

    The table is read from `$LEARNSET_DATA/tox21/tox21_ecfp4_1024.npz` (arrays `fp_packed`, as
    `numpy.packbits` makes them, `y` with -1 for a missing label, and `tasks`).

    **Raises:** `InputError` if the environment variable LEARNSET_DATA is unset, or the file is
    missing or damaged.

    Source: Tox21 data challenge, 2014, of three agencies of the US government; used with these
    twelve assays by Mayr et al. 2016, *DeepTox*.
    """
    path = data_folder("tox21") / "tox21_ecfp4_1024.npz"
    arrays = read_arrays(path)
    with reading(path):
        bits = np.unpackbits(arrays["fp_packed"], axis=1)
        y = np.where(arrays["y"] < 0, np.nan, arrays["y"])
        names = tuple(str(name) for name in arrays["tasks"])
        columns = [f"bit {i}" for i in range(bits.shape[1])]
        return Table.from_arrays(
            bits, y, classes=("inactive", "active"), columns=columns, targets=names
        )
