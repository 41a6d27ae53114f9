"""What is built of the project installs into a fresh environment and works there, far from the checkout."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from voicelab.widgets.esm import STATIC

ROOT = Path(__file__).parent.parent
HOOKS = "import sys, hatchling.build as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"


def built(kind, source, into):
    """Return the wheel or sdist that the project's build system makes of a folder; no package is fetched for it."""
    done = subprocess.run(
        [sys.executable, "-c", HOOKS, kind, str(into)], cwd=source, check=True, capture_output=True, text=True
    )
    return into / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    return built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """The wheel as it is made of the sdist alone."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    [source] = folder.iterdir()
    return built("wheel", source, folder)


def test_the_wheel_carries_all_that_the_package_needs(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "voicelab").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package <= names
    assert {Path(name).suffix for name in package} >= {".py", ".js", ".css", ".typed"}
    samples = {
        f"voicelab/_data/{path.relative_to(ROOT / 'data').as_posix()}"
        for kind in ("agents", "phrases", "scripts", "worlds")
        for path in (ROOT / "data" / kind).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert samples
    assert samples <= names
    assert "voicelab/py.typed" in names
    # A module of the page that is gone must not come along from an older build.
    static = "voicelab/widgets/static/"
    assert {name.removeprefix(static) for name in names if name.startswith(static)} == {
        p.name for p in STATIC.iterdir()
    }


def test_an_installed_voicelab_runs_far_from_the_checkout(wheel, tmp_path):
    venv.create(tmp_path / "fresh")
    programs = tmp_path / "fresh" / ("Scripts" if os.name == "nt" else "bin")
    python = programs / Path(sys.executable).name
    install = ["-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([sys.executable, *install], check=True)
    with_dependencies(python)
    where = {**os.environ, "VOICELAB_CACHE": str(tmp_path / "cache")}
    where.pop("PYTHONPATH", None)

    def output(*command):
        done = subprocess.run(command, cwd=tmp_path, env=where, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    installed = Path(output(python, "-c", "import voicelab; print(voicelab.__file__)").strip()).resolve()
    assert (tmp_path / "fresh").resolve() in installed.parents
    shown = output(programs / "voicelab", "demo", "-n", "200")
    assert "200 sessions with three kinds of caller" in shown
    assert "3. Its test" in shown


def with_dependencies(python):
    """Let a fresh environment see the packages of this one, but nothing that is installed from a checkout."""
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    folder = Path(subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip())
    # Folders named in a .pth file have no .pth files of their own read, which is how a checkout is installed.
    folders = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (folder / "dependencies.pth").write_text("\n".join(sorted(folders)))
