"""Which session a file speaks of that doesn't say so: its name, without page numbers and the words for its kind."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from voicelab.voicerun.export_values import text_of
from voicelab.voicerun.looked_through import LookedThrough
from voicelab.voicerun.shapes import EVALUATION

_WORD = r"(?:(?:session|metrics|debug)[-_. ])?(?:events|transcript|metrics|info|trace|debug|export|context)(?:[-_. ]session)?"
_BEFORE = re.compile(rf"^{_WORD}[-_. ]+", re.IGNORECASE)
_AFTER = re.compile(rf"[-_. ]+{_WORD}$", re.IGNORECASE)
_ONLY = re.compile(rf"^{_WORD}$", re.IGNORECASE)
_PAGE = re.compile(r"(?:^|[-_. ])(?:page|part|p)?[-_. ]?0*(\d+)$", re.IGNORECASE)


def name_sessions(exports: Sequence[LookedThrough], known: Iterable[str]) -> dict[Path, str]:
    """Return the session of each file that names none.

    Args:
        exports: The files.
        known: Sessions that other files name.
    """
    ids = set(known)
    generic = [export for export in exports if _ONLY.match(_stem(export))]
    found = {}
    for export in exports:
        candidates = _candidates(_stem(export))
        match = next((name for name in candidates if name in ids), None) or _contained(export.file.stem, ids)
        if match is None and export in generic:
            match = _of_folder(export, generic)
        found[export.file] = text_of(match or candidates[-1])
    return found


def only_ids(exports: Sequence[LookedThrough], named: dict[Path, set[str]]) -> dict[Path, str]:
    """Return the session of files with names such as events.json that stand in a folder beside one session's files.

    Args:
        exports: Files that name no session.
        named: Sessions that files name.
    """
    by_folder: dict[Path, set[str]] = {}
    for file, ids in named.items():
        by_folder.setdefault(file.parent, set()).update(ids)
    return {
        export.file: next(iter(by_folder[export.file.parent]))
        for export in exports
        if _ONLY.match(_stem(export)) and len(by_folder.get(export.file.parent, ())) == 1
    }


def _stem(export: LookedThrough) -> str:
    """Return a file's name without ending and without the number of its page."""
    stem = export.file.stem
    page = _PAGE.search(stem)
    if export.page is None or page is None or int(page[1]) != export.page:
        return stem
    if export.page == 1 and (export.total or 0) <= export.n_rows:
        return stem  # the only page: the number is part of the name
    return stem[: page.start()] or export.file.parent.name


def _candidates(stem: str) -> list[str]:
    """Return a name and what is left of it without the words for its kind, the longest first."""
    before, after = _BEFORE.sub("", stem), _AFTER.sub("", stem)
    return list(dict.fromkeys([stem, before, after, _AFTER.sub("", before)]))


def _contained(stem: str, ids: set[str]) -> str | None:
    """Return the longest known session that a name holds between separators."""
    held = [name for name in ids if re.search(rf"(?:^|[-_. ]){re.escape(name)}(?:$|[-_. ])", stem)]
    return max(held, key=len, default=None)


def _of_folder(export: LookedThrough, generic: Sequence[LookedThrough]) -> str | None:
    """Return the folder's name, where a name such as events.json stands more than once or for several kinds."""
    return export.file.parent.name if len({(e.file.parent, e.kind) for e in generic}) > 1 else None


def doubled(exports: Sequence[LookedThrough], sessions: dict[Path, str]) -> list[tuple[LookedThrough, LookedThrough]]:
    """Return pairs of files that are the same part of the same session.

    Args:
        exports: The files.
        sessions: The session of each.
    """
    seen: dict[tuple[str, str, int | None], LookedThrough] = {}
    pairs = []
    counts: Counter[str] = Counter()
    for export in exports:
        if export.kind == EVALUATION:
            continue  # a list of an agent's speaks of many sessions, and its rows have ids of their own
        key = (sessions[export.file], export.kind, export.page)
        if key in seen:
            pairs.append((seen[key], export))
        seen.setdefault(key, export)
        counts[key[0]] += 1
    return pairs
