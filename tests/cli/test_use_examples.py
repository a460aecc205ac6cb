"""Classes of examples in use on the command line: compare, fit, adapt, predict, inspect."""

import json
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from PIL import Image
from result_format import faults

import learnset as ls
from learnset.cli import main
from learnset.cli.subjects import _images
from learnset.recipes import classes

TINY = "--ways 2 --shots 1 2 --steps 3 --seeds 2 --quick".split()

pytestmark = pytest.mark.slow


def picture(name: int, example: int, scale: int = 1) -> np.ndarray:
    """Classes differ in where they are bright; 12 bits where `scale` is 16."""
    noise = np.random.default_rng(100 * name + example).integers(0, 60, (12, 12))
    noise[name % 12] += 180 - 10 * (name // 12)
    return (scale * noise).astype(np.uint8 if scale == 1 else np.uint16)


def fill(folder, names, images, scale=1):
    for name in names:
        place = folder / f"class-{name:02d}"
        place.mkdir(parents=True)
        for example in range(images):
            Image.fromarray(picture(name, example, scale)).save(place / f"{example}.png")
    return folder


def numbers(path, count, first=0):
    random = np.random.default_rng(first)
    centres = 5 * np.repeat(random.normal(size=(count, 4)), 8, axis=0)
    x = centres + random.normal(size=centres.shape)
    np.savez(path, x=x, y=np.repeat([f"c{first + i}" for i in range(count)], 8))
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Comparisons of pictures of 12 bits by raw pixels, and of features by trained networks."""
    here = tmp_path_factory.mktemp("use-examples")
    every, flags = classes.standard, os.environ.get("XLA_FLAGS", "")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("XLA_FLAGS", flags)
        for drawing in ("draw_comparison", "draw_few_shot"):
            patch.setattr(_images, drawing, lambda *_, **__: [])

        def compared(path, names, *words):
            chosen = [recipe for recipe in every(5, steps=5) if recipe.name in names]
            patch.setattr(classes, "standard", lambda *_, **__: chosen)
            out = here / f"compare-{path.stem}"
            assert main(["compare", str(path), *words, *TINY, "--out", str(out)]) == 0

        compared(fill(here / "photos", range(9), 6, 16), ("raw pixels",), "--size", "12")
        assert main(["fit", "compare-photos"]) == 0
        fill(here / "mine", (3, 10, 11), 2, 16)
        assert main(["adapt", "photos.learnset", "mine"]) == 0
        compared(numbers(here / "features.npz", 9), ("scratch", "TIM", "ProtoNet"))
        yield here


@pytest.fixture(autouse=True)
def _inside(here, monkeypatch):
    monkeypatch.chdir(here)
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))


def refused(capsys, *words):
    assert main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    return said


def test_a_comparison_recommends_recipes_for_single_queries_and_any_classes(here):
    path = here / "compare-features" / "result.json"
    assert faults(path) == []
    new = json.loads(path.read_text())["recommendation"]["new"]
    assert [one["shots"] for one in new] == [1, 2]
    assert {one["recipe"] for one in new} == {"ProtoNet"}
    page = (here / "compare-features" / "README.md").read_text()
    assert f"To use: {new[0]['recipe']}" in page


def test_images_are_named_by_their_class_with_probabilities(here, capsys):
    fill(here / "new" / "one", (10,), 4, 16)
    (here / "new" / "broken.png").write_bytes(b"no image")
    words = ["predict", "mine.learnset", "new", "mine/class-03/0.png", "--out", "said.csv"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "broken" in said and "5 predictions" in said
    lines = (here / "said.csv").read_text().splitlines()
    assert lines[0].startswith("example,predicted,probability of class-03,probability of class-10")
    assert [line.split(",")[1] for line in lines[1:]] == 4 * ["class-10"] + ["class-03"]
    chances = np.array([line.split(",")[2:] for line in lines[1:]], float)
    assert np.allclose(chances.sum(axis=1), 1)


def test_images_are_read_by_the_range_of_training(here):
    dark = fill(here / "dark", (3, 4), 2, 2)  # one depth less would fit these: 9 bits
    fitted = ls.load("photos.learnset")
    assert fitted.format.ranges == {"integers": (0.0, 4095.0)}
    assert fitted.adapt(dark).format.ranges == fitted.format.ranges
    assert fitted.format.classes(dark).x.max() <= 30  # of 255: by 9 bits it would be 240


def test_a_new_process_without_the_data_gives_the_same_probabilities(here, tmp_path):
    program = (
        "import sys, learnset as ls, numpy as np; c = ls.load(sys.argv[1]);"
        " np.save(sys.argv[2], c.predict(*sys.argv[3:]).probabilities)"
    )
    images = sorted((here / "photos" / "class-03").glob("*.png"))
    words = [here / "mine.learnset", "p.npy", *images]
    subprocess.run([sys.executable, "-c", program, *map(str, words)], cwd=tmp_path, check=True)
    expected = ls.load("photos.learnset").adapted("mine").predict(*images).probabilities
    assert np.abs(np.load(tmp_path / "p.npy") - expected).max() < 1e-6


def test_what_a_run_has_trained_is_not_trained_again(here, capsys):
    run = "compare-features"
    saved = sorted((here / run / "checkpoints").rglob("*.checkpoint"))
    before = [(path, path.stat().st_mtime_ns) for path in saved]
    assert saved
    assert main(["fit", run, "--recipe", "ProtoNet", "--out", "f.learnset"]) == 0
    said = capsys.readouterr().out
    assert "trained again" not in said and "Next: learnset adapt f.learnset" in said
    assert before == [(path, path.stat().st_mtime_ns) for path in saved]
    fitted = ls.load("f.learnset")
    rows = json.loads((here / run / "result.json").read_text())["rows"]
    for one in fitted.card["settings"]:
        (row,) = (
            row
            for row in rows
            if (row["recipe"], row["shots"], row["seed"]) == ("ProtoNet", one["shots"], one["seed"])
            and row["chosen"]
        )
        assert abs(row["value"] - one["value"]) < 1e-6


def test_settings_of_the_nearest_number_of_examples_are_used_and_said(here):
    main(["fit", "compare-features", "--recipe", "ProtoNet", "--out", "g.learnset"])
    fitted = ls.load("g.learnset")
    x, y = np.load("features.npz")["x"], np.load("features.npz")["y"]
    six = np.isin(np.arange(len(x)) % 8, range(6)) & np.isin(y, ["c0", "c1", "c2"])
    few = ls.data.Labelled.from_arrays(x[six], y[six])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        classifier = fitted.adapt(few)
    said = " ".join(str(one.message) for one in said)
    assert "Classes have 6 examples" in said and "chosen for 2." in said
    assert "tasks of 2 classes; there are 3" in said
    answers = classifier.predict(x[:24].astype(np.float32))
    assert (np.array(answers.classes)[answers.predicted] == y[:24]).mean() > 0.8


def test_a_head_of_its_own_takes_no_other_number_of_classes(here, capsys):
    assert main(["fit", "compare-features", "--recipe", "scratch", "--out", "m.learnset"]) == 0
    assert "scratch takes exactly 2 classes" in capsys.readouterr().out
    said = refused(capsys, "adapt", "m.learnset", "features.npz", "--out", "n.learnset")
    assert "the head of scratch has 2" in said


def test_the_card_has_classes_scores_calibration_and_limits(here, capsys):
    for file, own in (("photos.learnset", "4095"), ("mine.learnset", "class-10 (2)")):
        assert main(["inspect", file]) == 0
        said = " ".join(capsys.readouterr().out.split())
        for words in ("raw pixels", "accuracy", "calibration error", "12×12", "Limits", own):
            assert words in said


def test_what_cannot_be_used_is_refused_in_one_line(here, capsys):
    fill(here / "single", (1,), 2)
    (here / "empty").mkdir()
    (here / "broken.png").write_bytes(b"no image")
    out = ["--out", "x.learnset"]
    assert "one class" in refused(capsys, "adapt", "photos.learnset", "single", *out)
    assert "No image" in refused(capsys, "adapt", "photos.learnset", "empty", *out)
    assert "shape" in refused(capsys, "adapt", "photos.learnset", "features.npz", *out)
    assert "broken" in refused(capsys, "predict", "mine.learnset", "broken.png")
    assert "No image" in refused(capsys, "predict", "mine.learnset", "empty")
    assert "no file" in refused(capsys, "predict", "mine.learnset", "missing.png")
    assert "learnset adapt" in refused(capsys, "predict", "photos.learnset", "broken.png")
    assert "already" in refused(capsys, "adapt", "mine.learnset", "mine", *out)
    assert "no recipe 'X'" in refused(capsys, "fit", "compare-photos", "--recipe", "X", *out)
    said = refused(capsys, "fit", "compare-features", "--recipe", "TIM", *out)
    assert "answers all queries of a task together" in said


def test_other_data_than_were_compared_are_refused(here, capsys):
    kept = (here / "features.npz").read_bytes()
    numbers(here / "features.npz", 9, first=50)
    said = refused(capsys, "fit", "compare-features", "--recipe", "ProtoNet", "--out", "o.learnset")
    assert "is not what there is now" in said
    (here / "features.npz").write_bytes(kept)


def test_numbers_for_images_and_images_for_numbers_are_refused(here):
    classifier = ls.load("mine.learnset")
    with pytest.raises(ls.InputError, match="taken as they are, but the model has learnt images"):
        classifier.predict(np.zeros((1, 12, 12, 1), np.float32))
    with pytest.raises(ls.InputError, match="shape"):
        classifier.predict(np.zeros((1, 10, 12, 1), np.uint8))
