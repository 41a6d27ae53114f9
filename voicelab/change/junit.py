"""A comparison as JUnit XML: a test case for the outcome that decides, and one for each guardrail."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from voicelab.analysis.card.formats import from_to, styles_of, written
from voicelab.base.errors import InputError
from voicelab.base.paths import path_of
from voicelab.change.version_comparison import VersionComparison, comparison_failure


def write_junit(compared: VersionComparison, path: str | Path) -> Path:
    """Write a comparison for continuous integration, and return the path.

    Args:
        compared: The comparison.
        path: Where to; a file that is there is replaced.

    Raises:
        InputError: it can't be written there.
    """
    rows = compared.differences[compared.differences["role"] != "check"].to_dict("records")
    suite = ET.Element("testsuite", name="voicelab compare", tests=str(len(rows)), errors="0")
    failed = 0
    for row in rows:
        case = ET.SubElement(suite, "testcase", classname="voicelab.compare", name=_said(row["outcome"]))
        wrong = comparison_failure(row)
        if wrong:
            failed += 1
            message = compared.decision.sentence if row["role"] == "target" else wrong
            ET.SubElement(case, "failure", message=_said(message), type=row["verdict"]).text = _said(_figures(row))
        else:
            ET.SubElement(case, "system-out").text = _said(_figures(row))
    suite.set("failures", str(failed))
    ET.SubElement(suite, "system-out").text = _said(str(compared))
    target = path_of("junit", path, "compare.xml")
    try:
        ET.ElementTree(suite).write(target, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise InputError(f"The file {str(target)!r} can't be written: {error.strerror or error}.") from None
    return target


def _figures(row: dict[str, Any]) -> str:
    styles = styles_of(row["kind"])
    interval = from_to(row["difference_cs_lower"], row["difference_cs_upper"], styles["difference"])
    return (
        f"{row['outcome']} {written(row['old'], styles['value'])} -> {written(row['new'], styles['value'])}, difference "
        f"{written(row['difference'], styles['difference'])} (95 %, at every look: {interval}), {row['pairs']:,} pairs"
    )


def _said(words: str) -> str:
    """Return text without the characters that XML can't hold."""
    return "".join(
        c if c >= " " or c in "\n\t" else "?"
        for c in words
        if not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff"
    )
