"""Both distributions are complete, small, and work where nothing else is installed."""

import os
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_bytes
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

import learnset as ls

ROOT = Path(__file__).parent.parent
STUDIES = ROOT / "studies"
OURS = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
in_the_repository = pytest.mark.skipif(not STUDIES.exists(), reason="an sdist has no studies")


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


def unpacked(sdist: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(sdist.parent, filter="data")
    return sdist.with_name(sdist.name.removesuffix(".tar.gz"))


@in_the_repository
def test_both_distributions_have_one_version():
    project = tomllib.loads((STUDIES / "pyproject.toml").read_text())["project"]
    assert project["version"] == ls.__version__
    assert project["dependencies"] == [f"learnset[all]=={ls.__version__}"]
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {ls.__version__}\n" in citation
    assert f"\n## {ls.__version__}" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("built"))


@pytest.mark.slow
def test_the_wheel_is_small_and_its_sdist_has_the_tests_that_it_can_run(built):
    sdist, wheel = built
    assert wheel.stat().st_size < 850 * 1024  # studies would be 1.5 MB more
    assert {name.split("/")[0] for name in ZipFile(wheel).namelist()} == {
        "learnset",
        f"learnset-{ls.__version__}.dist-info",
    }
    folder = unpacked(sdist)
    assert not (folder / "tests" / "studies").exists()
    tests = (sys.executable, "-m", "pytest", "-q")
    run(*tests, "--collect-only", "-m", "", folder=folder, PYTHONPATH=str(folder / "src"))
    run(*tests, "tests/test_docs.py", "-k", "links", folder=folder, PYTHONPATH=str(folder / "src"))


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


def installed(programs: Path) -> dict[str, bytes]:
    """The files of the library in an environment."""
    (package,) = programs.parent.glob("lib/python*/site-packages/learnset")
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(package)): path.read_bytes() for path in files}


@pytest.mark.slow
@in_the_repository
def test_wheel_sdist_and_studies_work_where_only_what_they_declare_is_installed(built, tmp_path):
    sdist, wheel = built
    _, studies = build(STUDIES, tmp_path)
    programs = environment(tmp_path, wheel)
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "-q")
    pip += ("--no-compile", "--no-deps")
    run(*pip, wheel, folder=tmp_path)
    run(programs / "learnset", "compare", "sinusoids", "--quick", "--out", "run", folder=tmp_path)
    assert (tmp_path / "run" / "report.html").exists()

    files = installed(programs)
    run(*pip, "--force-reinstall", sdist, folder=tmp_path)
    assert installed(programs) == files and len(files) > 100

    run(*pip, studies, folder=tmp_path)
    project = tomllib.loads((STUDIES / "pyproject.toml").read_text())["project"]
    listed = run(programs / "learnset", "study", folder=tmp_path).split()
    assert listed == sorted(project["entry-points"]["learnset.studies"])
    run(programs / "learnset", "study", "nyuv2-delta-m", "--out", "study", folder=tmp_path)
    agents = {path.name for path in (STUDIES / "learnset_studies" / "trained").iterdir()}
    assert agents <= {Path(name).name for name in ZipFile(studies).namelist()}
