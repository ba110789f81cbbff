"""Check the pages of a run directory: the report and every notebook, whole, without errors, self-contained.

    .venv/bin/python .ci/check_pages.py reports/latest

A page may link to another site, but must load nothing from one. Every fault is listed, and makes the
exit status 1.
"""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path

# Attributes that make a browser fetch; a link of an <a> does not.
LOADING = {
    "script": ("src",),
    "link": ("href",),
    "img": ("src", "srcset"),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "source": ("src", "srcset"),
}
REMOTE = re.compile(r"^\s*(https?:)?//", re.IGNORECASE)
REMOTE_CSS = re.compile(r"""(?:@import\s+|url\()\s*(?:url\()?["']?\s*(?:https?:)?//[^"')\s]+""", re.IGNORECASE)
REMOTE_MODULE = re.compile(r"""\b(?:import|from)\s*\(?\s*["'](?:https?:)?//[^"']+""")
TROUBLE = {"application/vnd.jupyter.stderr", "application/vnd.jupyter.error"}
SMALLEST_PAGE = 10_000  # bytes; an empty frame is smaller


class Page(HTMLParser):
    """Collects what a page loads from elsewhere, and whether a notebook cell failed or warned in it."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []
        self.troubles = 0
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes that fetch, and at inline styles."""
        self.within = tag
        for name, value in attrs:
            if name in LOADING.get(tag, ()) and REMOTE.match(value or ""):
                self.remote.append(f"<{tag} {name}={value}>")
            if name == "data-mime-type" and value in TROUBLE:
                self.troubles += 1
            if name == "style":
                self.remote.extend(REMOTE_CSS.findall(value or ""))

    def handle_endtag(self, tag: str) -> None:
        """Leave a style or script."""
        self.within = ""

    def handle_data(self, data: str) -> None:
        """Look into styles and scripts."""
        if self.within == "style":
            self.remote.extend(REMOTE_CSS.findall(data))
        if self.within == "script":
            self.remote.extend(REMOTE_MODULE.findall(data))
        elif "Traceback (most recent call last)" in data:
            self.troubles += 1


def check_page(path: Path) -> list[str]:
    """Faults of one HTML page: the report, or an executed notebook."""
    if not path.is_file():
        return [f"{path}: missing"]
    text = path.read_text(encoding="utf-8")
    faults = []
    if len(text) < SMALLEST_PAGE or not text.rstrip().endswith("</html>"):
        faults.append(f"{path}: not a whole page ({len(text)} characters)")
    page = Page()
    page.feed(text)
    faults.extend(f"{path}: loads from elsewhere: {what}" for what in page.remote)
    if page.troubles:
        faults.append(f"{path}: {page.troubles} outputs are an error or a warning")
    return faults


def check_markdown(path: Path) -> list[str]:
    """Faults of the Markdown report: every query has to be in it."""
    if not path.is_file():
        return [f"{path}: missing"]
    text = path.read_text(encoding="utf-8")
    queries = sorted(query for query in Path("bench").glob("*/*.sql"))
    return [f"{path}: does not mention {query}" for query in queries if query.stem not in text]


def main() -> int:
    """Check the run directory that is named on the command line."""
    run = Path(sys.argv[1])
    notebooks = sorted(Path("notebooks").glob("*.ipynb"))
    faults = check_page(run / "report.html") + check_markdown(run / "report.md")
    if not notebooks:
        faults.append("notebooks/: no notebook there")
    for notebook in notebooks:
        faults.extend(check_page(run / "notebooks" / f"{notebook.stem}.html"))
    sys.stdout.write(f"{run}: report and {len(notebooks)} notebooks\n")
    for fault in faults:
        sys.stdout.write(f"FAULT {fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
