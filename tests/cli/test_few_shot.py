"""The command on classes: from a folder of pictures to a classifier that is kept."""

import json
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image
from result_format import faults

from learnset.cli import main
from learnset.cli._keep import within
from learnset.recipes import classes
from learnset.training import write_sealed_json

pytestmark = pytest.mark.slow

SOME = ("scratch", "TIM", "ProtoNet")
DATA = "--ways 2 --shots 1 --size 12".split()
SMALL = [*DATA, "--filters", "2"]


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    """What the command sets for its own process stays within a test."""
    monkeypatch.setenv("XLA_FLAGS", os.environ.get("XLA_FLAGS", ""))


def picture(name: int, example: int) -> np.ndarray:
    """Classes differ in where they are bright."""
    noise = np.random.default_rng(100 * name + example).integers(0, 60, (12, 12))
    noise[name % 12] += 180 - 10 * (name // 12)
    return noise.astype(np.uint8)


def fill(folder, count, images=8):
    for name in range(count):
        (folder / f"class-{name:02d}").mkdir(parents=True)
        for example in range(images):
            Image.fromarray(picture(name, example)).save(
                folder / f"class-{name:02d}" / f"{example}.png"
            )
    return folder


def features(path, count):
    """Eight examples each of classes that are far from each other."""
    random = np.random.default_rng(0)
    centres = 5 * np.repeat(random.normal(size=(count, 4)), 8, axis=0)
    x = centres + random.normal(size=centres.shape)
    np.savez(path, x=x, y=np.repeat(np.arange(count), 8))
    return path


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """Pictures and features of twelve classes, and a network trained on either for two steps."""
    here = tmp_path_factory.mktemp("few-shot")
    pictures, numbers = fill(here / "pictures", 12), features(here / "numbers.npz", 12)
    fill(here / "own", 3, images=2)
    features(here / "own.npz", 3)
    steps = ["--steps", "2", "--tasks-per-step", "2", "--out"]
    words = ["train", "protonet", "files", str(pictures), *SMALL, *steps]
    assert main([*words, str(here / "protonet")]) == 0
    words = ["train", "maml", "files", str(numbers), *SMALL[:4], *steps]
    assert main([*words, str(here / "maml")]) == 0
    return here


def test_a_trained_network_is_scored_on_new_classes(here, capsys):
    assert main(["evaluate", str(here / "protonet"), "--tasks", "20"]) == 0
    assert capsys.readouterr().out.startswith("1 shot: error")
    assert faults(here / "protonet" / "result.json") == []
    result = json.loads((here / "protonet" / "result.json").read_text())
    assert (result["format"], result["subject"]) == (2, "files")
    (row,) = result["rows"]
    assert (row["recipe"], row["shots"], row["measure"]) == ("protonet", 1, "error rate")
    assert 0 <= row["value"] <= 1 and row["steps"] is None and row["chosen"]


def test_a_network_adapted_to_own_classes_names_images(here, tmp_path, capsys):
    """Three classes, where it was trained for two at a time. The images are not needed again."""
    shutil.copytree(here / "own", tmp_path / "own")
    classifier = str(tmp_path / "classifier")
    assert main(["adapt", str(here / "protonet"), str(tmp_path / "own"), "--out", classifier]) == 0
    assert "tells 3 classes apart, from 6 examples" in " ".join(capsys.readouterr().out.split())
    images = [str(here / "own" / f"class-0{name}" / "1.png") for name in range(3)]
    shutil.rmtree(tmp_path / "own")
    assert main(["predict", classifier, *images]) == 0
    said = capsys.readouterr().out
    assert "class" in said and "%" in said
    again = ["adapt", str(here / "protonet"), str(here / "own"), "--out", classifier]
    assert main(again) == 2
    assert "already holds" in capsys.readouterr().err
    (tmp_path / "classifier" / "predictor").unlink()  # to see that it is replaced
    assert main([*again, "--overwrite"]) == 0
    assert main(["predict", classifier, str(here / "own" / "class-00" / "1.png")]) == 0


def test_a_head_for_other_classes_is_refused_with_what_to_do(here, tmp_path, capsys):
    words = ["adapt", str(here / "maml"), str(here / "own.npz")]
    assert main([*words, "--out", str(tmp_path / "classifier")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "has 3 classes" in error
    assert "`--ways 3`" in error and "protonet" in error
    assert not (tmp_path / "classifier").exists()


def test_features_are_told_apart_by_a_classifier_of_features(here, tmp_path, capsys):
    pair = features(tmp_path / "two.npz", 2)
    assert (
        main(["adapt", str(here / "maml"), str(pair), "--out", str(tmp_path / "classifier")]) == 0
    )
    assert main(["predict", str(tmp_path / "classifier"), str(pair)]) == 0
    assert capsys.readouterr().out.count("%") == 16


@pytest.mark.long
@pytest.mark.slow
def test_features_are_compared_from_a_file(here, tmp_path, capsys, monkeypatch):
    """With some recipes: a result, and a page that shows which class was taken for which."""
    out, standard = tmp_path / "compared", classes.standard
    some = [recipe for recipe in standard(7, steps=2) if recipe.name in SOME]
    monkeypatch.setattr(classes, "standard", lambda count, steps: some)
    sizes = ["--quick", "--steps", "2", "--seeds", "1"]
    words = ["compare", str(here / "numbers.npz"), *SMALL[:4], *sizes]
    assert main([*words, "--out", str(out)]) == 0
    assert faults(out / "result.json") == []
    result = json.loads((out / "result.json").read_text())
    assert (result["format"], result["subject"], result["failures"]) == (2, "files", {})
    assert {row["recipe"] for row in result["rows"]} == set(SOME)
    assert {row["measure"] for row in result["rows"]} == {"accuracy"}
    assert all(0 <= row["value"] <= 1 for row in result["rows"])
    assert {row["recipe"] for row in result["recipes"] if row["transductive"]} == {"TIM"}
    assert (out / "confusion.png").exists()
    assert (out / "report.html").read_text().count("<svg") == len(list(out.glob("*.svg"))) >= 4
    assert "ProtoNet" in capsys.readouterr().out


def test_an_episode_is_drawn(here, tmp_path):
    assert main(["draw", str(here / "pictures"), *DATA, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "files.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "files.svg").read_text()


def test_pictures_of_more_bytes_than_the_limit_are_streamed_the_same_and_it_says_so(
    here, tmp_path, capsys
):
    words = ["draw", str(here / "pictures"), *DATA]
    assert main([*words, "--out", str(tmp_path / "device")]) == 0
    assert "streamed" not in capsys.readouterr().out
    assert main([*words, "--device-bytes", "1000", "--out", str(tmp_path / "host")]) == 0
    assert "96 examples, 13,824 bytes, stay on the host" in capsys.readouterr().out
    assert (tmp_path / "host" / "files.png").read_bytes() == (
        tmp_path / "device" / "files.png"
    ).read_bytes()


def test_what_is_left_out_of_a_folder_is_counted_and_said(here, tmp_path, capsys):
    folder = shutil.copytree(here / "pictures", tmp_path / "pictures")
    (folder / "class-00" / "broken.png").write_bytes(b"no picture")
    (folder / "class-01" / "notes.txt").write_text("no picture")
    (folder / "empty").mkdir()
    assert main(["draw", str(folder), *DATA, "--out", str(tmp_path / "drawn")]) == 0
    said = capsys.readouterr().out
    assert (
        "Left out or changed: 1 broken images: class-00/broken.png." in said
        and "class-01/notes.txt" in said
    )
    assert "Left out or changed: 1 folders without an intact image: empty." in said


BAD = [
    ("draw {here}/nowhere", "does not exist"),
    ("draw {here}/one", "There are 1 classes"),
    ("draw {here}/single", "No classes are left"),
    ("draw {here}/broken.npz", "broken.npz"),
    ("draw {here}/other.npz", "no array `x`"),
    ("draw {here}/pictures --ways 50", "`--ways 50`"),
    ("draw {here}/pictures --ways 1", "`--ways 1`"),
    ("draw {here}/pictures --ways 2 --shots 7", "`--shots 7`"),
    ("draw {here}/pictures --shots 5 1", "`--shots 5 1`"),
    ("draw {here}/pictures --shots 0", "`--shots 0`"),
    ("draw {here}/pictures --size 0", "`--size 0`"),
    ("draw {here}/numbers.npz --ways 2 --shots 1 --turned", "`--turned`"),
    ("draw {here}/numbers.npz --ways 2 --shots 1", "Only images are drawn"),
    ("train pooled files {here}/pictures --ways 2 --shots 1", "pooled` is not for classes here"),
    ("train protonet files {here}/pictures --ways 2 --shots 1 --filters 0", "`out_size=0`"),
    (
        "train protonet files {here}/pictures --ways 2 --shots 1 --size 12 --pooled",
        "nothing is left of images of 12 by 12 pixels",
    ),
    ("train protonet files {here}/pictures --ways 2 --shots 1 --queries 9", "`--queries 9`"),
    ("adapt {here}/protonet {here}/own.npz", "examples of shape (4,)"),
    ("adapt {here}/protonet {here}/nowhere", "does not exist"),
    ("adapt {here}/nowhere {here}/own", "no finished run"),
    ("predict {here}/nowhere {here}/own/class-00/0.png", "no classifier"),
    ("predict {here}/kept {here}/broken.npz", "is not a complete `.npz` file"),
    ("predict {here}/kept {here}/numbers.npz", "examples of shape (4,)"),
    ("predict {here}/kept {here}/notes.txt", "it is broken, or not an image"),
    ("predict {here}/kept-numbers {here}/own/class-00/0.png", "reads features of shape (4,)"),
    ("predict {here}/kept-damaged {here}/own/class-00/0.png", "classes.json is damaged"),
    ("predict {here}/kept {here}/nowhere.png", "There is no file"),
]


@pytest.fixture(scope="module")
def mistaken(here):
    """Input that is given by mistake, next to what is right."""
    fill(here / "one", 1)
    fill(here / "single", 4, images=1)
    (here / "broken.npz").write_bytes((here / "numbers.npz").read_bytes()[:300])
    np.savez(here / "other.npz", pictures=np.zeros(3))
    (here / "notes.txt").write_text("no picture")
    words = ["adapt", str(here / "protonet"), str(here / "own")]
    assert main([*words, "--out", str(here / "kept")]) == 0
    shutil.copytree(here / "kept", here / "kept-numbers")
    known = {"names": ["0", "1", "2"], "shape": [4], "ranges": {}}
    write_sealed_json(here / "kept-numbers" / "classes.json", known)
    shutil.copytree(here / "kept", here / "kept-damaged")
    text = (here / "kept" / "classes.json").read_text()
    (here / "kept-damaged" / "classes.json").write_text(text.replace("class-00", "class-90"))
    return here


@pytest.mark.parametrize("words, said", BAD, ids=[words.replace("{here}/", "") for words, _ in BAD])
def test_bad_input_gets_one_line_exit_code_2_and_leaves_nothing(
    words, said, mistaken, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(words.format(here=mistaken).split()) == 2
    error = capsys.readouterr().err
    assert error.startswith("learnset: ") and error.count("\n") == 1
    assert said in error
    assert "Traceback" not in error
    assert not list(tmp_path.iterdir())


def test_a_run_is_adapted_without_its_images(here, tmp_path, monkeypatch, capsys):
    """And from another folder; only scoring needs the classes that were held out."""
    pictures = shutil.copytree(here / "pictures", tmp_path / "pictures")
    words = ["train", "protonet", "files", "pictures", *SMALL, "--steps", "2", "--out", "run"]
    monkeypatch.chdir(tmp_path)
    assert main(words) == 0
    shutil.rmtree(pictures)
    monkeypatch.chdir(here)
    assert main(["adapt", str(tmp_path / "run"), "own", "--out", str(tmp_path / "kept")]) == 0
    assert main(["predict", str(tmp_path / "kept"), "own/class-00/1.png"]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--tasks", "20"]) == 2
    assert "pictures does not exist" in capsys.readouterr().err


def test_a_run_is_scored_on_the_classes_that_it_held_out(tmp_path, capsys):
    """Whatever has come or gone since."""
    pictures, run = fill(tmp_path / "pictures", 16), tmp_path / "run"
    words = ["train", "protonet", "files", str(pictures), *SMALL, "--steps", "2", "--out", str(run)]
    assert main(words) == 0
    parts = json.loads((run / "run.json").read_text())["kept"]["parts"]
    assert [len(parts[part]) for part in ("train", "validation", "test")] == [10, 3, 3]
    assert main(["evaluate", str(run), "--tasks", "20"]) == 0
    before = json.loads((run / "result.json").read_text())["rows"]
    shutil.rmtree(pictures / parts["train"][0])
    shutil.copytree(pictures / parts["train"][1], pictures / "another")
    for path in (pictures / "another").iterdir():
        Image.fromarray(picture(3, int(path.stem))).save(path)
    capsys.readouterr()
    assert main(["evaluate", str(run), "--tasks", "20"]) == 0
    assert "1 classes of" in capsys.readouterr().out
    result = json.loads((run / "result.json").read_text())
    assert result["rows"] == before and any("not scored" in note for note in result["notes"])
    shutil.rmtree(pictures / parts["test"][0])
    assert main(["evaluate", str(run), "--tasks", "20"]) == 0
    assert "1 of 3 classes that were held out are gone" in capsys.readouterr().out
    moved = shutil.move(pictures, tmp_path / "moved")
    elsewhere = ["--data", str(moved), "--out", str(tmp_path / "moved.json")]
    assert main(["evaluate", str(run), "--tasks", "20", *elsewhere]) == 0
    assert "1 of 3 classes that were held out are gone" in capsys.readouterr().out
    for name in parts["test"][1:]:
        shutil.rmtree(moved / name)
    assert main(["evaluate", str(run), "--tasks", "20", *elsewhere]) == 2
    assert "none of the 3 classes that the run held out" in capsys.readouterr().err


def test_twelve_bits_are_read_alike_by_a_run_its_classifier_and_a_single_image(
    here, tmp_path, capsys
):
    for name in range(3):
        for example in range(4):
            (tmp_path / "deep" / f"{name}").mkdir(parents=True, exist_ok=True)
            deep = picture(name, example).astype(np.uint16) * 16
            Image.fromarray(deep).save(tmp_path / "deep" / f"{name}" / f"{example}.png")
    classifier = str(tmp_path / "kept")
    words = ["adapt", str(here / "protonet"), str(tmp_path / "deep"), "--out", classifier]
    assert main(words) == 0
    assert "0 to 4095 (12 bits)" in " ".join(capsys.readouterr().out.split())
    known = json.loads((tmp_path / "kept" / "classes.json").read_text())
    assert known["ranges"] == {"integers": [0.0, 4095.0]}
    Image.fromarray(picture(0, 1).astype(np.uint16) * 4).save(tmp_path / "dark.png")
    assert main(["predict", classifier, str(tmp_path / "dark.png")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "whole numbers, 0 to 4095 (12 bits)" in said


def test_each_command_says_what_was_left_out(here, tmp_path, capsys):
    folder = shutil.copytree(here / "pictures", tmp_path / "pictures")
    (folder / "class-00" / "broken.png").write_bytes(b"no picture")
    run, line = str(tmp_path / "run"), "Left out or changed: 1 broken images: class-00/broken.png."
    train = ["train", "protonet", "files", str(folder), *SMALL, "--steps", "2", "--out", run]
    draw = ["draw", str(folder), *DATA, "--out", str(tmp_path / "drawn")]
    adapt = ["adapt", run, str(folder), "--out", str(tmp_path / "kept")]
    for words in (train, draw, ["evaluate", run, "--tasks", "20"], adapt):
        assert main(words) == 0
        assert line in " ".join(capsys.readouterr().out.split()), words[0]


def test_a_classifier_that_never_ends_is_stopped_with_one_line(monkeypatch, capsys):
    codes = []
    monkeypatch.setattr(os, "_exit", codes.append)
    with within(0.01, "The classifier did not answer"):
        while not codes:
            time.sleep(0.01)
    assert codes == [1] and "within 0.01 seconds, and was stopped" in capsys.readouterr().err
    with within(60, "It did not answer"):
        pass
    assert codes == [1]
