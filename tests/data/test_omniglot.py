"""Omniglot: read from the official zips, split as published."""

import hashlib
import io
import os
import zipfile

import numpy as np
import pytest
from PIL import Image

from learnset import InputError
from learnset.data import omniglot

real = pytest.mark.skipif(
    "LEARNSET_DATA" not in os.environ, reason="LEARNSET_DATA is unset: no Omniglot here"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """An empty cache, so that the zips are decoded once for all tests of the real data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def drawing(seed: int) -> np.ndarray:
    """105×105, True where there is ink."""
    return np.random.RandomState(seed).rand(105, 105) < 0.1


def png(ink: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(~ink).save(buffer, "PNG")
    return buffer.getvalue()


def write_characters(path, alphabets: dict[str, int], drawers: int = 2) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        seed = 0
        for alphabet, characters in alphabets.items():
            for character in range(1, characters + 1):
                for drawer in range(1, drawers + 1):
                    folder = f"images/{alphabet}/character{character:02d}"
                    name = f"{folder}/{character:04d}_{drawer:02d}.png"
                    archive.writestr(name, png(drawing(seed)))
                    seed += 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A made-up background set: six alphabets of two characters each."""
    (tmp_path / "omniglot").mkdir()
    monkeypatch.setenv("LEARNSET_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_characters(
        tmp_path / "omniglot" / "images_background.zip", {f"Old_{i}": 2 for i in range(6)}
    )
    return tmp_path / "omniglot"


def test_images_come_back_bit_for_bit_at_their_own_size(folder):
    data = omniglot.background(size=105)
    expected = np.stack([drawing(seed) for seed in range(24)])
    assert data.x.shape == (24, 105, 105, 1) and (data.x[..., 0] == 255 * expected).all()
    assert data.names[:3] == ("Old_0/character01", "Old_0/character02", "Old_1/character01")
    assert data.groups[:3] == ("Old_0", "Old_0", "Old_1")
    assert (omniglot.background(size=105).x == data.x).all()  # now from the cache


def test_a_zip_that_changed_is_read_again(folder):
    before = omniglot.background()
    write_characters(folder / "images_background.zip", {f"New_{i}": 3 for i in range(6)})
    assert len(before) == 12 and len(omniglot.background()) == 18


def test_the_official_split_keeps_alphabets_apart(folder):
    write_characters(folder / "images_evaluation.zip", {"Klingon": 3, "Tengwar": 1})
    parts = omniglot.official(validation_alphabets=2)
    alphabets = [set(part.groups) for part in parts]
    assert [len(part) for part in parts] == [8, 4, 4] and alphabets[2] == {"Klingon", "Tengwar"}
    assert not alphabets[0] & alphabets[1] and not alphabets[2] & (alphabets[0] | alphabets[1])
    with pytest.raises(InputError, match="it must be 1 to 5"):
        omniglot.official(validation_alphabets=6)


def test_the_random_split_is_over_characters_of_both_zips(folder):
    write_characters(folder / "images_evaluation.zip", {"Klingon": 1611}, drawers=1)
    parts = omniglot.random_characters(size=7)
    assert [len(part) for part in parts] == [1100, 100, 423]
    assert len(set(parts.train.names) | set(parts.validation.names) | set(parts.test.names)) == 1623


def test_the_random_split_needs_both_zips(folder, monkeypatch):
    monkeypatch.setattr("pooch.retrieve", _offline)
    with pytest.raises(
        InputError, match="images_evaluation.zip is missing and could not be downloaded"
    ):
        omniglot.random_characters()


def _offline(*args, **options):
    raise ConnectionError("no network")


def test_a_missing_zip_is_downloaded_and_checked(folder, tmp_path, monkeypatch):
    source = tmp_path / "source"
    source.mkdir()
    write_characters(source / "images_evaluation.zip", {"Klingon": 3})
    checksum = "md5:" + hashlib.md5((source / "images_evaluation.zip").read_bytes()).hexdigest()

    def fetch(url, known_hash, fname, path):
        path.mkdir(parents=True, exist_ok=True)
        assert url.startswith("https://") and known_hash == omniglot.CHECKSUMS[fname]
        content = (source / fname).read_bytes()
        if known_hash != checksum:
            raise ValueError(f"hash of downloaded file ({fname}) does not match")
        (path / fname).write_bytes(content)
        return str(path / fname)

    monkeypatch.setattr("pooch.retrieve", fetch)
    with pytest.raises(InputError, match="does not match"):
        omniglot.evaluation()
    monkeypatch.setitem(omniglot.CHECKSUMS, "images_evaluation.zip", checksum)
    assert len(omniglot.evaluation()) == 3
    monkeypatch.setattr("pooch.retrieve", _offline)
    assert len(omniglot.evaluation(size=14)) == 3  # the zip stays in the cache


def test_the_minimal_sets_have_zips_of_their_own(folder):
    write_characters(folder / "images_background_small2.zip", {f"Small_{i}": 2 for i in range(5)})
    assert len(set(omniglot.minimal(2).groups)) == 5
    with pytest.raises(InputError, match="are 1 and 2"):
        omniglot.minimal(3)


def test_damaged_zips_are_refused_by_name(folder):
    path = folder / "images_background.zip"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="images_background.zip is not a complete zip"):
        omniglot.background()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/A/character01/0001_01.png", b"not a picture")
    with pytest.raises(InputError, match="0001_01.png in .* cannot be read"):
        omniglot.background()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("read me.txt", "")
    with pytest.raises(InputError, match="contains no images"):
        omniglot.background()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images/A/character01/0001_01.png", png(drawing(0)[:50]))
    with pytest.raises(InputError, match="has 105×50 pixels"):
        omniglot.background()


def test_one_shot_runs_follow_their_table(folder):
    with pytest.raises(InputError, match="one-shot runs are missing"):
        omniglot.one_shot_runs()
    lines = (
        "run01/test/item02.png run01/training/class01.png\n"
        "run01/test/item01.png run01/training/class02.png\n"
    )
    with zipfile.ZipFile(folder / "all_runs.zip", "w") as archive:
        archive.writestr("run01/class_labels.txt", lines)
        names = ("training/class01", "training/class02", "test/item01", "test/item02")
        for seed, name in enumerate(names):
            archive.writestr(f"run01/{name}.png", png(drawing(seed)))
    (run,) = omniglot.one_shot_runs()
    assert run.name == "run01" and run.labels.tolist() == [1, 0]
    assert (run.train[1, :, :, 0] == 255 * drawing(1)).all()
    assert (run.test[1, :, :, 0] == 255 * drawing(3)).all()


@pytest.mark.slow
@real
def test_the_background_set_has_964_characters_of_30_alphabets_drawn_by_20_people(cache):
    data = omniglot.background()
    assert (len(data), len(set(data.groups)), set(data.sizes.tolist())) == (964, 30, {20})
    assert data.x.shape == (19280, 28, 28, 1) and data.x.dtype == np.uint8
    parts = omniglot.development()
    assert len(parts.train) <= 820 and sum(len(part) for part in parts) == 964
    alphabets = [set(part.groups) for part in parts]
    assert len(set.union(*alphabets)) == 30 == sum(map(len, alphabets))


@real
@pytest.mark.parametrize("number, characters", ((1, 136), (2, 156)))
def test_a_minimal_set_is_five_of_the_background_alphabets(cache, number, characters):
    if omniglot.find(f"images_background_small{number}.zip") is None:
        pytest.skip(f"images_background_small{number}.zip is not in LEARNSET_DATA")
    small = omniglot.minimal(number)
    assert len(set(small.groups)) == 5 and set(small.groups) < set(omniglot.background().groups)
    assert len(small) == characters and set(small.names) < set(omniglot.background().names)


@real
def test_the_official_runs_have_20_drawings_to_learn_from_and_20_to_classify(cache):
    runs = omniglot.one_shot_runs()
    for run in runs:
        assert run.train.shape == run.test.shape == (20, 105, 105, 1)
        assert sorted(run.labels.tolist()) == list(range(20))
        assert set(np.unique(run.train)) == {0, 255} and 0 < (run.train > 0).mean() < 0.2
