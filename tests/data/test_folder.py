"""Image folders as people have them: images of many sizes, some broken, among other files."""

import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

import learnset as ls
from learnset import InputError


def picture(seed: int, shape=(28, 28)) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def fill(folder, classes: dict[str, int], shape=(28, 28)):
    """A folder with as many PNG images of each class."""
    seed = 0
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(picture(seed, shape)).save(folder / name / f"{i:02d}.png")
            seed += 1
    return folder


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 3)])
def test_images_come_back_bit_for_bit(tmp_path, shape):
    data = ls.from_folder(fill(tmp_path, {"cat": 3, "dog": 2}, shape))
    expected = np.stack([picture(seed, shape).reshape(28, 28, -1) for seed in range(5)])
    assert (data.x == expected).all() and data.names == ("cat", "dog") and data.groups == ("", "")
    assert data.sizes.tolist() == [3, 2] and data.skipped == ()


def test_one_more_level_is_groups(tmp_path):
    data = ls.from_folder(fill(tmp_path, {"Greek/alpha": 2, "Greek/beta": 2, "Latin/a": 2}))
    assert data.names == ("Greek/alpha", "Greek/beta", "Latin/a")
    assert data.groups == ("Greek", "Greek", "Latin")


def test_what_cannot_be_used_is_left_out_and_counted(tmp_path):
    fill(tmp_path, {"cat": 3, "dog": 2, "one": 1, "empty": 0})
    whole = (tmp_path / "cat" / "00.png").read_bytes()
    (tmp_path / "cat" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "dog" / "text.jpg").write_text("no picture")
    (tmp_path / "dog" / "notes.txt").write_text("about dogs")
    (tmp_path / "dog" / ".hidden.png").write_text("")
    data = ls.from_folder(tmp_path)
    assert data.names == ("cat", "dog") and data.sizes.tolist() == [3, 2]
    assert data.skipped == (
        "2 broken images: cat/cut.png, dog/text.jpg.",
        "1 files whose names are not those of images that are read (PNG, JPEG, GIF, BMP, TIFF,"
        " WEBP, PPM): dog/notes.txt.",
        "1 folders without an intact image: empty.",
        "1 classes with fewer than 2 examples: one (1).",
    )


def test_images_of_other_sizes_are_resized_and_counted(tmp_path):
    fill(tmp_path, {"cat": 2, "dog": 1})
    big = picture(9, (56, 84))
    Image.fromarray(big).save(tmp_path / "dog" / "big.png")
    data = ls.from_folder(tmp_path)
    means = big.reshape(28, 2, 28, 3).mean(axis=(1, 3))
    assert (data.x[-1, :, :, 0] == np.floor(means + 0.5)).all()
    assert data.skipped == ("1 images resized to 28×28 pixels: dog/big.png.",)
    assert ls.from_folder(tmp_path, size=(14, 7)).x.shape == (4, 14, 7, 1)


def test_grey_or_colour_is_chosen_or_follows_from_the_images(tmp_path):
    fill(tmp_path, {"cat": 2}, (28, 28))
    fill(tmp_path, {"dog": 2}, (28, 28, 3))
    assert ls.from_folder(tmp_path).x.shape[-1] == 3
    grey = ls.from_folder(tmp_path, channels=1)
    with Image.open(tmp_path / "dog" / "01.png") as image:
        by_pillow = np.asarray(image.convert("L"), int)
    assert grey.x.shape[-1] == 1 and abs(grey.x[3, :, :, 0] - by_pillow).max() <= 1
    assert (grey.x[0, :, :, 0] == picture(0)).all()


def test_every_kind_of_file_is_read_as_it_looks(tmp_path):
    folder = tmp_path / "kinds"
    folder.mkdir()
    deep = (picture(0).astype(np.uint16) * 257).astype(np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")  # sixteen bits
    Image.fromarray(picture(0) > 127).save(folder / "flat.png")  # one bit
    Image.fromarray(picture(0)).convert("P").save(folder / "palette.gif")
    clear = np.zeros((28, 28, 4), np.uint8)  # black, and wholly transparent
    Image.fromarray(clear).save(folder / "clear.png")
    clear, deep, flat, palette = ls.from_folder(tmp_path).x[..., 0]  # in the order of their names
    assert (clear == 255).all()
    assert (deep == picture(0)).all() and (palette == picture(0)).all()
    assert (flat == np.where(picture(0) > 127, 255, 0)).all()


def test_anything_but_a_folder_of_folders_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "nothing" / "empty").mkdir(parents=True)
    (tmp_path / "broken" / "cat").mkdir(parents=True)
    (tmp_path / "broken" / "cat" / "1.png").write_text("no picture")
    fill(tmp_path / "small", {"cat": 1})
    cases = {
        "missing": "does not exist; give a folder of folders",
        "file": "is a file",
        "nothing": "No image in .*nothing can be used. 1 folders without an intact image: empty",
        "broken": "1 broken images: cat/1.png",
        "small": "No classes are left. 1 classes with fewer than 2 examples",
        "small/cat": "It contains no folders of images; the layout is",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message) as error:
            ls.from_folder(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="1 .grey. or 3"):
        ls.from_folder(tmp_path, channels=2)
    for size in (0, 5000):
        with pytest.raises(InputError, match=f"size={size}"):
            ls.from_folder(tmp_path, size=size)


def ramp_folder(folder, **arrays):
    """Pictures of one class, as TIFF where they are floats and as PNG otherwise."""
    folder.mkdir(parents=True)
    for name, x in arrays.items():
        ending = "tif" if x.dtype.kind == "f" or x.dtype == np.int32 else "png"
        Image.fromarray(x).save(folder / f"{name}.{ending}")
    return folder.parent


RAMP = np.tile(np.linspace(0, 255, 28), (28, 1))
GREY = np.rint(RAMP).astype(np.uint8)


@pytest.mark.parametrize(
    ("deep", "white", "words"),
    [
        ((RAMP * 257).astype(np.uint16), 65535, "0 to 65535 (16 bits)"),
        ((RAMP * 16383 / 255).astype(np.uint16), 16383, "0 to 16383 (14 bits)"),
        ((RAMP * 4095 / 255).astype(np.uint16), 4095, "0 to 4095 (12 bits)"),
        ((RAMP * 1023 / 255).astype(np.uint16), 1023, "0 to 1023 (10 bits)"),
        (GREY.astype(np.uint16), 255, "0 to 255 (8 bits)"),
        ((GREY > 127).astype(np.uint16), 1, "0 to 1 (1 bits)"),
        ((RAMP - 100).astype(np.int32), 155, "-100 to 155"),
        ((RAMP * 1000).astype(np.int32), 255000, "whole numbers, 0 to 255000)"),
        ((RAMP / 255).astype(np.float32), 1, "floats, 0 to 1"),
        (RAMP.astype(np.float32), 255, "floats, 0 to 255"),
        ((RAMP * 20).astype(np.float32), 5100, "floats, 0 to 5100"),
        ((RAMP / 100 - 1).astype(np.float32), 1.55, "floats, -1 to 1.5"),
    ],
)
def test_images_of_any_depth_become_bytes_from_black_to_white(tmp_path, deep, white, words):
    data = ls.from_folder(ramp_folder(tmp_path / "k", a=deep, b=deep[:, ::-1].copy()))
    (bounds,) = data.ranges.values()
    expected = (deep.astype(float) - bounds[0]) / (bounds[1] - bounds[0]) * 255
    assert abs(data.x[0, :, :, 0] - expected).max() <= 0.51
    assert data.x.min() == 0 and np.isclose(bounds[1], white, rtol=1e-6)
    assert (
        len(data.skipped) == 1
        and words in data.skipped[0]
        and "brought to bytes" in data.skipped[0]
    )


def test_all_images_of_a_folder_are_brought_to_bytes_by_one_range(tmp_path):
    """A dark image stays darker than the others, and it is said where little is left of it."""
    deep, dark = (RAMP * 257).astype(np.uint16), (RAMP * 2).astype(np.uint16)
    data = ls.from_folder(ramp_folder(tmp_path / "k", bright=deep, dark=dark))
    assert data.x[0].max() == 255 and data.x[1].max() == 2
    assert "nearly black because others are brighter: k/dark.png" in data.skipped[1]


def test_the_ranges_of_a_folder_read_another_image_alike(tmp_path):
    folder = ramp_folder(
        tmp_path / "k", a=(RAMP * 16).astype(np.uint16), b=(RAMP * 8).astype(np.uint16)
    )
    data = ls.from_folder(folder)
    alone = ls.data.from_image(folder / "k" / "b.png", ranges=data.ranges)
    assert (alone == data.x[1]).all() and alone.max() == 127
    Image.fromarray((RAMP * 100).astype(np.uint16)).save(folder / "bright.png")
    x, notes = ls.data.from_images([folder / "bright.png"], ranges=data.ranges)
    assert x.max() == 255 and "cut off because they have values beyond" in notes[1]


def test_pixels_that_are_nan_and_colours_that_lose_their_bits_are_left_out_and_said(tmp_path):
    folder = ramp_folder(tmp_path / "k", a=GREY, b=GREY, nan=np.full((28, 28), np.nan, np.float32))
    write_png16(
        folder / "k" / "twelve.png", np.repeat(GREY.astype(np.uint16)[..., None] * 16, 3, 2)
    )
    write_png16(
        folder / "k" / "whole.png", np.repeat(GREY.astype(np.uint16)[..., None] * 257, 3, 2)
    )
    data = ls.from_folder(folder)
    assert data.sizes.tolist() == [3] and (data.x[2, :, :, 0] == GREY).all()
    assert data.skipped[0] == "1 images with pixels that are NaN or infinite: k/nan.tif."
    said = " ".join(data.skipped)
    assert "which Pillow drops (save them in 8): k/twelve.png" in said
    assert "of sixteen bits, of which the higher eight are used: k/whole.png" in said


def write_png16(path, x):
    """A PNG of 16 bits for each colour, which Pillow does not write."""

    def chunk(kind, content):
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in x)
    head = struct.pack(">IIBBBBB", x.shape[1], x.shape[0], 16, 2, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts))


def test_what_is_transparent_is_white_in_palettes_and_in_sixteen_bits(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    x = np.tile(np.arange(28, dtype=np.uint8), (28, 1))
    palette = Image.fromarray(x).convert("P")
    palette.save(folder / "gif.gif", transparency=3)
    Image.fromarray(x.astype(np.uint16) * 2000).save(folder / "grey.png", transparency=6000)
    Image.fromarray(np.stack([x, x * 0], -1), "LA").save(folder / "la.png")
    gif, grey, la = ls.from_folder(tmp_path).x[..., 0]
    assert (gif[:, 3] == 255).all() and (gif[:, 4] == 4).all()
    assert (grey[:, 3] == 255).all() and grey[0, 4] == round(8000 / 65535 * 255)
    assert (la == 255).all()


def divided(folder, of_part):
    seed = 0
    for part, names in of_part.items():
        for name in names:
            (folder / part / name).mkdir(parents=True)
            for i in range(3):
                Image.fromarray(picture(seed)).save(folder / part / name / f"{i}.png")
                seed += 1
    return folder


@pytest.mark.parametrize("parts", [("train", "val", "test"), ("Training", "valid"), ("trn", "tst")])
def test_the_same_class_in_parts_of_a_data_set_is_one_class(tmp_path, parts):
    data = ls.from_folder(divided(tmp_path, dict.fromkeys(parts, ["cat", "dog"])))
    assert data.names == ("cat", "dog") and data.sizes.tolist() == [3 * len(parts)] * 2
    assert "divide the same classes, 2 of which are in several" in data.skipped[0]
    assert ls.data.given_parts(data) is None


def test_parts_with_classes_of_their_own_are_the_division(tmp_path):
    data = ls.from_folder(divided(tmp_path, {"train": "abc", "val": "de", "test": "fg"}))
    parts = ls.data.given_parts(data)
    assert [part.names for part in parts] == [
        ("train/a", "train/b", "train/c"),
        ("val/d", "val/e"),
        ("test/f", "test/g"),
    ]


def test_a_part_that_is_missing_is_a_fifth_of_the_training_classes(tmp_path):
    data = ls.from_folder(divided(tmp_path, {"train": "abcdefghij", "test": "kl"}))
    train, validation, test = ls.data.given_parts(data)
    assert len(train) == 8 and len(validation) == 2 and test.names == ("test/k", "test/l")
    assert not set(train.names) & set(validation.names)


def test_images_without_a_class_next_to_training_classes_are_left_out(tmp_path):
    """As ImageNet is packed: `val` holds images alone."""
    divided(tmp_path, {"train": ["cat", "dog"]})
    (tmp_path / "val").mkdir()
    Image.fromarray(picture(0)).save(tmp_path / "val" / "1.png")
    data = ls.from_folder(tmp_path)
    assert data.names == ("train/cat", "train/dog")
    assert "1 folders of images without a class next to parts with classes: val." in data.skipped


def test_parts_next_to_other_classes_are_asked_about(tmp_path):
    divided(tmp_path, {"train": "ab", "test": "ab", "extra": "ab"})
    with pytest.raises(InputError, match="and next to them extra: which classes are the same"):
        ls.from_folder(tmp_path)


def test_a_class_called_train_is_a_class(tmp_path):
    data = ls.from_folder(fill(tmp_path, {"bus": 2, "test": 2, "train": 2}))
    assert data.names == ("bus", "test", "train") and data.skipped == ()


def test_groups_with_the_same_names_of_classes_are_noted(tmp_path):
    data = ls.from_folder(divided(tmp_path, {"day1": ["cat", "dog"], "day2": ["cat", "dog"]}))
    assert len(data) == 4 and "read as different classes" in data.skipped[0]


def test_the_same_file_in_two_places_is_noted(tmp_path):
    fill(tmp_path, {"cat": 2, "dog": 2})
    whole = (tmp_path / "cat" / "00.png").read_bytes()
    (tmp_path / "dog" / "copy.png").write_bytes(whole)
    whole = (tmp_path / "cat" / "01.png").read_bytes()
    (tmp_path / "cat" / "same.png").write_bytes(whole)
    assert ls.from_folder(tmp_path).skipped == (
        "2 images that are also in another class, byte for byte: cat/00.png, dog/copy.png.",
        "1 images that are twice in their class, byte for byte: cat/same.png.",
    )


def test_pipes_devices_and_other_formats_are_left_out(tmp_path):
    fill(tmp_path, {"cat": 2})
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    (tmp_path / "cat" / "null.png").symlink_to("/dev/zero")
    (tmp_path / "cat" / "script.png").write_text(
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    )
    (tmp_path / "cat" / "away.png").symlink_to("nowhere")
    assert ls.from_folder(tmp_path).skipped == (
        "2 broken images: cat/away.png, cat/script.png.",
        "2 files that are pipes, devices or sockets: cat/null.png, cat/pipe.png.",
    )


def test_a_decompression_bomb_is_left_out_before_it_is_decoded(tmp_path):
    fill(tmp_path, {"cat": 2})
    Image.new("1", (13_000, 13_000)).save(tmp_path / "cat" / "bomb.png")
    Image.new("1", (70_000, 1)).save(tmp_path / "cat" / "long.png")
    tracemalloc.start()
    data = ls.from_folder(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()
    assert "2 images of more than 67 million pixels" in data.skipped[0]


def test_a_large_image_takes_little_more_memory_than_its_pixels(tmp_path):
    """Strips of it are floats at a time, and the mean is the same."""
    x = np.random.RandomState(0).randint(0, 256, (1400, 2800, 3)).astype(np.uint8)
    Image.fromarray(x).save(tmp_path / "large.png")
    tracemalloc.start()
    small = ls.data.from_image(tmp_path / "large.png", channels=3)
    assert tracemalloc.get_traced_memory()[1] < 12 * x.size
    tracemalloc.stop()
    assert abs(small - x.reshape(28, 50, 28, 100, 3).mean(axis=(1, 3))).max() < 0.502


def test_several_pages_are_noted(tmp_path):
    fill(tmp_path, {"cat": 1})
    pages = [Image.fromarray(picture(seed)) for seed in (5, 6)]
    pages[0].save(tmp_path / "cat" / "pages.tif", save_all=True, append_images=pages[1:])
    data = ls.from_folder(tmp_path)
    assert (data.x[1, :, :, 0] == picture(5)).all()
    assert data.skipped == (
        "1 images with several frames or pages, of which the first is used: cat/pages.tif.",
    )
