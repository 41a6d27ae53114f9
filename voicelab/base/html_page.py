"""A card as a page of its own: one file with nothing from outside, light and dark, in which no script runs."""

import html
from pathlib import Path

from voicelab.base.errors import InputError
from voicelab.base.paths import path_of

# What sessions and exports hold is written by strangers. Cards escape it; should a text get past that, the policy keeps a
# browser from running or fetching anything.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
:root{{color-scheme:light dark;--page:#f6f7f9;--ink:#1d232e}}
@media (prefers-color-scheme:dark){{:root{{--page:#0e1116;--ink:#e7e9ee}}}}
body{{margin:0 auto;max-width:1200px;padding:24px 20px 40px;background:var(--page);color:var(--ink);
font:14px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def write_page(path: str | Path, title: str, body: str) -> Path:
    """Write a card as a page and return its path.

    Args:
        path: Where to.
        title: What stands in the browser's tab, as plain text.
        body: The card, as HTML.

    Raises:
        InputError: the path is none, or can't be written.
    """
    page = path_of("path", path, "result.html")
    if page.exists() and not page.is_file():  # a folder; or a pipe, that would wait for somebody to read it
        raise InputError(f"The page {str(page)!r} can't be written: something else than a file stands there.")
    text = _PAGE.format(title=html.escape(title), body=body)
    try:
        # A lone surrogate in a text is no character, and no reason to lose the page.
        page.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"The page {str(page)!r} can't be written: {error.strerror or error}.") from None
    return page
