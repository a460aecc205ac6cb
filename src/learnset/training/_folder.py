"""The folder of a run: who writes into it, which files are ours, and how a run is replaced.

A marker, `.learnset-run`, lies in it: a line of JSON for each process that wrote into the folder,
and one for each file, added before that is written. It is locked while a process writes."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..core import InputError, listing, whole_name, writing
from ._processes import is_first

MARKER = ".learnset-run"
_FORMAT = 1
_IGNORED = (".DS_Store",)  # that file managers leave everywhere
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # some file systems of clusters have none
_LISTED = 3  # files that a message names
_held: dict[Path, int] = {}  # folders that this process writes into, and the thread that does


@contextlib.contextmanager
def run_folder(
    out: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    about: Mapping[str, Any] | None = None,
) -> Iterator[Path]:
    """The folder for a run to write into, locked until the end.

    A run inside of another one, with the same folder and in the same thread, shares its lock. Of
    processes that train together the first one has the folder, and each other one that is deleted.

    **Arguments:**

    - `out`: the run's folder; a link to a folder means that folder.
    - `resume`: it may hold an earlier part of this run.
    - `overwrite`: a run that it holds is replaced: the new one is written next to it, as
      `NAME.partial`, and takes its place at the end. Until then the old run stays as it is, and
      `resume` goes on with the new one.
    - `about`: what the run is, in JSON values. A run is resumed only where they are the same.

    **Raises:** `InputError` for a folder that holds a run (without `resume` or `overwrite`), that
    holds other files, that another process writes into, or that cannot be written.
    """
    place = Path(os.path.realpath(out))
    if _held.get(place) == threading.get_ident():
        yield Path(out)
        return
    with contextlib.ExitStack() as stack:
        if not is_first():  # of processes that train together
            out = Path(stack.enter_context(tempfile.TemporaryDirectory())) / place.name
            place = Path(os.path.realpath(out))
        _check_folder(place, out)
        partial = _recovered(place, out)
        if overwrite and partial.exists():
            _check_ours(partial, partial)
            stack.enter_context(_lock(partial))
            shutil.rmtree(partial)
        continues = partial.exists()
        if continues and not resume:
            raise InputError(
                f"{partial} holds a run that was to replace {out}. Continue it with `resume`, or"
                " begin again with `overwrite`."
            )
        replaces = continues or (overwrite and bool(_entries(place)))
        if replaces and _entries(place):
            _check_ours(place, out)
            stack.enter_context(_lock(place))
        where = partial if replaces else place
        header = {"about": about, "replaces": place.name if replaces else None}
        marker = stack.enter_context(_marked(where, out, resume, header))
        if continues:
            warnings.warn(f"{partial} goes on, and takes the place of {out} then.", stacklevel=3)
        yield _as_given(where, place, out)
        if replaces:
            _replace(place, partial)
            _add(marker, _process())


@contextlib.contextmanager
def written_folder(out: str | Path, *, resume: bool = True) -> Iterator[None]:
    """Locks a folder that gets further files, whatever run is to replace it.

    **Raises:** as `run_folder`.
    """
    place = Path(os.path.realpath(out))
    if _held.get(place) == threading.get_ident():
        yield
        return
    _check_folder(place, out)
    with _marked(place, out, resume, {"about": None, "replaces": None}):
        yield


def finished_run(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Locks a run that gets further files, such as new figures. A folder without a marker, such as
    a copy of some files, is written into as it is.

    **Raises:** `InputError` if another process writes into it.
    """
    return written_folder(folder) if _is_run(folder) else contextlib.nullcontext()


@contextlib.contextmanager
def _marked(
    folder: Path, out: str | Path, resume: bool, header: Mapping[str, Any]
) -> Iterator[BinaryIO]:
    """Marks and locks a folder. One that was made for a run that then wrote nothing is removed."""
    made = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    make_folder(folder, out)
    with _lock(folder) as marker:
        headers, files = _read(folder)
        used = _entries(folder) != [MARKER]
        if used and not resume:
            raise InputError(
                f"{out} already holds a run. Continue it with `resume`, replace it with"
                " `overwrite`, or choose another directory with `out`."
            )
        if not used:
            marker.truncate(0)
            headers, files = [], set()
        if headers and header["about"] is not None:
            _check_same(headers[0].get("about"), header["about"], out)
        replaces = header["replaces"] or (headers and headers[-1].get("replaces")) or None
        with writing(folder / MARKER):
            _add(marker, {**_process(), **header, "replaces": replaces})

        def note(name: str) -> None:
            if name not in files:
                _add(marker, {"file": name})
                files.add(name)

        _held[folder] = threading.get_ident()
        try:
            with listing(folder, note):
                yield marker
        finally:
            del _held[folder]
            if made and _entries(folder) == [MARKER]:
                (folder / MARKER).unlink()
                with contextlib.suppress(OSError):  # a parent may have got another run meanwhile
                    for path in made:
                        path.rmdir()


def _check_folder(place: Path, out: str | Path) -> None:
    """Raises `InputError` for a folder that holds something else."""
    if _entries(place) and not _is_run(place):
        raise InputError(
            f"{out} holds files, but no run of this version of learnset (no {MARKER}): nothing in"
            " it is deleted or changed. Choose another directory with `out`."
        )


def _check_ours(folder: Path, out: str | Path) -> None:
    """Raises `InputError` for a run that cannot be replaced without losing other files."""
    foreign = _foreign(folder)
    if foreign:
        more = f" and {len(foreign) - _LISTED} more" if len(foreign) > _LISTED else ""
        raise InputError(
            f"{out} holds files that learnset did not write ({', '.join(foreign[:_LISTED])}{more}):"
            " nothing in it is deleted. Move them, or choose another directory with `out`."
        )
    if Path.cwd().is_relative_to(folder):
        raise InputError(
            f"{out} is the current directory or above it, which cannot be replaced. Leave it first."
        )


def _foreign(folder: Path) -> list[str]:
    """The files in a folder that its runs do not list, by their relative paths."""
    foreign, files = [], _read(folder)[1]
    for directory, folders, names in os.walk(folder):
        below = Path(directory).relative_to(folder)
        for name in list(folders):
            if (folder / below / name).is_symlink():
                foreign.append(below / name)
            elif _is_run(folder / below / name):  # of a part, with a list of its own
                folders.remove(name)
                foreign += [below / name / other for other in _foreign(folder / below / name)]
        for name in names:
            board = below.name == "tensorboard" and name.startswith("events.out.tfevents.")
            ours = board or name in _IGNORED or str(below / whole_name(name)) in files
            ours = ours or below / name == Path(MARKER)
            if not ours or (folder / below / name).is_symlink():
                foreign.append(below / name)
    return sorted(map(str, foreign))


def _recovered(place: Path, out: str | Path) -> Path:
    """Where the run that replaces another is written. A replacement that was cut between its two
    moves is undone."""
    partial, old = _partial(place), _old(place)
    bare = partial.is_dir() and not partial.is_symlink() and set(_entries(partial)) <= {MARKER}
    if bare:  # killed, or the disk was full, before anything was written
        with _lock(partial):
            shutil.rmtree(partial)
    elif os.path.lexists(partial) and not (
        _is_run(partial) and _read(partial)[0][-1:] and _read(partial)[0][-1].get("replaces")
    ):
        raise InputError(
            f"{partial} is in the way: a run that replaces {out} is written there first. Move it,"
            " or choose another directory with `out`."
        )
    if os.path.lexists(old):
        if not os.path.lexists(place):
            old.rename(place)
        elif _is_run(old) and not _foreign(old):
            shutil.rmtree(old, ignore_errors=True)
        else:
            raise InputError(
                f"{old} holds an earlier run and files that learnset did not write. Move it, or"
                " choose another directory with `out`."
            )
    return partial


def _replace(place: Path, partial: Path) -> None:
    """Puts a finished run where the old one was."""
    old = _old(place)
    with writing(place):
        if place.exists():
            place.rename(old)
        partial.rename(place)
    if not old.exists():
        return
    if foreign := _foreign(old):  # they came while the new run was written
        warnings.warn(f"{old} keeps the earlier run, which holds {foreign[0]}.", stacklevel=4)
    else:
        shutil.rmtree(old, ignore_errors=True)


def _partial(place: Path) -> Path:
    return place.with_name(f"{place.name}.partial")


def _old(place: Path) -> Path:
    return place.with_name(f".{place.name}.replaced")


def _as_given(where: Path, place: Path, out: str | Path) -> Path:
    """A path as the user gave it, or next to that."""
    if where == place:
        return Path(out)
    plain = not Path(out).is_symlink() and Path(out).name == place.name
    return _partial(Path(out)) if plain else where


def _check_same(before: Mapping[str, Any] | None, now: Mapping[str, Any], out: str | Path) -> None:
    """Raises `InputError` where a run that is resumed was another one."""
    before, now = before or {}, json.loads(json.dumps(now))
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            raise InputError(
                f"{out} holds a run with `{name}` {before.get(name)!r}, and this one has"
                f" {now.get(name)!r}. Resume with the same, or choose another directory with"
                " `out`."
            )


def make_folder(folder: Path, out: str | Path) -> None:
    """Makes a folder that can be written into, with its parents.

    **Arguments:** `out`: its name in messages.

    **Raises:** `InputError` if that cannot be.
    """
    if os.path.exists(folder) and not folder.is_dir():
        raise InputError(
            f"{out} is a file; a run needs a directory. Choose another name with `out`."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{out} cannot be created ({error.strerror}). Choose another directory with `out`."
        ) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"{out} is not writable. Choose another directory with `out`.")


def _lock(folder: Path) -> BinaryIO:
    """The marker of a folder, open to be added to, and locked until it is closed. The lock of a
    process that was killed is gone with it."""
    path = folder / MARKER
    with writing(path):
        marker = path.open("ab", buffering=0)
    try:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        if not path.exists() or os.fstat(marker.fileno()).st_ino != path.stat().st_ino:
            raise BlockingIOError  # another process has replaced the run meanwhile
    except BlockingIOError:
        marker.close()
        headers, _ = _read(folder) if path.exists() else ([], None)
        last = headers[-1] if headers else {}
        raise InputError(
            f"{folder} is in use by process {last.get('process', '?')} on {last.get('host', '?')}."
            " Wait until it ends, or choose another directory with `out`."
        ) from None
    return marker


def _process() -> dict[str, Any]:
    return {"format": _FORMAT, "process": os.getpid(), "host": socket.gethostname()}


def _is_run(folder: Path) -> bool:
    return (folder / MARKER).is_file() and not folder.is_symlink()


def _entries(folder: Path) -> list[str]:
    """What a folder holds; nothing where there is none."""
    try:
        return sorted(set(os.listdir(folder)) - set(_IGNORED)) if folder.is_dir() else []
    except OSError as error:
        raise InputError(f"{folder} cannot be read ({error.strerror}).") from None


def _read(folder: Path) -> tuple[list[dict[str, Any]], set[str]]:
    """The lines for processes, and the files. A line that was cut or damaged is left out: then its
    file is not known to be ours."""
    headers, files = [], set()
    try:
        lines = (folder / MARKER).read_bytes().splitlines()
    except OSError as error:
        raise InputError(f"{folder / MARKER} cannot be read ({error.strerror}).") from None
    for line in lines:
        with contextlib.suppress(ValueError, AttributeError, RecursionError):
            entry = json.loads(line)
            if isinstance(entry.get("file"), str):
                files.add(entry["file"])
            elif entry.get("format") == _FORMAT:
                headers.append(entry)
    return headers, files


def _add(marker: BinaryIO, entry: Mapping[str, Any]) -> None:
    marker.write(b"\n" + json.dumps(entry).encode())  # a line that was cut ends here
