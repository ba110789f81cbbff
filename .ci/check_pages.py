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
REMOTE_CSS = re.compile(
    r"""(?:@import\s+|url\()\s*(?:url\()?["']?\s*(?:https?:)?//[^"')\s]+""", re.IGNORECASE
)
REMOTE_MODULE = re.compile(r"""\b(?:import|from)\s*\(?\s*["'](?:https?:)?//[^"']+""")
FAILURE = re.compile(
    r"Traceback \(most recent call last\)|data-mime-type=.application/vnd\.jupyter\.(?:stderr|error)."
)
SMALLEST_PAGE = 10_000  # bytes; an empty frame is smaller


class Loads(HTMLParser):
    """Collects what a page loads from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.remote: list[str] = []
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at the attributes that fetch, and at inline styles."""
        self.within = tag
        for name, value in attrs:
            if name in LOADING.get(tag, ()) and REMOTE.match(value or ""):
                self.remote.append(f"<{tag} {name}={value}>")
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


def check_page(path: Path) -> list[str]:
    """Faults of one HTML page."""
    if not path.is_file():
        return [f"{path}: missing"]
    text = path.read_text(encoding="utf-8")
    faults = []
    if len(text) < SMALLEST_PAGE or not text.rstrip().endswith("</html>"):
        faults.append(f"{path}: not a whole page ({len(text)} characters)")
    loads = Loads()
    loads.feed(text)
    faults.extend(f"{path}: loads from elsewhere: {what}" for what in loads.remote)
    return faults


def check_notebook(page: Path) -> list[str]:
    """Faults of an executed notebook: those of its page, and errors or warnings among its outputs."""
    faults = check_page(page)
    if page.is_file() and (found := FAILURE.search(page.read_text(encoding="utf-8"))):
        faults.append(f"{page}: a cell printed an error or a warning ({found[0]})")
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
        faults.extend(check_notebook(run / "notebooks" / f"{notebook.stem}.html"))
    sys.stdout.write(f"{run}: report and {len(notebooks)} notebooks\n")
    for fault in faults:
        sys.stdout.write(f"FAULT {fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
