"""`AbstractVar`, said once for type checkers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an Equinox AbstractVar is a ClassVar to them, which a field may override
    from typing import ClassVar as AbstractVar
else:
    from equinox import AbstractVar

__all__ = ["AbstractVar"]
