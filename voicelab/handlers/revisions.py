"""A handler as it was at a revision of git: `HEAD~1:agents/clinic`, `main:handler.py`."""

import io
import shutil
import subprocess
import tarfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TypeVar

from voicelab.base.errors import InputError, did_you_mean

T = TypeVar("T")


def at_revision(given: T, side: str, kept: ExitStack) -> T | Path:
    """Return what is given; of text that names a revision the path of what it was then, in a temporary folder.

    As git reads it, the path begins at the repository's top, or with `./` at the current folder. Of a file its whole folder is
    taken, since it may import what lies beside it.

    Args:
        given: A handler in any form.
        side: What the argument is called, for messages.
        kept: What the temporary folder lives as long as.

    Raises:
        InputError: there is no repository, no such revision, or no such path in it.
    """
    parts = _split(given)
    if parts is None:
        return given
    revision, path = parts
    what = f"{side} is {given!r}"
    if shutil.which("git") is None:
        raise InputError(f"{what}, a revision of git, and there is no program git here. Give a path.")
    if _git("rev-parse", "--show-toplevel") is None:
        raise InputError(
            f"{what}, a revision of git, and {Path.cwd()} lies in no repository. Give a path, or go there."
        )
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit is None:
        refs = (
            _git("for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes") or ""
        ).split()
        known = f" There are: {', '.join(refs[:8])}{', ...' if len(refs) > 8 else ''}." if refs else ""  # noqa: PLR2004 - a line
        raise InputError(f"{what}: the repository has no revision {revision!r}.{did_you_mean(revision, refs)}{known}")
    return _taken_out(what, commit.strip(), revision, path, kept)


def _split(given: object) -> tuple[str, str] | None:
    """Return revision and path of text that names both; None for anything else."""
    if not isinstance(given, str) or "\n" in given or ":" not in given:
        return None
    revision, _, path = given.partition(":")
    # A path with a colon in it, or one that begins with a drive, is a path.
    if not revision or revision.startswith("-") or path.startswith("\\") or Path(given).exists():
        return None
    return revision, path


def _taken_out(what: str, commit: str, revision: str, path: str, kept: ExitStack) -> Path:
    prefix = (_git("rev-parse", "--show-prefix") or "").strip() if path.startswith(("./", "../")) else ""
    inside = _normal(PurePosixPath(prefix) / (path or "."))
    kind = None if inside is None else _git("cat-file", "-t", f"{commit}:{'' if inside == '.' else inside}")
    if kind is None or inside is None:
        names = (_git("ls-tree", "-r", "-t", "--full-tree", "--name-only", commit) or "").splitlines()
        raise InputError(
            f"{what}: {path!r} isn't in {revision}. Paths begin at the repository's top, or with ./ at this folder."
            f"{did_you_mean(path, names)}"
        )
    folder = inside if kind.strip() == "tree" else str(PurePosixPath(inside).parent)
    packed = _git_bytes("archive", "--format=tar", commit, *([] if folder == "." else [folder]), top=True)
    if packed is None:
        raise InputError(f"{what}: git can't take {folder!r} out of {revision}.")
    into = kept.enter_context(TemporaryDirectory(prefix="voicelab-revision-"))
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        tar.extractall(into, filter="data")
    return Path(into) / inside


def _normal(path: PurePosixPath) -> str | None:
    """Return a path without `.` and `..`; None if it leaves the repository."""
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts) or "."


def _git(*arguments: str) -> str | None:
    """Return what git says; None if it fails."""
    said = _git_bytes(*arguments)
    return None if said is None else said.decode("utf-8", "replace")


def _git_bytes(*arguments: str, top: bool = False) -> bytes | None:
    # From the top the paths of an archive are those of the revision.
    cwd = (_git("rev-parse", "--show-toplevel") or ".").strip() if top else None
    # No shell, and the git that the user has.
    done = subprocess.run(["git", *arguments], capture_output=True, check=False, cwd=cwd)  # noqa: S603, S607
    return done.stdout if done.returncode == 0 else None
