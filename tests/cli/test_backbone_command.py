"""`learnset compare photos/ --backbone`: pretrained networks on your images, and their use."""

import json
import shutil
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from PIL import Image
from result_format import faults

import learnset as ls
from learnset import cli
from learnset.cli.subjects import _images, Files, KnownClasses
from learnset.cli.subjects._backbones import usual
from learnset.fitting import fit_known, Format
from learnset.models._efficientnet_lite import LiteEnd
from learnset.models._stored_norm import Step
from learnset.recipes import classes, frozen, moved


class Quarters(eqx.Module):
    """The mean colours of the four quarters of an image."""

    def features(self, x):
        return x.reshape(2, 8, 2, 8, 3).mean((1, 3))


class Colours(eqx.Module):
    """A network that sees colours: one convolution of what `Quarters` gives."""

    end: LiteEnd

    def __init__(self, size=6):
        ones, kernel = jnp.ones(size), jr.normal(jr.key(size), (1, 1, 3, size))
        self.end = LiteEnd((), Step(kernel, ones, 0 * ones, 0 * ones, ones, 1))

    def features(self, x):
        return self.end.features(Quarters().features(x))

    def cut(self, blocks):
        return Quarters(), self.end

    def layers(self):
        return Both(self)


class Both(eqx.Module):
    network: Colours

    def features(self, x):
        colours = Quarters().features(x)
        return jnp.concatenate([colours.ravel(), self.network.end.features(colours)])


@pytest.fixture
def network(monkeypatch, tmp_path):
    """One network for every name; that of `narrow` has fewer features."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def named(cls, name):
        return ls.models.Backbone(Colours(2 if "narrow" in name else 6), in_shape=(16, 16, 3))

    monkeypatch.setattr(ls.models.Backbone, "named", classmethod(named))


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


@pytest.mark.long
@pytest.mark.slow
def test_networks_are_ranked_compared_fitted_and_used(
    network, photos, tmp_path, capfd, monkeypatch
):
    out, model = tmp_path / "run", tmp_path / "photos.learnset"
    monkeypatch.setattr(frozen, "recipes", lambda name, view, ways: [frozen.logistic(name, view)])
    small = ("--quick", "--filters", 4, "--seeds", 1, "--rank", "--out", out)
    assert run("compare", photos, "--backbone", "colours", "narrow", *small) == 0
    assert faults(out / "result.json") == []
    result = json.loads((out / "result.json").read_text())
    assert result["questions"][0]["shots"] == [1, 5]
    assert "Not compared from 20 images" in " ".join(result["notes"])
    at = {
        row["recipe"]: row["value"]
        for row in result["rows"]
        if row["chosen"] and row["shots"] == 5 and row["seed"] == 0
    }
    assert at["frozen colours + logistic head"] > 0.9
    assert {"scratch", "chance", "raw pixels", "raw pixels + logistic head"} < set(at)
    page = (out / "report.html").read_text()
    assert "4 classes (72 images)" in page and "Which network? LogME" in page
    for one in result["networks"]["ranking"]:
        first, second = one["sources"]
        assert first["log_me"] >= second["log_me"] and -1 <= one["tau"] <= 1
        of_row = next(
            row["value"]
            for row in result["rows"]
            if row["recipe"] == first["recipe"] and row["shots"] == one["shots"] and row["chosen"]
        )
        assert first["value"] == pytest.approx(of_row)
    assert len(list((tmp_path / "cache" / "learnset" / "features").iterdir())) == 16  # by class
    capfd.readouterr()
    words = ("--recipe", "frozen colours + logistic head", "--out", model)
    assert run("fit", out, *words) == 0
    assert "tells 4 classes apart, from 72 examples" in " ".join(capfd.readouterr().out.split())
    assert run("predict", model, photos / "c1", "--out", tmp_path / "said.csv") == 0
    said = [line.split(",")[1] for line in (tmp_path / "said.csv").read_text().splitlines()[1:]]
    assert said.count("c1") > 15
    capfd.readouterr()
    assert run("inspect", model) == 0
    card = " ".join(capfd.readouterr().out.split())
    assert "colours, installed, with weights of digest" in card and "36 examples" in card
    Image.new("RGB", (20, 20)).save(photos / "c0" / "more.png")
    assert run("fit", out, *words, "--overwrite") == 2
    assert "are not those that there are now" in capfd.readouterr().err


@pytest.mark.slow
def test_new_classes_are_learnt_on_a_frozen_network(network, photos, tmp_path, monkeypatch):
    for name in ("c0", "c1", "c2"):
        shutil.copytree(photos / name, tmp_path / "mine" / name)
    with_more_classes(photos)
    monkeypatch.setattr(classes, "standard", lambda *_, **__: [classes.raw()])
    for drawing in ("draw_comparison", "draw_few_shot"):
        monkeypatch.setattr(_images, drawing, lambda *_, **__: [])
    out, model, mine = (tmp_path / name for name in ("run", "few.learnset", "mine.learnset"))
    small = ("--ways", 2, "--shots", 5, "--seeds", 1, "--filters", 4, "--out", out)
    assert run("compare", photos, *small) == 0
    assert run("fit", out, "--recipe", "frozen lite0 + logistic head", "--out", model) == 0
    assert run("adapt", model, tmp_path / "mine", "--out", mine) == 0
    once, again = (
        made.predict(photos / "c1").probabilities
        for made in (ls.load(model).adapted(tmp_path / "mine"), ls.load(mine))
    )
    np.testing.assert_allclose(again, once, atol=1e-5)
    assert (again.argmax(axis=1) == 1).mean() > 0.8
    assert ls.load(mine).card["network"]["name"] == "lite0"


@pytest.fixture
def fitted(network, photos, tmp_path, monkeypatch):
    """A classifier whose network was moved, the images that it learnt from, and its file."""
    monkeypatch.setattr(moved, "STEPS", 30)
    known = KnownClasses(Files(path=photos), ("colours",))
    backbone = known.networks["colours"]
    last = backbone.cut(1)[1]
    seen = known._part("colours", "colours", 1)
    recipe = moved.recipes("colours", seen.view, last)[1]
    read = Format((16, 16, 3), "uint8", {})
    model = ls.models.Headed(last, None)
    made = fit_known(recipe, (1, 30), model, seen.halves, read, ("colours", backbone, 1))
    made.save(tmp_path / "moved.learnset")
    return recipe, made, tmp_path / "moved.learnset"


@pytest.mark.slow
def test_a_moved_network_is_kept_as_its_last_blocks(fitted, photos, monkeypatch):
    recipe, made, path = fitted
    assert moved.parts(recipe, (2, 2, 3), 4) == moved.Parts(18 + 12, 6 * 4 + 4, 12)
    assert made.card["settings"][0]["value"] > 0.4  # a quarter by chance
    before, again = made.predict(photos), ls.load(path).predict(photos)
    np.testing.assert_allclose(again.probabilities, before.probabilities, atol=1e-6)
    other = ls.models.Backbone(Colours(5), in_shape=(16, 16, 3))
    monkeypatch.setattr(ls.models.Backbone, "named", classmethod(lambda cls, name: other))
    with pytest.raises(ls.InputError, match="'colours' has other weights here"):
        ls.load(path)

    def missing(cls, name):
        raise ls.InputError("The weights of colours are not installed.")

    monkeypatch.setattr(ls.models.Backbone, "named", classmethod(missing))
    with pytest.raises(ls.InputError, match="cannot be used: The weights of colours are not"):
        ls.load(path)


@pytest.mark.long
def test_a_network_that_moved_as_a_whole_is_kept(network, photos, tmp_path, monkeypatch):
    monkeypatch.setattr(moved, "STEPS", 30)
    known = KnownClasses(Files(path=photos), ("colours",), whole=True)
    backbone, seen = known.networks["colours"], known._part("colours", "colours", ("images", 16))
    network = ls.Conv4((16, 16, 3), filters=4, key=jr.key(0))
    recipe = moved.whole("conv", seen.view, network)
    assert seen.halves[0].x.shape == (36, 16, 16, 3)
    weights = sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_array)))
    assert moved.parts(recipe, (16, 16, 3), 4) == moved.Parts(weights, 4 * 4 + 4, 0)
    model = recipe.learners[0].model(None, jr.key(0))
    read = Format((16, 16, 3), "uint8", {})
    made = fit_known(recipe, (1, 30), model, seen.halves, read, ("colours", backbone, seen.part))
    made.save(tmp_path / "moved.learnset")
    before, again = made.predict(photos), ls.load(tmp_path / "moved.learnset").predict(photos)
    np.testing.assert_allclose(again.probabilities, before.probabilities, atol=1e-6)
    assert made.card["settings"][0]["value"] > 0.4


@pytest.mark.long
def test_networks_are_moved_and_the_page_says_what_stood_still(
    network, photos, tmp_path, monkeypatch
):
    monkeypatch.setattr(moved, "SIDE", 16)
    out = tmp_path / "run"
    small = ("--whole", "--filters", 4, "--seeds", 1, "--shots", 5, "--out", out)
    assert run("compare", photos, "--backbone", "colours", *small) == 0
    assert faults(out / "result.json") == []
    result = json.loads((out / "result.json").read_text())
    by_name = {one.pop("recipe"): one for one in result["networks"]["moved"]}
    assert by_name["colours + norms only"] == {"learnt": 12, "head": 28, "still": 30}
    assert by_name["whole colours + LP-FT"] == {"learnt": 30, "head": 28, "still": 12}
    page = (out / "report.html").read_text()
    assert "All that comes before stands still" in page and "frozen features" in page
    for name in ("frozen colours layers + logistic head", "colours + LoRA"):
        words = ("--recipe", name, "--out", tmp_path / "model.learnset", "--overwrite")
        assert run("fit", out, *words) == 0
        assert run("predict", tmp_path / "model.learnset", photos / "c0" / "0.png") == 0


def test_a_network_that_would_take_long_is_left_out_with_a_line(network, photos, monkeypatch):
    known = KnownClasses(Files(path=photos, shots=(5,)), ("colours",))
    question = SimpleNamespace(validation_tasks=4, test_tasks=10, shots=(5,), seeds=3, queries=3)
    monkeypatch.setattr(moved, "SLOW", 1.0)
    names = [recipe.name for recipe in known.recipes(question, quick=False)]
    heads = [name.partition(" + ")[2] for name in names if name.startswith("frozen colours + ")]
    assert heads == ["logistic head", "class means", "ridge head"]
    assert "frozen colours layers + logistic head" in names and "colours + LoRA" not in names
    assert "colours is not moved: that would take about" in known.notes[-2]


def test_a_whole_network_needs_a_network_and_time(photos, capfd):
    for words in ((), ("--backbone", "lite0", "--quick")):
        assert run("compare", photos, *words, "--whole") == 2
        assert "`--whole` moves a network" in capfd.readouterr().err


def test_one_network_is_no_ranking(photos, capfd):
    assert run("compare", photos, "--backbone", "lite0", "--rank") == 2
    assert "name two or more by `--backbone`" in capfd.readouterr().err


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
    assert seen.pool(ls.Split.TEST).x.shape == (len(parts.test.x), 6)

    def missing(cls, name):
        raise ls.InputError("Install it.")

    monkeypatch.setattr(ls.models.Backbone, "named", classmethod(missing))
    recipes, notes = usual(source, parts.validation, parts.test, ())
    assert not recipes and notes == ["Frozen pretrained features are not compared. Install it."]
    with pytest.raises(ls.InputError):
        usual(source, parts.validation, parts.test, ("lite0",))
