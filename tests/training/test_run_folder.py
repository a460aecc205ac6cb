"""The folder of a run: replaced whole or not at all, and never with anything else in it."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import learnset as ls
from learnset.core import NotWrittenError, write_file
from learnset.training import finished_run, run_folder, written_folder
from learnset.training._folder import MARKER

HOLDS = """
import sys, time
from learnset.training import run_folder
with run_folder(sys.argv[1], resume=True):
    print("in", flush=True)
    time.sleep(60)
"""


def write_run(out, text="old", *names, **options):
    with run_folder(out, **options) as folder:
        for name in names or ("result.json", "checkpoints/1.checkpoint"):
            (folder / name).parent.mkdir(exist_ok=True)
            write_file(folder / name, text)


def contents(folder):
    """The text of each file, but for the marker."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MARKER]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


OLD = {"result.json": "old", "checkpoints/1.checkpoint": "old"}


@pytest.fixture
def old(tmp_path):
    write_run(tmp_path / "run")
    return tmp_path / "run"


def test_a_run_is_replaced_by_a_new_one_with_nothing_of_the_old(old):
    write_run(old, "new", "other.json", overwrite=True)
    assert contents(old) == {"other.json": "new"}
    assert [path.name for path in old.parent.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "name", ("notes.txt", ".git/config", "checkpoints/mine", "result.json.bak")
)
def test_a_run_with_a_file_of_the_user_is_not_replaced_and_the_file_is_named(old, name):
    (old / name).parent.mkdir(exist_ok=True)
    (old / name).write_text("ten years of work")
    with pytest.raises(ls.InputError, match="did not write") as error:
        write_run(old, "new", overwrite=True)
    assert name in str(error.value) and "\n" not in str(error.value)
    assert contents(old) == OLD | {name: "ten years of work"}


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ("os.fsync", "os.rename", "os.mkdir", "pathlib.Path.open"))
def test_a_full_disk_while_a_run_is_replaced_is_one_line_and_leaves_the_old_one(
    where, old, monkeypatch
):
    monkeypatch.setattr(where, full)
    with pytest.raises((ls.InputError, NotWrittenError)) as error:
        write_run(old, "new", overwrite=True)
    monkeypatch.undo()
    assert "No space left on device" in str(error.value) and "\n" not in str(error.value)
    assert contents(old) == OLD
    write_run(old, "new", overwrite=True)
    assert contents(old) == {name: "new" for name in OLD}


@pytest.mark.parametrize(
    "marker", (None, "", '\n{"format": 1, "proc'), ids=("none", "empty", "cut")
)
def test_a_new_run_that_ended_before_its_marker_was_written_is_not_in_the_way(marker, old):
    partial = old.with_name("run.partial")
    for options in ({"resume": True}, {"overwrite": True}):
        partial.mkdir()
        if marker is not None:
            (partial / MARKER).write_text(marker)
        write_run(old, str(options), "result.json", **options)
        assert contents(old)["result.json"] == str(options) and not partial.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from learnset.core import write_file
path, old, new = Path(sys.argv[1]), b"old" * 1000, b"new" * 5000

def end(number):
    count = 0
    def at(event="fsync", _=()):
        nonlocal count
        count += event in ("open", "os.rename", "os.remove", "fsync")
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(at)
    fsync = os.fsync
    os.fsync = lambda fd: (at(), fsync(fd), at())
    write_file(path, new)
    os._exit(0)

number = status = 1
while status:
    path.write_bytes(old)
    child = os.fork()
    if child == 0:
        end(number)
    status, number = os.waitpid(child, 0)[1], number + 1
    assert path.read_bytes() in (old, new)
print(number)
"""


@pytest.mark.slow
def test_a_file_is_the_old_or_the_new_one_wherever_its_writer_is_killed(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path / "some.learnset")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 5


def test_every_file_is_written_by_that_function():
    """But for a log and a marker, which are appended to, and images that memory does not hold. A
    file that is written otherwise is not listed, and its run is never replaced."""
    source, studies = Path(ls.__file__).parent, Path(__file__).parents[2] / "studies"
    writes = r"\.write_(text|bytes)\(|\b(np\.save|copy(file|2|tree)?|json\.dump)\(\w+, |"
    writes += r"\.(write_parquet|to_csv|savefig|savez\w*)\((?!content\b|stream\b|$)|"
    writes += r"open\([^)]*[\"'][wax]b?\+?[\"']"
    found = {
        str(path.relative_to(folder))
        for folder in (source, studies)
        for path in folder.rglob("*.py")
        for line in path.read_text().splitlines()
        if re.search(writes, line) and ">>>" not in line and "..." not in line
    }
    others = {"core/_files.py", "training/_log.py", "training/_folder.py", "data/_packed.py"}
    assert found - others == {"data/_columns.py", "cli/_run.py"}  # into os.devnull


def test_a_link_in_a_run_is_not_followed(old, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("ten years of work")
    (old / "link").symlink_to(tmp_path / "thesis")
    with pytest.raises(ls.InputError, match=r"did not write \(link\)"):
        write_run(old, "new", overwrite=True)
    assert (tmp_path / "thesis" / "thesis.tex").exists()


@pytest.mark.parametrize("name", ("checkpoints", "result.json", "run.json", "thesis.tex"))
@pytest.mark.parametrize("options", ({}, {"resume": True}, {"overwrite": True}))
def test_a_folder_that_learnset_did_not_mark_is_never_written_into(tmp_path, name, options):
    (tmp_path / name).write_text("ten years of work")
    with pytest.raises(ls.InputError, match="holds files, but no run"):
        write_run(tmp_path, **options)
    assert contents(tmp_path) == {name: "ten years of work"}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_used_folder_is_refused_unless_said_otherwise(old):
    with pytest.raises(ls.InputError, match="already holds a run.*resume.*overwrite"):
        write_run(old, "new")
    write_run(old, "more", "more.json", resume=True)
    assert contents(old) == OLD | {"more.json": "more"}


def test_a_run_that_replaces_and_fails_leaves_the_old_one_whole_and_goes_on_when_resumed(old):
    with pytest.raises(KeyboardInterrupt), run_folder(old, overwrite=True) as folder:
        write_file(folder / "half.json", "new")
        raise KeyboardInterrupt
    assert contents(old) == OLD
    with pytest.raises(ls.InputError, match=r"run\.partial holds a run that was to replace"):
        write_run(old, "new")
    with pytest.warns(UserWarning, match="takes the place"):
        write_run(old, "new", "whole.json", resume=True)
    assert contents(old) == {"half.json": "new", "whole.json": "new"}
    assert [path.name for path in old.parent.iterdir()] == ["run"]


def test_a_run_that_replaces_begins_again_with_overwrite(old):
    with pytest.raises(KeyboardInterrupt), run_folder(old, overwrite=True) as folder:
        write_file(folder / "half.json", "new")
        raise KeyboardInterrupt
    write_run(old, "newer", "whole.json", overwrite=True)
    assert contents(old) == {"whole.json": "newer"}


def test_a_run_that_cannot_begin_leaves_nothing_of_itself(old, tmp_path):
    for out in (old, tmp_path / "deep" / "new"):
        with pytest.raises(ls.InputError, match="no data"), run_folder(out, overwrite=True):
            raise ls.InputError("no data")
    assert contents(old) == OLD
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_replacement_that_was_cut_between_its_two_moves_is_undone(old):
    """The new run is whole in `run.partial`, and is finished when resumed."""
    with pytest.raises(KeyboardInterrupt), run_folder(old, overwrite=True) as folder:
        write_file(folder / "whole.json", "new")
        raise KeyboardInterrupt
    old.rename(old.with_name(".run.replaced"))  # the first move
    with pytest.raises(ls.InputError, match="was to replace"):
        write_run(old)
    assert contents(old) == OLD
    with pytest.warns(UserWarning, match="takes the place"):
        write_run(old, "new", "whole.json", resume=True)
    assert contents(old) == {"whole.json": "new"}


def test_further_files_of_the_old_run_do_not_end_the_one_that_replaces_it(old):
    with pytest.raises(KeyboardInterrupt), run_folder(old, overwrite=True) as folder:
        write_file(folder / "half.json", "new")
        raise KeyboardInterrupt
    for lock in (finished_run, written_folder):
        with lock(old):
            write_file(old / "more.json", "old")
    assert contents(old) == OLD | {"more.json": "old"}
    assert contents(old.with_name("run.partial")) == {"half.json": "new"}


def test_files_that_came_while_a_run_was_replaced_are_kept(old):
    with (
        pytest.warns(UserWarning, match=r"\.run\.replaced keeps the earlier run.*notes\.txt"),
        run_folder(old, overwrite=True) as folder,
    ):
        write_file(folder / "result.json", "new")
        (old / "notes.txt").write_text("ten years of work")
    assert contents(old) == {"result.json": "new"}
    assert (old.parent / ".run.replaced" / "notes.txt").read_text() == "ten years of work"


@pytest.mark.parametrize("name", ("run.partial", ".run.replaced"))
def test_a_folder_that_only_has_such_a_name_is_not_touched(old, name):
    (old.parent / name).mkdir()
    (old.parent / name / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ls.InputError, match="Move it"):
        write_run(old, "new", overwrite=True)
    assert (old.parent / name / "thesis.tex").exists() and contents(old) == OLD


def test_a_run_of_that_name_which_replaces_none_is_not_touched(old):
    write_run(old.with_name("run.partial"), "another")
    with pytest.raises(ls.InputError, match="is in the way"):
        write_run(old, "new", overwrite=True)
    assert contents(old.with_name("run.partial"))["result.json"] == "another"


def test_a_link_to_a_run_stays_a_link_to_the_new_one(old, tmp_path):
    (tmp_path / "latest").symlink_to(old)
    write_run(tmp_path / "latest", "new", "other.json", overwrite=True)
    assert (tmp_path / "latest").is_symlink() and contents(old) == {"other.json": "new"}


def test_the_current_directory_is_not_replaced(old, monkeypatch):
    monkeypatch.chdir(old / "checkpoints")
    for out in ("..", old):
        with pytest.raises(ls.InputError, match="the current directory or above it"):
            write_run(out, "new", overwrite=True)
    assert contents(old) == OLD


def test_a_part_with_a_folder_of_its_own_is_replaced_with_the_whole(tmp_path):
    def write(text, **options):
        with run_folder(tmp_path / "run", **options) as folder:
            with run_folder(folder):  # the same folder, once more
                write_file(folder / "result.json", text)
            write_run(folder / "part", text)

    write("old")
    write("new", overwrite=True)
    assert set(contents(tmp_path / "run").values()) == {"new"}
    (tmp_path / "run" / "part" / "notes.txt").write_text("ten years of work")
    with pytest.raises(ls.InputError, match=r"did not write \(part/notes\.txt\)"):
        write("newer", overwrite=True)


def test_what_a_killed_write_left_is_known_to_be_ours(old):
    (old / ".result.json.0123abcd.partial").write_text("hal")
    write_run(old, "new", overwrite=True)
    assert set(contents(old).values()) == {"new"}


@pytest.mark.parametrize("cut", (1, 7, 40))
def test_a_damaged_list_of_files_loses_none(old, cut):
    marker = old / MARKER
    marker.write_bytes(marker.read_bytes()[:-cut])
    with pytest.raises(ls.InputError, match="did not write"):
        write_run(old, "new", overwrite=True)
    assert contents(old) == OLD


def test_two_processes_do_not_write_into_one_folder(old):
    with subprocess.Popen([sys.executable, "-c", HOLDS, old], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"in\n"
            for options in ({"resume": True}, {"overwrite": True}):
                with pytest.raises(ls.InputError, match=f"in use by process {other.pid}") as error:
                    write_run(old, "new", **options)
                assert "\n" not in str(error.value)
            with pytest.raises(ls.InputError, match="in use"), finished_run(old):
                pass
        finally:
            other.send_signal(signal.SIGKILL)
    write_run(old, "new", resume=True)  # the lock of a killed process is gone
    assert set(contents(old).values()) == {"new"}


def test_two_processes_do_not_replace_one_run(old):
    script = HOLDS.replace("resume=True", "overwrite=True")
    with subprocess.Popen([sys.executable, "-c", script, old], stdout=subprocess.PIPE) as other:
        try:
            assert other.stdout.readline() == b"in\n"
            for options in ({"overwrite": True}, {"resume": True}):
                with pytest.raises(ls.InputError, match="in use"):
                    write_run(old, "new", **options)
        finally:
            other.send_signal(signal.SIGKILL)
    assert contents(old) == OLD
    write_run(old, "more", "more.json", resume=True)  # nothing was written that could go on
    assert contents(old) == OLD | {"more.json": "more"}


def test_two_threads_do_not_write_into_one_folder(tmp_path):
    refused = []

    def other():
        try:
            write_run(tmp_path / "run")
        except ls.InputError as error:
            refused.append(str(error))

    with run_folder(tmp_path / "run"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(refused) == 1 and f"process {os.getpid()}" in refused[0]


def test_a_run_is_resumed_only_as_what_it_was(tmp_path):
    about = {"study": "school", "seed": 0, "sizes": (1, 2)}
    write_run(tmp_path / "run", about=about)
    write_run(tmp_path / "run", resume=True, about=about)
    with pytest.raises(ls.InputError, match="a run with `seed` 0, and this one has 7"):
        write_run(tmp_path / "run", resume=True, about=about | {"seed": 7})


def test_a_folder_deleted_in_the_middle_is_said_in_one_line(tmp_path):
    with (
        pytest.raises(ls.core.NotWrittenError, match=r"result\.json was not written") as error,
        run_folder(tmp_path / "run") as folder,
    ):
        (folder / MARKER).unlink()
        folder.rmdir()
        write_file(folder / "result.json", "new")
    assert "\n" not in str(error.value)


def test_each_process_that_wrote_is_in_the_marker(old):
    write_run(old, resume=True)
    lines = [json.loads(line) for line in (old / MARKER).read_text().splitlines() if line]
    assert [line["process"] for line in lines if "process" in line] == [os.getpid()] * 2
    assert [line["file"] for line in lines if "file" in line] == list(OLD)
