"""Whatever is typed: one line says what is wrong with it, and nothing is allocated before."""

import random
import re
import signal
import subprocess
import sys
import time
import warnings

import pytest
from test_options import files as files, small as small

import learnset as ls
from learnset.cli import _draw, _study, _train, _use, main, parse, with_subject
from learnset.cli._limits import check_room, memory, options
from learnset.cli._messages import as_typed
from learnset.cli.subjects import _families as families, _images, _tables

HUGE = (2**31 - 1, 2**31, 2**53 + 1, 2**63 - 1, 2**63, 2**64, 10**40)
VALUES = (
    *("", "0", "-1", "1", "2", "3", "5", "1 5", "5 5", "5 1", "0.5", "1e20", "1e400", "nan", "inf"),
    *map(str, HUGE),
    *(str(-number) for number in HUGE),
    *("None", "True", "none", "a", "A b", "-", "--", "=", "--=", "'", '"', "\\", "$A_$", "[/b]"),
    *("\n", "\x1b[2J", "\u202e", "日本", "\udcff", "\ud800", "\0", "%s", "{0}", "🙂", "٣", "１"),
    *("/", ".", "..", "~", "/dev/null", "/dev/zero", "/proc/self/mem", "/nowhere/x", "a" * 300),
    *("a/" * 3000, "x.csv", "x.npz", "{files}/shops.csv", "{files}/pictures", "{files}", "school"),
)
WORDS = (
    *("compare", "study", "train", "evaluate", "draw", "adapt", "predict", "sinusoids", "maml"),
    *("unrelated", "linear-gaussian", "glyphs", "files", "school", "table", "reptile", "protonet"),
    *("--help", "-h", "--version", "--quick", "--resume", "--overwrite", "--full"),
    *("sinusoid", "mam", "compar", "--stpes", "--seeed", "--out", "--shots", "omniglot", "bandits"),
)
STARTS = (
    *(f"compare {subject}" for subject in ("sinusoids", "linear-gaussian", "unrelated", "school")),
    *("compare glyphs", "compare files {files}/pictures", "compare {files}/shops.csv"),
    "compare {files}/shops.csv --task-column shop --target sales",
    "compare {files}/shops.csv --targets sales visits",
    *(f"train {method} sinusoids" for method in ("maml", "reptile", "cavia", "imaml", "r2d2")),
    *(f"train {method} glyphs" for method in ("protonet", "maml-plus-plus", "in-context", "boil")),
    *("train maml linear-gaussian", "train maml unrelated", "train maml school"),
    "train protonet files {files}/pictures",
    *("evaluate .", "draw sinusoids", "draw glyphs", "draw files {files}/pictures"),
    *("fit {files}/shops.csv --task-column shop --target sales", "inspect x.learnset", "fit ."),
    *("adapt . {files}/pictures", "predict . x.png", "study", "study school", "study bandits"),
)


def a_command_line(draw: random.Random, flags: dict[str, list[str]], files) -> list[str]:
    """Words of a command with options of its own and values that they may or may not take."""
    start = draw.choice(STARTS)
    words = start.split()
    for _ in range(draw.randint(1, 3)):
        flag = draw.choice(flags[start]) if draw.random() < 0.85 else draw.choice(WORDS)
        words.append(flag)
        if draw.random() < 0.9:
            value = draw.choice(VALUES)
            words += value.split(" ") if draw.random() < 0.9 else [value, draw.choice(VALUES)]
    if draw.random() < 0.15:
        draw.shuffle(words)
    if draw.random() < 0.1:
        words.insert(draw.randrange(len(words) + 1), draw.choice(VALUES + WORDS))
    return [word.replace("{files}", str(files)) for word in words]


def end(*_, **__):
    """Stands for the work of a command, which is not what is tested here."""
    raise SystemExit(0)


@pytest.fixture
def idle(monkeypatch, small):
    """Commands that read what was typed, and then do nothing."""
    for module in (families, _images, _tables):
        monkeypatch.setattr(module, "compare", end)
    for module, name in (
        (_train, "train"),
        (_train, "evaluate"),
        (_draw, "draw_tasks"),
        (_draw, "draw_episode"),
        (_study, "run_folder"),
        (_use, "fit"),
    ):
        monkeypatch.setattr(module, name, end)


@pytest.mark.long
def test_no_random_command_line_ends_in_a_traceback(idle, files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags = {
        start: [flag for flag, *_ in options(parse_start(start, files))] + ["--resume", "--quick"]
        for start in STARTS
    }
    draw = random.Random(7)
    faults, longest = [], 0.0
    for _ in range(600):
        words = a_command_line(draw, flags, files)
        began = time.perf_counter()
        try:
            code = main(words)
        except SystemExit as stop:
            code = stop.code
        longest = max(longest, time.perf_counter() - began)
        said = capsys.readouterr().err
        if code not in (0, 1, 2) or "unexpected" in said or (code and said.count("\n") != 1):
            faults.append((words, code, said))
    assert faults == [], "\n".join(map(str, faults))
    assert longest < 20


def parse_start(start: str, files):
    return parse(with_subject(start.replace("{files}", str(files)).split()))


def test_a_model_that_no_machine_has_room_for_is_refused(
    idle, files, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    for words in (
        "train protonet glyphs --filters 2147483647",
        "compare glyphs --filters 99999999",
    ):
        assert main(words.split()) == 2
        assert re.search(r"needs about [\d,.]+ GiB .* Lower `--filters`", capsys.readouterr().err)


def test_tasks_that_fit_the_memory_pass():
    check_room(ls.Sinusoids(), 25, "`--shots`")
    assert 2**28 < memory() < 2**60


def test_an_option_that_would_be_ignored_is_refused(files, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    start = ["compare", f"{files}/shops.csv", "--task-column", "shop", "--target", "sales"]
    assert main([*start, "--targets", "visits", "price"]) == 2
    assert "`--targets` visits, price with `--target sales`" in capsys.readouterr().err
    assert main([*start, "--test-shots", "2", "500"]) == 2
    assert "`--test-shots 500`, but too few of the 13 tasks have 500" in capsys.readouterr().err


@pytest.mark.parametrize(
    "message, said",
    (
        ("Lower `min_rows`.", "Lower `--min-rows`."),
        ("`inner_lr=0.0` is bad", "`--method.inner-lr 0.0` is bad"),
        ("`unknown=3`, `learnset.save`", "`unknown=3`, `learnset.save`"),
        ("name it (`target`)", "name it (`--target`)"),
    ),
)
def test_a_message_names_options_as_they_are_typed(message, said):
    arguments = ["train", "maml", "school", "--method.inner-lr", "0", "--min-rows=3", "--target"]
    assert as_typed(message, arguments, None) == said


def test_a_message_names_options_that_were_not_typed_as_well():
    command = parse(["train", "maml", "sinusoids"])
    assert as_typed("lower `inner_lr`", [], command) == "lower `--method.inner-lr`"


NAMED_ALIKE = ("pooled", "shots", "seed", "filters", "data")  # files, arrays or methods, too


@pytest.mark.parametrize("name", NAMED_ALIKE)
def test_a_word_that_is_called_as_an_option_stays_as_it_is(name):
    command = parse("train pooled glyphs".split())
    assert as_typed(f"`{name}` is a file", ["evaluate", name], command) == f"`{name}` is a file"
    for thing in ("no array", "two arrays", "The package"):
        assert as_typed(f"{thing} `{name}`", [], command) == f"{thing} `{name}`"


# The last catch


@pytest.mark.parametrize(
    "error, code, said",
    (
        (ZeroDivisionError("[/b] \x1b[2J"), 1, r"unexpected ZeroDivisionError in \S+.py:\d+"),
        (MemoryError(), 1, "not enough memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"), 1, "not enough mem"),
        (OSError(28, "No space left on device", "x.json"), 1, "x.json: No space left on device."),
        (RecursionError("deep"), 1, "report it at https://github.com/"),
        (KeyboardInterrupt(), 1, "Stopped."),
        (ls.InputError("two\nlines"), 2, "two lines"),
    ),
)
def test_every_error_is_one_line(error, code, said, monkeypatch, capsys):
    def fail(*_):
        raise error

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(_draw.Draw, "run", fail)
    assert main(["draw", "sinusoids"]) == code
    signal.signal(signal.SIGINT, before)
    line = capsys.readouterr().err
    assert re.fullmatch(rf"learnset: .*{said}.*\n", line) and "\x1b" not in line


def test_a_traceback_is_shown_when_it_is_asked_for(monkeypatch, capsys):
    def fail(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(_draw.Draw, "run", fail)
    main(["draw", "sinusoids", "--traceback"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err
    monkeypatch.setenv("LEARNSET_TRACEBACK", "1")
    main(["draw", "sinusoids"])
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_a_warning_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(_draw.Draw, "run", lambda *_: warnings.warn("no `steps`", stacklevel=1))
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["draw", "sinusoids"]) == 0
    assert capsys.readouterr().err == "learnset: no `steps`\n"


STOPPED = """
import sys, time
from learnset.cli import main, _draw
def work(*_):
    print("working", flush=True)
    try:
        time.sleep(60)
    finally:
        time.sleep(float(sys.argv[1]))
_draw.Draw.run = work
sys.exit(main(["draw", "sinusoids"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("times, ends_after", ((1, 0.0), (2, 60.0), (6, 60.0), (6, 0.05)))
def test_ctrl_c_however_often_is_one_line(times, ends_after, tmp_path):
    (tmp_path / "program.py").write_text(STOPPED)
    command = [sys.executable, str(tmp_path / "program.py"), str(ends_after)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "working\n"
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, error = process.communicate(timeout=30)
    assert error == "learnset: Stopped.\n"
    assert process.returncode in (1, -signal.SIGINT)  # the latter after Python itself has ended


QUICK = """
import os, sys, types
import learnset.cli
assert "jax" not in sys.modules, "JAX would not read what is set after it has started"
def run(arguments):
    assert "xla_backend_optimization_level=1" in os.environ["XLA_FLAGS"]
    return 0
sys.modules["learnset.cli._run"] = types.SimpleNamespace(run=run)
sys.exit(learnset.cli.main(["compare", "sinusoids", "--quick"]))
"""


def test_quick_sets_the_flags_of_xla_before_jax_starts():
    assert subprocess.run([sys.executable, "-c", QUICK], timeout=120).returncode == 0
