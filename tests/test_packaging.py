"""Both distributions are complete, small, and work where nothing else is installed."""

import os
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

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


@pytest.mark.slow
def test_the_wheel_is_small_and_its_sdist_has_the_tests_that_it_can_run(tmp_path):
    sdist, wheel = build(ROOT, tmp_path)
    assert wheel.stat().st_size < 750 * 1024  # studies would be 1.5 MB more
    assert {name.split("/")[0] for name in ZipFile(wheel).namelist()} == {
        "learnset",
        f"learnset-{ls.__version__}.dist-info",
    }
    folder = unpacked(sdist)
    assert not (folder / "tests" / "studies").exists()
    tests = (sys.executable, "-m", "pytest", "-q")
    run(*tests, "--collect-only", "-m", "", folder=folder, PYTHONPATH=str(folder / "src"))
    run(*tests, "tests/test_docs.py", "-k", "links", folder=folder, PYTHONPATH=str(folder / "src"))


@pytest.mark.slow
@in_the_repository
def test_wheel_sdist_and_studies_work_where_nothing_else_is_installed(tmp_path):
    """One environment for all three: the requirements are installed once."""
    sdist, wheel = build(ROOT, tmp_path)
    (tmp_path / "studies").mkdir()
    _, studies = build(STUDIES, tmp_path / "studies")
    run(sys.executable, "-m", "venv", "empty", folder=tmp_path)
    programs = tmp_path / "empty" / "bin"
    pip = (programs / "pip", "install", "-q", "--no-compile", "-c", ROOT / "constraints.txt")

    def compare(out: str) -> None:
        run(programs / "learnset", "compare", "sinusoids", "--quick", "--out", out, folder=tmp_path)
        assert (tmp_path / out / "report.html").exists()

    run(*pip, f"{wheel}[all]", folder=tmp_path)
    compare("of-wheel")
    run(*pip, "--no-deps", "--force-reinstall", sdist, folder=tmp_path)
    compare("of-sdist")

    run(*pip, studies, folder=tmp_path)
    project = tomllib.loads((STUDIES / "pyproject.toml").read_text())["project"]
    listed = run(programs / "learnset", "study", folder=tmp_path).split()
    assert listed == sorted(project["entry-points"]["learnset.studies"])
    run(programs / "learnset", "study", "nyuv2-delta-m", "--out", "study", folder=tmp_path)
    agents = {path.name for path in (STUDIES / "learnset_studies" / "trained").iterdir()}
    assert agents <= {Path(name).name for name in ZipFile(studies).namelist()}
