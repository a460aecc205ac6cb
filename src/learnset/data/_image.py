"""One image file, opened as a stranger's: of a known format, and of a size that memory holds."""

import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Shaped

from ..core import needs
from ._averaged import area_averaged, averaged

# By content, whatever the name says. Pillow would hand PostScript to Ghostscript, which runs it.
FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
MOST_PIXELS = 2**26  # 67 megapixels: decoded, they take 200 MB
LONGEST = 2**16  # pixels of a side

BROKEN = "broken images"
LARGE = f"images of more than {MOST_PIXELS // 10**6} million pixels, or {LONGEST:,} on a side"
SPECIAL = "files that are pipes, devices or sockets"
NOT_FINITE = "images with pixels that are NaN or infinite"
DARK = "colour images that use the lower ten of sixteen bits, which Pillow drops (save them in 8)"
SPACE = "images in a colour space that is not read"
SIXTEEN = "colour images of sixteen bits, of which the higher eight are used"
FRAMES = "images with several frames or pages, of which the first is used"


class Picture(NamedTuple):
    """An intact image at its new size."""

    x: Shaped[np.ndarray, "height width channels"]  # uint8, or float64 for more than a byte
    kind: str  # "bytes", "integers" or "floats"
    low: float  # the smallest and the largest value in the file
    high: float
    size: tuple[int, int]  # height and width in the file
    notes: tuple[str, ...]


def picture(file: Path | io.BytesIO, shape: tuple[int, int]) -> Picture | str:
    """One image, a file or its bytes, with one channel if all its pixels are grey.

    **Returns:** the image, or in words why it cannot be used.
    """
    with needs("images"):
        from PIL import Image

    if isinstance(file, Path) and not file.is_file():
        return SPECIAL if file.exists() else BROKEN
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata, and sizes, which are checked here
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > MOST_PIXELS or max(image.size) > LONGEST:
                    return LARGE
                return _read(image, shape)
    except (Image.DecompressionBombError, MemoryError):
        return LARGE
    except Exception:  # decoders raise many kinds, such as struct.error and zlib.error
        return BROKEN


def _read(image, shape: tuple[int, int]) -> Picture | str:
    from PIL import ImageOps

    deep_colour = any(";16" in str(tile[3]) for tile in image.tile) and image.mode[0] not in "IF"
    animated = image.format != "MPO" and getattr(image, "is_animated", False)
    clear = image.info.get("transparency")
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    notes = (FRAMES,) if animated else ()
    if image.mode[0] in "IF":
        return _deep(np.asarray(image), clear, image.mode[0], shape, notes)
    if image.mode in ("LAB", "HSV"):
        return SPACE
    x = _colours(image)
    if deep_colour and x.max() < 64:
        return DARK
    extremes = float(x.min()), float(x.max())
    notes += (SIXTEEN,) if deep_colour else ()
    small = area_averaged(x[None], *shape)[0]
    return Picture(small, "bytes", *extremes, x.shape[:2], notes)


def _colours(image) -> np.ndarray:
    """Bytes of an image, transparent parts put on white."""
    from PIL import Image

    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode in ("1", "L"):
        return np.asarray(image.convert("L"))[..., None]
    x = np.asarray(image.convert("RGB"))
    return x[..., :1] if (x == x[..., :1]).all() else x


def _deep(
    x: np.ndarray, clear: object, mode: str, shape: tuple[int, int], notes: tuple[str, ...]
) -> Picture | str:
    """Pixels of more than a byte."""
    if not np.isfinite(x).all():
        return NOT_FINITE
    kind = "floats" if mode == "F" else "integers"
    low, high = float(x.min()), float(x.max())
    if isinstance(clear, int):
        x = np.where(x == clear, np.iinfo(x.dtype).max if kind == "integers" else high, x)
    small = averaged(x[None, ..., None], *shape)[0]
    return Picture(small, kind, low, high, x.shape[:2], notes)
