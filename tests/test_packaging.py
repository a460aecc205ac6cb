"""Both distributions are complete, small, and work where nothing else is installed."""

import sys
import tarfile
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest
from distributions import build, environment, pip, ROOT, run

import learnset as ls

STUDIES = ROOT / "studies"
in_the_repository = pytest.mark.skipif(not STUDIES.exists(), reason="an sdist has no studies")


def unpacked(sdist: Path) -> Path:
    with tarfile.open(sdist) as archive:
        safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}  # from 3.11.4 on
        archive.extractall(sdist.parent, **safe)
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
    # Three quarters are the weights of two table networks; studies would be 1.5 MB more.
    assert wheel.stat().st_size < 3700 * 1024
    assert {name.split("/")[0] for name in ZipFile(wheel).namelist()} == {
        "learnset",
        f"learnset-{ls.__version__}.dist-info",
    }
    folder = unpacked(sdist)
    assert not (folder / "tests" / "studies").exists()
    # All of them are collected, and one that reads the pages runs.
    tests = (sys.executable, "-m", "pytest", "-q", "--assert=plain", "-p", "no:cacheprovider")
    one = ("-m", "", "-k", "test_links_within_the_project_lead_somewhere")
    told = run(*tests, *one, folder=folder, PYTHONPATH=str(folder / "src"))
    assert "1 passed" in told


def installed(programs: Path) -> dict[str, bytes]:
    """The files of the library in an environment."""
    (package,) = programs.parent.glob("lib/python*/site-packages/learnset")
    files = (path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path.relative_to(package)): path.read_bytes() for path in files}


@pytest.mark.long  # `tests/golden` compares in an environment that has the wheel alone
@in_the_repository
def test_wheel_sdist_and_studies_work_where_only_what_they_declare_is_installed(built, tmp_path):
    sdist, wheel = built
    _, studies = build(STUDIES, tmp_path)
    programs = environment(tmp_path, wheel)
    pip(programs, wheel)
    files = installed(programs)
    pip(programs, "--force-reinstall", sdist)
    assert installed(programs) == files and len(files) > 100

    pip(programs, studies)
    project = tomllib.loads((STUDIES / "pyproject.toml").read_text())["project"]
    listed = run(programs / "learnset", "study", folder=tmp_path).split()
    assert listed == sorted(project["entry-points"]["learnset.studies"])
    run(programs / "learnset", "study", "nyuv2-delta-m", "--out", "study", folder=tmp_path)
    agents = {path.name for path in (STUDIES / "learnset_studies" / "trained").iterdir()}
    assert agents <= {Path(name).name for name in ZipFile(studies).namelist()}
