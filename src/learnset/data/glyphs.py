"""Glyphs: Unicode characters in the fonts that come with Matplotlib. Real images, without a
download.

A class is a code point, and an image is one font's picture of it, with one channel and ink 255 on
0. No picture occurs twice: of fonts that draw a character alike only one counts, and of characters
  that look alike in some font (Latin A, Greek Alpha) only the first is kept.
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

EDITION = 1  # of the drawing below: characters of another edition are drawn again
FINE = 4  # pictures are drawn larger by this factor, and then averaged
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
TEX = re.compile("cm[a-z]+10")  # fonts whose charmap is that of TeX, not of Unicode
TEX_SYMBOLS = ("cmex10", "cmsy10")  # here the charmap is wrong even about letters


def characters(
    code_points: Iterable[int] | None = None, *, size: int = 28, min_fonts: int = 6
) -> Labelled:
    """The characters with at least `min_fonts` different pictures, in the order of their code
    points.

    `names` are like "U+0041 LATIN CAPITAL LETTER A". `groups` are scripts, the first word of a
    letter's Unicode name ("Latin", "Cyrillic", "Modifier"), or for other characters the kind of
    sign ("Arrows", "Mathematics"). Letters keep their relative sizes: an em is 6/7 of the image. A
    character that is too large for that is drawn as large as fits.

    All characters are drawn once, which takes half a minute, and kept in the cache. With
    `code_points`, only these are drawn, and not kept.

    **Raises:** `InputError` if no character has that many pictures.

    >>> import learnset as ls
    >>> ls.data.glyphs.characters([ord("a"), ord("b")]).names
    ('U+0061 LATIN SMALL LETTER A', 'U+0062 LATIN SMALL LETTER B')
    """
    if size < 8 or min_fonts < 1:
        raise InputError(
            f"`size={size}, min_fonts={min_fonts}`, but they must be at least 8 pixels and 1 font."
        )
    if code_points is not None:
        return _drawn(set(code_points), size, min_fonts)
    with needs("images"):
        packages = f"{version('matplotlib')}-{version('pillow')}"
    drawing = f"{size}-{min_fonts}-{packages}-{unicodedata.unidata_version}-{EDITION}"
    return kept(f"glyphs/{drawing}", lambda: _drawn(None, size, min_fonts))


def split(*, size: int = 28, min_fonts: int = 6) -> Splits:
    """A division of the characters by script: Greek to validate on; Armenian, Cyrillic, Georgian
    and Lao to test on; and all others, mostly Latin letters and mathematical signs, to train on."""
    data = characters(size=size, min_fonts=min_fonts)
    train = [group for group in set(data.groups) if group not in VALIDATION + TEST]
    return Splits(*(data.of_groups(groups) for groups in (train, VALIDATION, TEST)))


def script(character: str) -> str:
    """The script of a letter, by its Unicode name; for any other character, the kind of sign.

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
    """Matplotlib's fonts, and the code points for which each really has a picture."""
    with needs("images"):
        from matplotlib import get_data_path
        from matplotlib.ft2font import FT2Font

    code_points = {}
    for path in sorted(Path(get_data_path(), "fonts", "ttf").glob("*.ttf")):
        font = FT2Font(str(path))
        charmap = font.get_charmap()
        # A font of placeholders has few glyphs for very many code points.
        if len(charmap) <= font.num_glyphs and path.stem not in TEX_SYMBOLS:
            codes = frozenset(
                code for code, glyph in charmap.items() if glyph != 0 and _visible(chr(code))
            )
            tex = bool(TEX.fullmatch(path.stem))
            code_points[path] = frozenset(filter(_basic, codes)) if tex else codes
    return code_points


def _visible(character: str) -> bool:
    """Whether a character is a named letter, number, punctuation mark or symbol: not a space, a
    combining mark or a private character."""
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
        drawn = paths if len(paths) >= min_fonts else ()
        different = dict.fromkeys(_picture(path, chr(code), size) for path in drawn)
        different.pop(bytes(size * size), None)  # no ink
        if len(different) < min_fonts:
            few += 1
        elif taken & different.keys():
            alike += 1
        else:
            pictures[code] = list(different)
            taken |= different.keys()
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
    """One font's picture of a character, its ink centred. It is drawn large and then averaged, so
    that hints for small sizes do not distort it."""
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
    """The smallest picture that contains all the ink, where an em is `pixels` pixels."""
    with needs("images"):
        from PIL import Image, ImageDraw

    font = _font(path, pixels)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(character))
    canvas = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(canvas).text((-left, -top), character, fill=255, font=font)
    grey = np.asarray(canvas)
    rows, columns = np.flatnonzero(grey.any(axis=1)), np.flatnonzero(grey.any(axis=0))
    return grey[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] if len(rows) else grey[:0, :0]
