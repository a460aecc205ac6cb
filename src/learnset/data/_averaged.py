"""Images at another size, by the mean over areas, or between pixels where they grow."""

import numpy as np
from jaxtyping import Float, Shaped, UInt8

STRIP = 2**24  # numbers at a time: as floats they take four or eight times the memory of bytes


def area_averaged(
    images: UInt8[np.ndarray, "points old_height old_width channels"], height: int, width: int
) -> UInt8[np.ndarray, "points height width channels"]:
    """Images at another size. Each new pixel is the mean over the area that it covers, or along a
    side that grows lies on the line between two pixels; halves are rounded up."""
    if images.shape[1:3] == (height, width):
        return images
    result = np.empty((len(images), height, width, images.shape[3]), np.uint8)
    for start in range(0, len(images), 1000):
        mean = averaged(images[start : start + 1000], height, width)
        # A little more than one half rounds halves up whatever the last bit of a float is.
        result[start : start + 1000] = np.floor(mean + 0.501)
    return result


def averaged(
    images: Shaped[np.ndarray, "points old_height old_width channels"], height: int, width: int
) -> Float[np.ndarray, "points height width channels"]:
    """As `area_averaged`, without rounding and for pixels of any type."""
    points, old_height, old_width, channels = images.shape
    down, across = _coverage(old_height, height), _coverage(old_width, width)
    kind = np.float32 if images.dtype == np.uint8 else np.float64
    columns = max(1, STRIP // max(1, points * old_height * channels))
    strips = [
        _last_axis(images[:, :, i : i + columns].transpose(0, 3, 2, 1).astype(kind), down)
        for i in range(0, old_width, columns)
    ]
    return _last_axis(np.concatenate(strips, 2).swapaxes(2, 3), across).transpose(0, 2, 3, 1)


def _last_axis(
    x: Float[np.ndarray, "... old"], coverage: Float[np.ndarray, "new old"]
) -> np.ndarray:
    # One matrix product: many small ones take a hundred times as long on busy cores.
    return (x.reshape(-1, x.shape[-1]) @ coverage.T).reshape(*x.shape[:-1], -1)


def _coverage(old: int, new: int) -> Float[np.ndarray, "new old"]:
    """The part that each old pixel has in each new one, along one axis. Rows sum to one."""
    if new > old:
        places = np.clip((np.arange(new) + 0.5) * (old / new) - 0.5, 0, old - 1)
        return np.maximum(1 - np.abs(places[:, None] - np.arange(old)), 0).astype(np.float32)
    edges = np.arange(new + 1) * (old / new)
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(old)[None]
    overlap = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    return (overlap * (new / old)).astype(np.float32)
