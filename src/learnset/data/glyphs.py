"""Glyphs: Unicode characters in the fonts that Matplotlib brings along. Real pictures with nothing to download.

A class is a code point and an image is a font's picture of it, one channel, ink 255 on 0. No picture occurs twice: of
fonts that draw a character alike one counts, and of characters that look alike in some font (Latin A, Greek Alpha) the
first one stays.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from ..core import InputError, needs
from ._cache import kept
from ._labelled import Labelled, Splits

EDITION = 1  # of the drawing below: a new one is drawn anew
FINE = 4  # pictures are drawn this much larger, and then averaged
VALIDATION = ("Greek",)
TEST = ("Armenian", "Cyrillic", "Georgian", "Lao")
KINDS = {
    "L": "Letterlike",
    "N": "Numbers",
    "P": "Punctuation",
    "S": "Symbols",
    "Sc": "Currency",
    "Sm": "Mathematics",
}
TEX = re.compile("cm[a-z]+10")  # fonts whose charmap is TeX's and not Unicode
TEX_SYMBOLS = ("cmex10", "cmsy10")  # of these not even letters are what the charmap says


def characters(
    code_points: Iterable[int] | None = None, *, size: int = 28, min_fonts: int = 6
) -> Labelled:
    """All characters with at least `min_fonts` different pictures, in the order of their code points.

    `names` are as in "U+0041 LATIN CAPITAL LETTER A". `groups` are scripts, as Unicode's names of letters begin with
    ("Latin", "Cyrillic", "Modifier"), and for what is no letter the kind of sign ("Arrows", "Mathematics"). Letters
    keep their size against each other: an em is 6/7 of the image. What is too large for that is drawn as large as fits.

    All of them are drawn once, in half a minute, and kept in the cache; with `code_points` only these are drawn, now.

    **Raises:** `InputError` where no character has as many pictures.

    >>> import learnset as ls
    >>> ls.data.glyphs.characters([ord("a"), ord("b")]).names
    ('U+0061 LATIN SMALL LETTER A', 'U+0062 LATIN SMALL LETTER B')
    """
    if size < 8 or min_fonts < 1:
        raise InputError(
            f"`size={size}, min_fonts={min_fonts}`; they must be at least 8 pixels and 1 font."
        )
    if code_points is not None:
        return _drawn(set(code_points), size, min_fonts)
    with needs("images"):
        packages = f"{version('matplotlib')}-{version('pillow')}"
    drawing = f"{size}-{min_fonts}-{packages}-{unicodedata.unidata_version}-{EDITION}"
    return kept(f"glyphs/{drawing}", lambda: _drawn(None, size, min_fonts))


def split(*, size: int = 28, min_fonts: int = 6) -> Splits:
    """Characters by script: Greek to validate on; Armenian, Cyrillic, Georgian and Lao to test on; all others, most of
    them Latin letters and mathematical signs, to train on."""
    data = characters(size=size, min_fonts=min_fonts)
    train = [group for group in set(data.groups) if group not in VALIDATION + TEST]
    return Splits(*(data.of_groups(groups) for groups in (train, VALIDATION, TEST)))


def script(character: str) -> str:
    """The script that a letter belongs to, by its Unicode name; the kind of sign that anything else is.

    >>> from learnset.data import glyphs
    >>> [glyphs.script(character) for character in "aЖ→7≠"]
    ['Latin', 'Cyrillic', 'Arrows', 'Numbers', 'Mathematics']
    """
    name, category = unicodedata.name(character), unicodedata.category(character)
    letter = re.match(r"([A-Z]+) (SMALL |CAPITAL )*(LETTER|LIGATURE|VOWEL|DIGRAPH)", name)
    if letter:
        return letter[1].capitalize()
    if "ARROW" in name:
        return "Arrows"
    return KINDS.get(category) or KINDS[category[0]]


def fonts() -> dict[Path, frozenset[int]]:
    """Matplotlib's fonts and the code points that each truly has a picture of."""
    with needs("images"):
        from matplotlib import get_data_path
        from matplotlib.ft2font import FT2Font

    found = {}
    for path in sorted(Path(get_data_path(), "fonts", "ttf").glob("*.ttf")):
        font = FT2Font(str(path))
        charmap = font.get_charmap()
        if (
            len(charmap) <= font.num_glyphs and path.stem not in TEX_SYMBOLS
        ):  # a placeholder has few for very many
            codes = frozenset(
                code for code, glyph in charmap.items() if glyph != 0 and _visible(chr(code))
            )
            tex = bool(TEX.fullmatch(path.stem))
            found[path] = frozenset(code for code in codes if _basic(code)) if tex else codes
    return found


def _visible(character: str) -> bool:
    """Letters, numbers, punctuation and symbols with a name; no spaces, marks or private characters."""
    return unicodedata.category(character)[0] in "LNPS" and unicodedata.name(character, "") != ""


def _basic(code: int) -> bool:
    return code < 128 and chr(code).isalnum()


def _drawn(code_points: set[int] | None, size: int, min_fonts: int) -> Labelled:
    fonts_of = defaultdict(list)
    for path, codes in fonts().items():
        for code in codes if code_points is None else codes & code_points:
            fonts_of[code].append(path)
    pictures: dict[int, list[bytes]] = {}
    taken: set[bytes] = set()
    few = alike = 0
    for code in sorted(fonts_of):
        paths = fonts_of[code]
        found = (
            dict.fromkeys(_picture(path, chr(code), size) for path in paths)
            if len(paths) >= min_fonts
            else {}
        )
        found.pop(bytes(size * size), None)  # no ink
        if len(found) < min_fonts:
            few += 1
        elif taken & found.keys():
            alike += 1
        else:
            pictures[code] = list(found)
            taken |= found.keys()
    skipped = (
        f"{few} characters with fewer than {min_fonts} different pictures.",
        f"{alike} characters that look like an earlier one in some font.",
    )
    flat = np.frombuffer(b"".join(b"".join(images) for images in pictures.values()), np.uint8)
    sizes = np.array([len(images) for images in pictures.values()], int)
    names = tuple(f"U+{code:04X} {unicodedata.name(chr(code))}" for code in pictures)
    groups = tuple(script(chr(code)) for code in pictures)
    return Labelled(
        flat.reshape(-1, size, size, 1), np.cumsum(sizes) - sizes, sizes, names, groups, skipped
    )


@lru_cache(maxsize=256)
def _font(path: Path, pixels: int):
    with needs("images"):
        from PIL import ImageFont

    return ImageFont.truetype(str(path), pixels, layout_engine=ImageFont.Layout.BASIC)


def _picture(path: Path, character: str, size: int) -> bytes:
    """One font's picture of a character, its ink centred: drawn large and averaged, so that no hint for small screens
    bends it."""
    whole, room, em = size * FINE, (size - 2) * FINE, size * FINE * 6 // 7
    ink = _ink(path, character, em)
    if max(ink.shape) > room:
        ink = _ink(path, character, em * room // max(ink.shape))[:room, :room]
    fine = np.zeros((whole, whole), np.uint8)
    top, left = (whole - ink.shape[0]) // 2, (whole - ink.shape[1]) // 2
    fine[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    total = fine.reshape(size, FINE, size, FINE).sum(axis=(1, 3), dtype=np.uint16)
    return ((total + FINE**2 // 2) // FINE**2).astype(np.uint8).tobytes()


def _ink(path: Path, character: str, pixels: int) -> UInt8[np.ndarray, "height width"]:
    """The smallest picture that holds all ink, an em being so many pixels."""
    with needs("images"):
        from PIL import Image, ImageDraw

    font = _font(path, pixels)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(character))
    canvas = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(canvas).text((-left, -top), character, fill=255, font=font)
    grey = np.asarray(canvas)
    rows, columns = np.flatnonzero(grey.any(axis=1)), np.flatnonzero(grey.any(axis=0))
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else grey[:0, :0]
