"""Adapted models between requests: a bounded number of them, each for a limited time."""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable

from ..core import InputError
from ._fitted import Fitted

MOST = 1000
MOST_BYTES = 256 * 2**20
SECONDS = 3600.0


class Store:
    """Keeps adapted models by names that cannot be guessed; the oldest give way to new ones.

    **Arguments:** `most`, `most_bytes`: of all models together. `seconds`: how long a model is kept
    after it was last used.
    """

    def __init__(
        self,
        most: int = MOST,
        most_bytes: int = MOST_BYTES,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.most, self.most_bytes, self.seconds, self.clock = most, most_bytes, seconds, clock
        self._kept: OrderedDict[str, tuple[float, int, Fitted]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def add(self, fitted: Fitted) -> str:
        """Keeps a model.

        **Returns:** its name.
        """
        size = fitted.added_bytes
        if size > self.most_bytes // 4:
            raise InputError(f"The tasks that were added take {size} bytes, too many to keep.")
        name = secrets.token_urlsafe(16)
        self._kept[name] = (self.clock() + self.seconds, size, fitted)
        self._bytes += size
        self._expire()
        while len(self._kept) > self.most or self._bytes > self.most_bytes:
            self._drop(next(iter(self._kept)))
        return name

    def get(self, name: str) -> Fitted:
        """A model that is kept.

        **Raises:** `InputError` for one that is not, or no more.
        """
        self._expire()
        if name not in self._kept:
            raise InputError("There is no such model, or no more: `/adapt` again.")
        _, size, fitted = self._kept[name]
        self._kept[name] = (self.clock() + self.seconds, size, fitted)
        self._kept.move_to_end(name)
        return fitted

    def _expire(self) -> None:
        now = self.clock()
        while self._kept and next(iter(self._kept.values()))[0] < now:
            self._drop(next(iter(self._kept)))

    def _drop(self, name: str) -> None:
        self._bytes -= self._kept.pop(name)[1]
