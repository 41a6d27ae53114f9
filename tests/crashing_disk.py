"""A disk that loses its power: it keeps what was synced, and of the rest what chance will have, in whatever order.

Everything that a program does to files under a folder is done, and noted. Afterwards `after_a_crash` builds the folder as a
machine could find it that lost its power at some moment: what was written and not synced is whole, cut, zeros or gone; names
that were given, taken or moved stay so only if their folder was synced afterwards, and each of the others as chance will
have it, so that a later rename may be there without an earlier one.
"""

import os
import random
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(eq=False)
class Node:
    """A file, with what was written to it and how much of that is synced; or a folder, with the names in it."""

    is_folder: bool = False
    names: dict[str, "Node"] = field(default_factory=dict)


@dataclass
class Step:
    """Something that was done: `write` and `sync` to a node, or a change of names in folders."""

    kind: str
    node: Node
    source: tuple[Node, str] | None = None
    target: tuple[Node, str] | None = None
    data: bytes = b""


class CrashingDisk:
    """Notes what is done under a folder.

    Args:
        root: The folder; what is in it at the beginning is on the disk.
        monkeypatch: Pytest's; the functions of `os` are put back by it.
    """

    def __init__(self, root: Path, monkeypatch) -> None:
        self.root = root
        self.steps: list[Step] = []
        self.marks: list[tuple[int, object]] = []
        self._handles: dict[int, Node] = {}
        self._tree = Node(is_folder=True)
        self._began: dict[Node, dict[str, Node]] = {}
        self._load(root, self._tree)
        for name in ("open", "write", "fsync", "close", "mkdir", "rmdir", "unlink", "replace"):
            monkeypatch.setattr(os, name, getattr(self, f"_{name}")(getattr(os, name)))

    def mark(self, what: object) -> None:
        """Note that something is done by now, as whoever called for it was told."""
        self.marks.append((len(self.steps), what))

    # --- what programs do ---

    def _open(self, real):
        def opened(path, flags, *more, **options):
            place = self._place(path)
            handle = real(path, flags, *more, **options)
            if place is not None:
                folder, name = place
                node = folder.names.get(name) if name else folder
                if node is None:
                    node = Node()
                    self._do(Step("name", node, target=(folder, name)))
                elif flags & os.O_TRUNC:
                    self.steps.append(Step("cut", node))
                self._handles[handle] = node
            return handle

        return opened

    def _write(self, real):
        def write(handle, data):
            n = real(handle, data)
            if handle in self._handles:
                self.steps.append(Step("write", self._handles[handle], data=bytes(data)[:n]))
            return n

        return write

    def _fsync(self, real):
        def fsync(handle):
            if handle in self._handles:  # the disk under the tests needs no syncing
                self.steps.append(Step("sync", self._handles[handle]))
            else:
                real(handle)

        return fsync

    def _close(self, real):
        def close(handle):
            self._handles.pop(handle, None)
            real(handle)

        return close

    def _mkdir(self, real):
        def mkdir(path, *more, **options):
            real(path, *more, **options)
            if (place := self._place(path)) is not None:
                self._do(Step("name", Node(is_folder=True), target=place))

        return mkdir

    def _unlink(self, real):
        def unlink(path, *more, **options):
            place = self._place(path)
            real(path, *more, **options)
            if place is not None:
                self._do(Step("name", place[0].names[place[1]], source=place))

        return unlink

    def _rmdir(self, real):
        return self._unlink(real)

    def _replace(self, real):
        def replace(source, target):
            from_, to = self._place(source), self._place(target)
            real(source, target)
            if from_ is not None and to is not None:
                self._do(Step("name", from_[0].names[from_[1]], source=from_, target=to))

        return replace

    def _place(self, path) -> tuple[Node, str] | None:
        """Return the folder and the name in it that a path stands for; None if it isn't on this disk."""
        own, path = str(self.root), os.fspath(path) if not isinstance(path, int) else ""
        if path == own:
            return self._tree, ""
        if not path.startswith(own + os.sep):
            return None
        *folders, last = path[len(own) + 1 :].split(os.sep)  # noqa: PTH206 - called for everything that is done
        folder = self._tree
        for name in folders:
            folder = folder.names.get(name)
            if folder is None:
                return None
        return folder, last

    def _do(self, step: Step) -> None:
        self.steps.append(step)
        _rename(step)

    def _load(self, path: Path, node: Node) -> None:
        for entry in sorted(path.iterdir()):
            child = node.names[entry.name] = Node(is_folder=entry.is_dir())
            if entry.is_dir():
                self._load(entry, child)
            else:
                self.steps += [Step("write", child, data=entry.read_bytes()), Step("sync", child)]
        self._began[node] = dict(node.names)
        self.n_before = len(self.steps)

    # --- what is left ---

    def after_a_crash(self, at: int, chance: random.Random, folder: Path) -> list[object]:
        """Build what is left of the disk when its power is lost, and return what was marked by then.

        Args:
            at: Number of the steps that were done.
            chance: Decides what becomes of what was not synced.
            folder: Where to build it.
        """
        steps = self.steps[:at]
        tree = {node: dict(names) for node, names in self._began.items()}
        kept = self._kept(steps, chance)
        for number, step in enumerate(steps):
            if step.kind == "name" and kept[number]:
                self._redo(step, tree)
        contents = self._contents(steps, chance)
        self._build(self._tree, tree, contents, folder)
        return [what for number, what in self.marks if number <= at]

    def _kept(self, steps: list[Step], chance: random.Random) -> list[bool]:
        """Return which changes of names are on the disk: all that a later sync of their folder holds, and some others."""
        share = chance.choice([0.0, 0.3, 0.7, 1.0])
        kept = [False] * len(steps)
        synced: dict[Node, int] = {}
        for number in range(len(steps) - 1, -1, -1):
            step = steps[number]
            if step.kind == "sync" and step.node.is_folder:
                synced.setdefault(step.node, number)
            elif step.kind == "name":
                folders = [place[0] for place in (step.source, step.target) if place is not None]
                # What came to be under another name first has to be there, to be moved.
                kept[number] = any(folder in synced for folder in folders) or chance.random() < share
        moved = {
            id(step.node) for number, step in enumerate(steps) if step.kind == "name" and kept[number] and step.target
        }
        for number, step in enumerate(steps):
            if step.kind == "name" and step.target and not step.source and id(step.node) in moved:
                kept[number] = True
        return kept

    @staticmethod
    def _redo(step: Step, tree: dict[Node, dict[str, Node]]) -> None:
        """Do a change of names, as far as what was kept before allows."""
        if step.source is not None:
            # Whatever name it has: where a move in between was lost, it is one entry all the same.
            for names in tree.values():
                for name in [name for name, node in names.items() if node is step.node]:
                    del names[name]
        if step.target is not None:
            tree.setdefault(step.target[0], {})[step.target[1]] = step.node

    @staticmethod
    def _contents(steps: list[Step], chance: random.Random) -> dict[Node, bytes]:
        contents: dict[Node, bytearray] = {}
        safe: dict[Node, int] = {}
        for step in steps:
            if step.kind == "write":
                contents.setdefault(step.node, bytearray()).extend(step.data)
            elif step.kind == "cut":
                contents[step.node] = bytearray()
                safe[step.node] = 0
            elif step.kind == "sync":
                safe[step.node] = len(contents.get(step.node, b""))
        left = {}
        for node, data in contents.items():
            n_safe = safe.get(node, 0)
            rest = bytes(data[n_safe:])
            fate = chance.choice(["whole", "cut", "zeros", "gone"])
            fates = {"whole": rest, "cut": rest[: len(rest) // 2], "zeros": bytes(len(rest)), "gone": b""}
            left[node] = bytes(data[:n_safe]) + fates[fate]
        return left

    def _build(self, node: Node, tree: dict[Node, dict[str, Node]], contents: dict[Node, bytes], path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        for name, child in tree.get(node, {}).items():
            if child.is_folder:
                self._build(child, tree, contents, path / name)
            else:
                (path / name).write_bytes(contents.get(child, b""))


def _rename(step: Step) -> None:
    if step.source is not None:
        step.source[0].names.pop(step.source[1])
    if step.target is not None:
        step.target[0].names[step.target[1]] = step.node
