"""Learns from past tasks to solve a new one with less data and in fewer steps.

`__init__.pyi` is the table of contents. Each name is loaded when it is first used, so that the
command can answer `--help` without waiting for JAX.
"""

import lazy_loader

__version__ = "0.2.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
