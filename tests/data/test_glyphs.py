"""Characters drawn from fonts: real pictures, none of them twice."""

import unicodedata

import numpy as np
import pytest

from learnset import InputError
from learnset.data import glyphs
from learnset.data._labelled import Labelled

# A to E, a; Greek Alpha; Cyrillic Be, Zhe
ALPHABET = [*range(ord("A"), ord("F")), ord("a"), 0x391, 0x411, 0x416]


@pytest.fixture(scope="module")
def few() -> Labelled:
    return glyphs.characters(ALPHABET)


def test_a_class_is_a_code_point_and_an_image_a_font(few):
    assert few.names[0] == "U+0041 LATIN CAPITAL LETTER A" and few.groups[0] == "Latin"
    assert few.x.shape[1:] == (28, 28, 1) and few.x.dtype == np.uint8
    assert few.sizes.min() >= 6 and few.sizes.max() <= len(glyphs.fonts())


def test_no_picture_occurs_twice(few):
    assert len({image.tobytes() for image in few.x}) == len(few.x)


def test_of_characters_that_look_alike_the_first_is_kept(few):
    assert not any("ALPHA" in name for name in few.names)  # Alpha looks like A
    assert any("CYRILLIC CAPITAL LETTER ZHE" in name for name in few.names)
    assert few.skipped[1] == "1 characters that look like an earlier one in some font."
    assert any("ALPHA" in name for name in glyphs.characters([0x391]).names)


def test_ink_is_bright_centred_and_shaded(few):
    ink = few.x[..., 0] > 0
    rows = np.array([np.flatnonzero(image.any(axis=1))[[0, -1]] for image in ink])
    columns = np.array([np.flatnonzero(image.any(axis=0))[[0, -1]] for image in ink])
    for edges in (rows, columns):
        assert edges.min() >= 1 and edges.max() <= 26  # one pixel of margin
        assert (
            abs(edges.sum(axis=1) - 27).max() <= 1
        )  # equally far from both sides, but for rounding
    assert few.x.max() == 255 and len(np.unique(few.x)) > 100 and 0.02 < ink.mean() < 0.4


def test_letters_keep_their_relative_sizes(few):
    def height(name):
        images = few.x[few.labels == few.names.index(name)]
        return (images > 0).any(axis=(2, 3)).sum(axis=1).mean()

    assert height("U+0041 LATIN CAPITAL LETTER A") > 1.2 * height("U+0061 LATIN SMALL LETTER A")


def test_the_same_pictures_come_out_each_time(few):
    assert (glyphs.characters(ALPHABET).x == few.x).all()


def test_the_placeholder_font_counts_for_nothing():
    """It has a picture for every code point that exists, always one of the same few."""
    fonts = glyphs.fonts()
    assert not any("LastResort" in path.name for path in fonts) and len(fonts) > 30
    assert all(0x4E00 not in codes for codes in fonts.values())  # no font really has this one
    with pytest.raises(InputError, match="No classes are left"):
        glyphs.characters([0x4E00])


def test_of_fonts_in_an_encoding_of_their_own_only_letters_and_digits_are_used():
    tex = {path.stem: codes for path, codes in glyphs.fonts().items() if path.stem.startswith("cm")}
    assert set(tex) == {"cmb10", "cmmi10", "cmr10", "cmss10", "cmti10", "cmtt10"}
    basic = {code for code in range(128) if chr(code).isalnum()}
    assert all(codes == basic for codes in tex.values())


def test_enough_characters_have_six_fonts_before_look_alikes_are_left_out():
    """The exact count needs all pictures (2 309 with Matplotlib 3.11); this is its cheap half."""
    count = np.zeros(0x110000, int)
    for codes in glyphs.fonts().values():
        count[list(codes)] += 1
    assert (count >= 6).sum() > 3000


def test_everything_has_a_script_or_a_kind():
    codes = set().union(*glyphs.fonts().values())
    kinds = {glyphs.script(chr(code)) for code in codes}
    assert {"Latin", "Greek", "Cyrillic", "Armenian", "Georgian", "Lao"} <= kinds
    assert {"Arrows", "Numbers", "Currency"} <= kinds
    letters = [c for c in codes if unicodedata.name(chr(c)).startswith("GREEK SMALL LETTER")]
    assert {glyphs.script(chr(code)) for code in letters} == {"Greek"}


def test_the_split_is_by_script_and_comes_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    codes = frozenset([0x41, 0x42, 0x3B1, 0x3B2, 0x416, 0x562, 0x10D0, 0xE81])
    few = {path: of_font & codes for path, of_font in glyphs.fonts().items()}
    monkeypatch.setattr(glyphs, "fonts", lambda: few)
    parts = glyphs.split()
    assert [sorted(set(part.groups)) for part in parts] == [
        ["Latin"],
        ["Greek"],
        ["Armenian", "Cyrillic", "Georgian", "Lao"],
    ]
    monkeypatch.setattr(glyphs, "fonts", dict)  # nothing could be drawn now
    assert (glyphs.split().test.x == parts.test.x).all()
