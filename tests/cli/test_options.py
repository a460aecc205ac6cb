"""Every option that a command lists changes what it does; an option that it does not read is
refused.

Nothing is learnt here: `compare`, `train` and `evaluate` are replaced by functions that note what
they are given. A table says for each option which of these things it changes.
"""

import csv
import dataclasses
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import learnset as ls
from learnset.cli import _draw, _study, _train, main, parse
from learnset.cli._families import AnyMethod, Family
from learnset.cli.subjects import _backbones, _families, _images, _sources, _tables
from learnset.data import _find, _records
from learnset.recipes.affinity import Affinities
from learnset.training import digest


class Stop(Exception):
    """Ends a command, once all is known."""


class Notes:
    """What replaced functions are given, as digests by the names of their arguments. After `calls`
    calls the command is stopped."""

    def __init__(self, calls: int = 1):
        self.calls, self.given = calls, []
        self.known: dict[tuple[str, ...], list[dict[str, str]]] = {}

    def note(self, **things: Any) -> None:
        self.given.append({name: digest(thing) for name, thing in things.items()})
        if len(self.given) == self.calls:
            raise Stop

    def of(self, words: list[str]) -> list[dict[str, str]]:
        """What a command gives."""
        if tuple(words) not in self.known:
            self.given = []
            with pytest.raises(Stop):
                run(words)
            self.known[tuple(words)] = self.given
        return self.known[tuple(words)]


def run(words: list[str]) -> None:
    parse(words).run(Console(quiet=True), words)


def flags(words: list[str], capsys) -> set[str]:
    """The options that help lists, each at the beginning of a line of a box."""
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    shown = capsys.readouterr().out
    assert ">>>" not in shown  # examples are for users of Python
    return set(re.findall(r"^. (--[a-z][\w.-]*)", shown, flags=re.MULTILINE))


def changed(notes: Notes, words: list[str], option: str) -> set[str]:
    """The names of the things that an option changes."""
    plain, other = notes.of(words), notes.of([*words, *option.split()])
    return {name for a, b in zip(plain, other, strict=True) for name in a if a[name] != b[name]}


# Data that take no time


def pictures(classes: int, seed: int = 0) -> ls.data.Splits:
    images = np.random.default_rng(seed).integers(0, 256, (9 * classes, 16, 16, 1), np.uint8)
    return ls.data.Labelled.from_arrays(images, np.repeat(np.arange(classes), 9)).split((8, 8, 8))


def small_table() -> ls.Table:
    random = np.random.default_rng(0)
    task = np.repeat(np.arange(10), 14)
    x = random.normal(size=(len(task), 2))
    return ls.Table.from_arrays(x, x.sum(axis=1) + task, task)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with pictures, one with features, and a table."""
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(0)
    for name in range(24):
        (folder / "pictures" / f"class{name:02d}").mkdir(parents=True)
        for example in range(8):
            image = random.integers(0, 256, (16, 16)).astype(np.uint8)
            Image.fromarray(image).save(folder / "pictures" / f"class{name:02d}" / f"{example}.png")
    with (folder / "shops.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["shop", "town", "price", "day", "sales", "visits", "sold", "part"])
        for row in range(240):
            price, day = random.uniform(0, 3), random.integers(1, 5)
            sales = price + row % 12 + random.normal()
            visits, sold = random.normal(), int(sales > 6)
            part = ("train", "validation", "test")[row // 12 % 3]
            cells = [f"shop{row % 12}", f"town{row % 8}", price, day, sales, visits, sold, part]
            writer.writerow(cells)
        for row in range(4):
            writer.writerow(["shop12", "town0", 1.0, row, 1.0 + row, row, row % 2, "train"])
    (folder / "schema.json").write_text('{"columns": [{"name": "day", "kind": "words"}]}')
    return folder


@pytest.fixture
def small(monkeypatch):
    """Sources that need no files."""
    monkeypatch.setattr(_sources.glyphs, "split", lambda: pictures(24))
    of = {"official": 1, "development": 2, "random_characters": 3}
    for name, seed in of.items():
        monkeypatch.setattr(_sources.omniglot, name, lambda seed=seed: pictures(24, seed))
    for name in ("school", "sarcos", "tox21"):
        monkeypatch.setattr(_tables, name, small_table)

    def means(source, name, backbone, *parts, keep=True):
        return [
            dataclasses.replace(p, x=np.asarray(p.x).mean((1, 2), dtype=np.float32)) for p in parts
        ]

    def of_texts(texts, encoder):
        numbers = [int(text[-1]) ** (len(encoder) - 4) for text in texts]
        return np.tile(np.array(numbers, np.float32)[:, None], 384)

    def opened(names):
        whole = ls.models.Function(lambda _, x: x, None)
        return {name: ls.models.Backbone(whole, lambda _, x: x, in_shape=(1,)) for name in names}

    monkeypatch.setattr(_backbones, "opened", opened)
    monkeypatch.setattr(_backbones, "with_features", means)
    monkeypatch.setattr(_find, "pinned", str)
    monkeypatch.setattr(_records, "text_features", of_texts)


# compare

SHARED = {"--workers 2": {"executor"}, "--scheduler tcp://host:1": {"executor"}}
RUN = SHARED | {
    "--out elsewhere": {"out"},
    "--seed 3": {"key"},
    "--resume": {"resume"},
    "--overwrite": {"overwrite"},
    "--add own_things:recipes": {"recipes"},
    "--precision highest": set(),  # it changes all products: see core/test_precision.py
}
TRAINING = RUN | {"--steps 7": {"budget"}, "--checkpoint-every 5": {"checkpoint_every"}}
FAMILY = TRAINING | {
    "--seed 3": {"key", "question"},
    "--quick": {"question", "budget", "recipes"},
    "--test-shots 3 4": {"question"},
    "--seeds 2": {"question"},
    "--shots 7": {"question"},
    "--queries 7": {"question"},
}
IMAGES = TRAINING | {
    "--quick": {"question", "budget", "recipes"},
    "--seeds 2": {"question"},
    "--ways 3": {"question", "network"},
    "--shots 2 3": {"question"},
    "--queries 3": {"question"},
    "--turned": {"question", "recipes"},
    "--augmented": {"question"},
    "--filters 3": {"network"},
    "--pooled": {"network"},
    "--normalisation batch": {"network"},
    "--device-bytes 100": {"question"},
    "--backbone lite1": {"recipes"},
    "--private": set(),
}
TABLE = RUN | {
    "--seed 3": {"key", "question"},
    "--quick": {"recipes", "budget", "steps"},
    "--steps 7": {"recipes", "budget", "steps"},
    "--test-shots 3 4": {"question"},
    "--seeds 2": {"question"},
    "--in-context": {"recipes"},
}
IN_SIZE = {"question", "network"}
COMPARE = {
    "sinusoids": FAMILY
    | {
        "--amplitude 1 2": {"question"},
        "--phase 1 2": {"question"},
        "--frequency 1 2": {"question"},
        "--inputs 1 2": {"question"},
        "--support-inputs 1 2": {"question"},
        "--grid": {"question"},
    },
    "linear-gaussian": FAMILY
    | {
        "--in-size 3": {"question", "network", "recipes"},
        "--mean 2": {"question"},
        "--largest 2": {"question"},
        "--smallest 0.1": {"question"},
        "--noise 1": {"question"},
    },
    "unrelated": FAMILY
    | {
        "--in-size 3": {"question", "network"},
        "--mean 2": {"question", "recipes"},
        "--std 2": {"question"},
    },
    "glyphs": IMAGES,
    "omniglot": IMAGES | {"--split random": {"question", "recipes"}},
    "files {files}/pictures": IMAGES
    | {
        "--size 20": {"question", "network", "recipes"},
        "--split-seed 1": {"question", "recipes"},
        "--backbone lite1": {"recipes", "question", "network"},
        "--rank --backbone lite1 lite2": {"recipes", "question", "network"},
        "--whole --backbone lite1": {"recipes", "question", "network"},
    },
    "school": TABLE,
    "sarcos": TABLE,
    "tox21": TABLE,
}
OWN = (
    "--task-column town",
    "--target visits",
    "--targets visits price",
    "--inputs price",
    "--leave-out day",
    "--categories day",
    "--kind regression",
    "--min-rows 9",
    "--schema {files}/schema.json",
    "--log-target",
    "--text-column town",
    "--backbone other",
)
DIVIDED = ("--group-column visits", "--time-column price", "--split-column part")


@pytest.fixture
def compared(monkeypatch, small, tmp_path) -> Notes:
    """What `compare` is given, for each of its calls in a command; no run is where it is called."""
    notes = Notes()
    monkeypatch.chdir(tmp_path)
    without_processes(monkeypatch)

    def compare(recipes, network, question, *, key, budget=None, **options):
        options = dict.fromkeys(("out", "checkpoint_every", "resume", "overwrite")) | options
        options = {"executor": None} | options
        recipes = tuple(recipes)
        notes.note(
            recipes=recipes, network=network, question=question, key=key, budget=budget, **options
        )
        return SimpleNamespace(outcomes=recipes)

    def affinities(network, tasks, index, *, steps, key):
        notes.note(steps=steps)
        return Affinities(np.eye(2), np.eye(2), np.arange(2))

    for module in (_families, _images, _tables):
        monkeypatch.setattr(module, "compare", compare)
    monkeypatch.setattr(_tables, "affinities", affinities)
    return notes


class Executor:
    """Works on nothing."""

    threads = 1

    def __init__(self, place):
        self.place = place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def without_processes(monkeypatch) -> None:
    """Replaces what `--workers` and `--scheduler` stand for."""
    for name in ("Workers", "dask_workers"):
        monkeypatch.setattr(ls.comparison, name, Executor)


# The others are read by the same code.
FIRST = ("sinusoids",)


@pytest.mark.parametrize(
    "subject",
    [pytest.param(s, marks=[] if s in FIRST else [pytest.mark.slow]) for s in COMPARE],
)
def test_each_option_of_compare_changes_what_is_compared(subject, compared, files, capsys):
    words = ["compare", *subject.format(files=files).split()]
    table, images = COMPARE[subject] is TABLE, subject.split()[0] in ("glyphs", "omniglot", "files")
    compared.calls = 1 if images else 3 if table else 2
    options = COMPARE[subject]
    assert flags(words, capsys) == {option.split()[0] for option in options}
    assert {option: changed(compared, words, option) for option in options} == options


@pytest.mark.slow
def test_each_option_of_a_table_of_your_own_changes_the_question(compared, files, capsys):
    """Those that every other table has as well are tested with them."""
    start = ["compare", "table", f"{files}/shops.csv"]
    assert flags(start, capsys) == {option.split()[0] for option in [*OWN, *DIVIDED, *TABLE]}
    shop = [*start, "--task-column", "shop", "--target"]
    several = [*start, "--targets", "sales", "visits"]
    bases = {"--targets visits price": several, "--kind regression": [*shop, "sold"]}
    bases["--log-target"] = [*shop, "price"]
    bases["--backbone other"] = [*shop, "sales", "--text-column", "town"]
    for option in (*OWN, *DIVIDED):
        words = bases.get(option, [*shop, "sales"])
        if option in DIVIDED:  # which hold no tasks out
            words, compared.calls = [*words, "--seeds", "1"], 1
        else:
            compared.calls = 2 if words is several else 3  # of two tasks none is held out
        assert "question" in changed(compared, words, option.format(files=files)), option


# train and evaluate


@pytest.fixture
def trained(monkeypatch, small) -> Notes:
    """What `train` is given."""
    notes = Notes()

    def train(method, model, tasks, optimiser, **options):
        notes.note(method=method, model=model, tasks=tasks, optimiser=optimiser, **options)

    monkeypatch.setattr(_train, "train", train)
    monkeypatch.setattr(_train.optax, "adam", lambda lr: lr)
    return notes


TRAIN = {
    "--out elsewhere": {"out"},
    "--seed 3": {"key", "model"},
    "--quick": {"steps"},
    "--resume": {"resume"},
    "--overwrite": {"overwrite"},
    "--steps 7": {"steps"},
    "--checkpoint-every 5": {"checkpoint_every"},
    "--lr 0.1": {"optimiser"},
    "--tasks-per-step 3": {"tasks_per_step"},
    "--parts 5": {"parts"},
    "--precision highest": set(),
}
SEVERAL = {"--seeds 2": {"key", "model"}}
SINES = {option: {"tasks"} for option in COMPARE["sinusoids"] if option not in FAMILY} | {
    "--shots 7": {"tasks"},
    "--queries 7": {"tasks"},
}
GLYPHS = {
    "--ways 3": {"tasks", "model"},
    "--shots 2 3": {"tasks"},
    "--queries 3": {"tasks"},
    "--turned": {"tasks"},
    "--augmented": {"tasks"},
    "--filters 3": {"model"},
    "--pooled": {"model"},
    "--normalisation batch": {"model"},
    "--device-bytes 100": {"tasks"},
}


@pytest.mark.parametrize(
    "words, options",
    ((["reptile", "sinusoids"], TRAIN | SEVERAL | SINES), (["protonet", "glyphs"], TRAIN | GLYPHS)),
    ids=("sinusoids", "glyphs"),
)
def test_each_option_of_train_changes_what_is_trained(words, options, trained, capsys):
    words = ["train", *words]
    own = {flag for flag in flags(words, capsys) if not flag.startswith("--method.")}
    assert own == {option.split()[0] for option in options | SEVERAL}
    assert {option: changed(trained, words, option) for option in options} == options


METHODS = [option.__metadata__[0].name for option in AnyMethod.__args__]


@pytest.mark.parametrize("method", METHODS)
def test_each_option_of_a_method_changes_it_or_is_refused(method, capsys):
    """A value of the kind that help names, other than the default."""
    words = ["train", method, "sinusoids"]
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    plain = parse(words).method
    for flag, kind, default in re.findall(
        r"(--method\.[\w-]+) (\S+)? ?.*?\(default: ([^)]*)\)", shown
    ):
        values = kind.strip("{}").replace("None", "").replace("|", ",").strip("{},").split(",")
        other = {"FLOAT": "0.37", "INT": "4" if default == "3" else "3"}.get(values[-1])
        if other is None and kind.startswith("{"):
            other = next(value for value in values if value != default)
        option = [flag] if other is None else [flag, other]
        try:
            assert digest(parse([*words, *option]).method) != digest(plain), option
        except ls.InputError as error:
            assert flag.removeprefix("--method.").replace("-", "_") in str(error)


def test_each_option_of_evaluate_changes_what_is_scored(monkeypatch, capsys, tmp_path):
    notes = Notes()
    sines = ls.Sinusoids()
    given = Family(None, ls.mse, ls.mse, sines)
    training = SimpleNamespace(
        tasks=sines,
        seeds=1,
        given=lambda folder: given,
        model=lambda folder, given: folder,
        adapter=lambda given: ls.MAML(ls.mse),
    )
    moved = {
        "given": lambda folder: dataclasses.replace(given, tasks=ls.Sinusoids(amplitude=(1.0, 2.0)))
    }
    training.with_data = lambda data: SimpleNamespace(**vars(training) | moved)
    monkeypatch.setattr(_train, "training_of", lambda folder: training)

    def evaluate(adapter, model, tasks, **options):
        notes.note(adapter=adapter, model=model, tasks=tasks, **options)

    monkeypatch.setattr(_train, "evaluate", evaluate)
    options = {"--shots 3": {"tasks"}, "--tasks 7": {"num_tasks"}, "--seed 5": {"key"}}
    options |= {"--data elsewhere": {"tasks"}}
    words = ["evaluate", str(tmp_path)]
    listed = {option.split()[0] for option in options}
    assert flags(words, capsys) == listed | {"--out"}  # which is tested in test_cli.py
    assert {option: changed(notes, words, option) for option in options} == options
    assert notes.of(["evaluate", "a"]) != notes.of(["evaluate", "b"])


# draw


@pytest.fixture
def drawn(monkeypatch, small, tmp_path) -> Notes:
    """What is drawn."""
    notes = Notes()
    monkeypatch.chdir(tmp_path)

    def draw_tasks(tasks, folder, name, **options):
        notes.note(tasks=tasks, folder=folder, name=name, **options)

    def draw_episode(task, names, folder, name):
        notes.note(tasks=(task, names), folder=folder, name=name)

    monkeypatch.setattr(_draw, "draw_tasks", draw_tasks)
    monkeypatch.setattr(_draw, "draw_episode", draw_episode)
    return notes


def test_each_option_of_draw_changes_what_is_drawn(drawn, capsys):
    words = ["draw", "sinusoids"]
    options = SINES | {"--out x": {"folder"}, "--seed 3": {"seed"}, "--number 2": {"number"}}
    assert flags(words, capsys) == {option.split()[0] for option in options}
    assert {option: changed(drawn, words, option) for option in options} == options


@pytest.mark.long
def test_each_option_of_draw_changes_the_task_of_images_or_is_refused(drawn, capsys):
    words = ["draw", "glyphs", "--shots", "1", "5"]
    options = {option: {"tasks"} for option in GLYPHS if option != "--device-bytes 100"}
    options |= {"--out x": {"folder"}, "--seed 3": {"tasks"}}
    unread = ("--filters 3", "--pooled", "--normalisation batch", "--number 2")
    for option in unread:
        options.pop(option, None)
        with pytest.raises(ls.InputError, match=f"`{option.split()[0]}` has no meaning"):
            run([*words, *option.split()])
    listed = {option.split()[0] for option in [*options, *unread, "--device-bytes 100"]}
    assert flags(words[:2], capsys) == listed
    assert {option: changed(drawn, words, option) for option in options} == options
    assert (
        changed(drawn, words, "--device-bytes 100") == set()
    )  # tasks are the same, and it says so


# study


@dataclasses.dataclass(frozen=True)
class AnyStudy:
    """A study that notes what it is given."""

    reads: ClassVar[frozenset[str]] = frozenset()
    notes: ClassVar[Notes]
    size: int = 0

    def quick(self):
        return dataclasses.replace(self, size=1)

    def full(self):
        return dataclasses.replace(self, size=2)

    def with_steps(self, steps):
        return dataclasses.replace(self, size=steps)

    def run(self, folder, key, **options):
        self.notes.note(study=self.size, folder=folder, key=key, options=options)


STUDY = {
    "--seed 3": {"key"},
    "--steps 7": {"study"},
    "--checkpoint-every 5": {"options"},
    "--resume": {"options"},
    "--full": {"study"},
    "--from-pretrained": {"options"},
    "--only one two": {"options"},
    "--workers 2": {"options"},
    "--scheduler tcp://host:1": {"options"},
}


def studied(monkeypatch, reads) -> Notes:
    notes = Notes()
    kind = type("Kind", (AnyStudy,), {"reads": frozenset(reads), "notes": notes})
    monkeypatch.setattr(_study, "_study", lambda name: kind)
    return notes


def test_each_option_of_a_study_changes_it_or_is_refused(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    without_processes(monkeypatch)
    every = {option.split()[0][2:].replace("-", "_") for option in STUDY}
    notes = studied(monkeypatch, every)
    words = ["study", "any"]
    assert {option: changed(notes, words, option) for option in STUDY} == STUDY
    options = {"--out x": {"folder"}, "--quick": {"study"}}
    assert {option: changed(notes, words, option) for option in options} == options
    rest = {"--overwrite", "--redraw", "--precision"}  # which are tested with studies
    listed = {option.split()[0] for option in [*STUDY, *options]} | rest
    assert flags(["study"], capsys) == listed
    studied(monkeypatch, ())
    for option in STUDY:
        with pytest.raises(ls.InputError, match=f"`{option.split()[0]}` has no meaning for any"):
            run([*words, *option.split()])


def test_adapt_and_predict_have_no_other_options(capsys):
    """Those of `adapt` are tested in test_few_shot.py."""
    assert flags(["adapt"], capsys) == {"--out", "--overwrite"}
    assert flags(["predict"], capsys) == set()


@pytest.mark.parametrize("option", [["--quick"], ["--steps", "3"], ["--seed", "1"], ["--resume"]])
def test_a_study_that_is_only_drawn_takes_no_option_of_a_run(option, tmp_path, capsys):
    assert main(["study", "school", "--redraw", str(tmp_path), *option]) == 2
    assert f"`{option[0]}` has no meaning with `--redraw`" in capsys.readouterr().err


def test_a_study_is_either_quick_or_full(capsys):
    assert main(["study", "omniglot", "--quick", "--full"]) == 2
    assert "`--quick` and `--full` are different sizes" in capsys.readouterr().err
