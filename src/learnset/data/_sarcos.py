"""Inverse dynamics of a robot arm."""

from ._files import data_folder, read_arrays, reading
from ._table import Table

JOINTS = range(1, 8)


def sarcos() -> Table:
    """SARCOS: the torques (Nm) at the seven joints of an anthropomorphic arm, predicted from the
    positions (rad), velocities and accelerations of the joints. Each torque is a task on the same
    rows, the 4 449 rows of the official test file.

    The table is read from `$LEARNSET_DATA/sarcos/sarcos_inv_test_4449x28.npz` (arrays `x` and `y`).

    **Raises:** `InputError` if the environment variable LEARNSET_DATA is unset, or the file is
    missing or damaged.

    Source: Vijayakumar & Schaal 2000, *Locally weighted projection regression*; Rasmussen &
    Williams 2006, *Gaussian Processes for Machine Learning*, §2.5, whose site has the data.
    """
    path = data_folder("sarcos") / "sarcos_inv_test_4449x28.npz"
    arrays = read_arrays(path)
    columns = [
        f"{what} {joint}" for what in ("position", "velocity", "acceleration") for joint in JOINTS
    ]
    with reading(path):
        targets = tuple(f"torque {joint}" for joint in JOINTS)
        return Table.from_arrays(arrays["x"], arrays["y"], columns=columns, targets=targets)
