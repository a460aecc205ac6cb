"""Distributions: how they are built, and an environment in which nothing else is."""

import os
import subprocess
import sys
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
OURS = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
PIP = ("install", "-q", "--no-compile", "--no-deps")


def run(*command, folder: Path, **variables: str) -> str:
    environment = OURS | variables
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def build(project: Path, out: Path) -> tuple[Path, Path]:
    """An sdist, and the wheel that is built from it."""
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, project, folder=out)
    (sdist,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return sdist, wheel


def declared(wheel: Path) -> list[str]:
    """The requirements of a wheel."""
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name)).get_all("Requires-Dist", [])


def needed(lines: list[str] | None, extra: str, known: dict) -> dict:
    """The distributions that requirements name with an extra, and all that those need in turn."""
    for requirement in map(Requirement, lines or ()):
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        distribution = metadata.distribution(requirement.name)
        assert requirement.specifier.contains(distribution.version, prereleases=True), requirement
        for of in ("", *requirement.extras):
            if (distribution.name, of) not in known:
                known[distribution.name, of] = distribution
                needed(distribution.requires, of, known)
    return known


def environment(folder: Path, wheel: Path) -> Path:
    """An environment in which nothing can be imported but what `wheel[all]` declares: that is
    linked to where it is installed here, in the versions that are tested here."""
    run(sys.executable, "-m", "venv", "--without-pip", "empty", folder=folder)
    (site,) = (folder / "empty").glob("lib/python*/site-packages")
    for distribution in needed(declared(wheel), "all", {}).values():
        for top in {path.parts[0] for path in distribution.files} - {"..", "__pycache__"}:
            if not (site / top).exists():
                (site / top).symlink_to(distribution.locate_file(top))
    return folder / "empty" / "bin"


def pip(programs: Path, *words) -> None:
    """Installs into an environment."""
    python = programs / "python"
    run(sys.executable, "-m", "pip", "--python", python, *PIP, *words, folder=programs)
