"""The versions of the packages that decide on numbers."""

from importlib import metadata

PACKAGES = ("learnset", "jax", "jaxlib", "equinox", "optax", "numpy")


def versions() -> dict[str, str]:
    """The version of each package that decides on numbers."""
    return {name: metadata.version(name) for name in PACKAGES}
