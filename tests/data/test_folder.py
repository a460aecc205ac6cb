"""Image folders as people have them: images of many sizes, some broken, among other files."""

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
        "1 files whose names are not those of images: dog/notes.txt.",
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
    with pytest.raises(InputError, match="size=0"):
        ls.from_folder(tmp_path, size=0)
