"""`learnset compare photos/ --backbone`: frozen features of pretrained networks on your images."""

import json

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import learnset as ls
from learnset import cli
from learnset.cli.subjects import Files
from learnset.cli.subjects._backbones import usual


class Colours(eqx.Module):
    """A network that sees the mean colour."""

    weight: jnp.ndarray = eqx.field(default_factory=lambda: jnp.ones(3))

    def features(self, x):
        return self.weight * x.mean(axis=(0, 1))


@pytest.fixture
def network(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    known = ls.models.Backbone(Colours(), in_shape=(16, 16, 3))
    monkeypatch.setattr(ls.models.Backbone, "named", classmethod(lambda cls, name: known))


@pytest.fixture
def photos(tmp_path):
    """Four classes that differ in their mean colour, and whose pixels are noise."""
    random = np.random.default_rng(0)
    for number, colour in enumerate([(90, 120, 120), (150, 120, 120), (120, 90, 120), (120,) * 3]):
        folder = tmp_path / "photos" / f"c{number}"
        folder.mkdir(parents=True)
        for image in range(18):
            pixels = np.clip(random.normal(colour, 60, (20, 20, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{image}.png")
    return tmp_path / "photos"


def with_more_classes(photos):
    """Ten classes, of which parts have two or more."""
    for number in range(4, 10):
        (photos / f"c{number}").mkdir()
        for image in (photos / f"c{number % 4}").iterdir():
            pixels = np.asarray(Image.open(image))[:: -1 if number < 8 else 1, ::-1]
            Image.fromarray(pixels).save(photos / f"c{number}" / image.name)


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


@pytest.mark.slow
def test_frozen_features_are_compared_on_all_classes_of_a_folder(network, photos, tmp_path, capfd):
    out = tmp_path / "run"
    small = ("--quick", "--filters", 4, "--seeds", 1)
    assert run("compare", photos, "--backbone", "colours", *small, "--out", out) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["questions"][0]["shots"] == [1, 5]
    assert "Not compared from 20 images" in " ".join(result["notes"])
    at = {
        row["recipe"]: row["value"]
        for row in result["rows"]
        if row["chosen"] and row["shots"] == 5 and row["seed"] == 0
    }
    heads = [name for name in at if name.startswith("frozen colours + ")]
    assert [n.rpartition("+ ")[2] for n in heads] == ["logistic head", "class means", "ridge head"]
    assert at["frozen colours + logistic head"] > 0.9
    assert {"scratch", "chance", "raw pixels", "raw pixels + logistic head"} < set(at)
    assert "4 classes (72 images)" in (out / "report.html").read_text()
    kept = sorted((tmp_path / "cache" / "learnset" / "features").iterdir())
    assert len(kept) == 4  # one for each class
    capfd.readouterr()
    assert run("fit", out) == 2
    assert "does not keep pretrained networks yet" in capfd.readouterr().err


def test_options_for_divided_classes_are_refused_with_a_network(network, photos, capfd):
    assert run("compare", photos, "--backbone", "colours", "--ways", 2) == 2
    assert "leave out `--ways`" in capfd.readouterr().err


def test_an_unknown_network_is_refused(tmp_path, capfd):
    np.savez(tmp_path / "features.npz", x=np.zeros((80, 7)), y=np.arange(80) % 4)
    words = ("compare", tmp_path / "features.npz", "--out", tmp_path / "run", "--backbone")
    assert run(*words, "unknown") == 2
    assert "There is no backbone 'unknown'" in capfd.readouterr().err


def test_features_in_place_of_images_are_refused(network, tmp_path, capfd):
    np.savez(tmp_path / "features.npz", x=np.zeros((80, 7)), y=np.arange(80) % 4)
    words = ("compare", tmp_path / "features.npz", "--out", tmp_path / "run")
    assert run(*words, "--backbone", "colours") == 2
    assert "takes images" in capfd.readouterr().err


def test_new_classes_have_the_row_of_a_frozen_network_or_say_how_to_get_it(
    network, photos, monkeypatch
):
    with_more_classes(photos)
    source = Files(ways=2, shots=(1,), path=photos)
    parts = source.parts()
    recipes, notes = usual(source, parts.validation, parts.test, ())
    assert [recipe.name for recipe in recipes] == ["frozen lite0 + logistic head"] and not notes
    seen = recipes[0].view(source.episodes_of(parts))
    assert seen.pool(ls.Split.TEST).x.shape == (len(parts.test.x), 3)

    def missing(cls, name):
        raise ls.InputError("Install it.")

    monkeypatch.setattr(ls.models.Backbone, "named", classmethod(missing))
    recipes, notes = usual(source, parts.validation, parts.test, ())
    assert not recipes and notes == ["Frozen pretrained features are not compared. Install it."]
    with pytest.raises(ls.InputError):
        usual(source, parts.validation, parts.test, ("lite0",))
