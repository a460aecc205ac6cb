"""The threads of other libraries."""

import contextlib
import warnings
from collections.abc import Iterator

from ..core import needs


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """A guard under which scikit-learn works in one thread: on cores that others use as well, its
    threads wait for each other, and were measured to take 25 times as long. Its warnings that a
    maximum of steps was reached are not shown: settings are chosen by validation rows."""
    with needs("tables"):
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
