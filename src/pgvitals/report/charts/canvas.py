"""A chart: a matplotlib Figure without pyplot, measured in CSS pixels, that becomes inline SVG.

Nothing here changes matplotlib's global settings beyond the moment in which a figure is written.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from typing import Any
from xml.etree import ElementTree

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from pgvitals.report.charts.palette import GRID, INK, MUTED, PAPER, VARIABLES
from pgvitals.report.wording import printable

WIDE = 960
NARROW_BELOW = 560  # under this width labels stand above their row instead of left of it
FONT_PX = 12.0
SMALL_PX = 11.0
FONT_STACK = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

_POINTS_AN_INCH = 72  # matplotlib's SVG unit: one CSS pixel of ours
_REFERENCE = re.compile(r"#([\w.-]+)")
_FONT_FAMILY = re.compile(r"font-family:[^;]*")
_COLOUR = re.compile("|".join(VARIABLES), re.IGNORECASE)


class Chart(Figure):
    """A figure of ``width`` x ``height`` CSS pixels with a text alternative; shows itself in a notebook.

    Attributes:
        title: what the chart is, in a few words.
        alt: what it shows, for those who cannot see it.
    """

    def __init__(self, *, width: float, height: float, title: str, alt: str) -> None:
        size = (width / _POINTS_AN_INCH, height / _POINTS_AN_INCH)
        super().__init__(figsize=size, dpi=_POINTS_AN_INCH, facecolor=PAPER)
        self.title = title
        self.alt = alt
        self.width_px = width
        self.height_px = height

    def axes_at(self, left: float, top: float, right: float, bottom: float) -> Axes:
        """Axes inside margins in pixels, without frame or ticks."""
        box = (
            left / self.width_px,
            bottom / self.height_px,
            (self.width_px - left - right) / self.width_px,
            (self.height_px - top - bottom) / self.height_px,
        )
        axes = self.add_axes(box, facecolor="none")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelsize=SMALL_PX, labelcolor=MUTED, pad=5)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        return axes

    def write(self, x: float, y: float, text: str, **style: Any) -> Text:
        """Text at pixels from the left and from the top; never read as mathematics."""
        style = {"fontsize": FONT_PX, "color": INK, "va": "center", "parse_math": False, **style}
        return self.text(x / self.width_px, 1 - y / self.height_px, printable(text), **style)

    def _repr_svg_(self) -> str:
        return svg(self)


def ticks(axes: Axes, which: str, places: list[float], labels: list[str], *, grid: bool = True) -> None:
    """Set exactly these ticks, with a light grid line at each."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(FixedLocator(places))
    axis.set_major_formatter(FixedFormatter(labels))
    axis.set_minor_locator(NullLocator())
    if grid:
        axes.grid(visible=True, axis="x" if which == "x" else "y", color=GRID, linewidth=1)
        axes.set_axisbelow(True)


def nothing(title: str, width: float) -> Chart:
    """In place of a chart for which the run has no rows: a line that says so."""
    told = "no system of this run has rows for this chart"
    chart = Chart(width=width, height=40, title=title, alt=told)
    chart.write(8, 20, f"{title}: {told}", fontsize=SMALL_PX, color=MUTED)
    return chart


def elide(text: str, limit: int) -> str:
    """Shorten in the middle: both ends of a name tell it apart from its neighbours."""
    text = " ".join(printable(text).split())
    if len(text) <= limit:
        return text
    tail = (limit - 1) // 2
    return f"{text[: limit - 1 - tail]}…{text[-tail:]}"


def svg(figure: Figure, ident: str | None = None) -> str:
    """The figure as an ``<svg>`` element to put into a page: as wide as its container, text as text.

    It carries no prolog, doctype, style sheet or metadata, so it cannot act on the page around it, and
    every id begins with ``ident`` (by default a hash of the drawing), so charts do not clash.
    """
    drawn = io.BytesIO()
    keys = ("Creator", "Date", "Format", "Type")
    with (
        matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "pgvitals"}),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's fonts draw the text, not ours
        figure.savefig(drawn, format="svg", metadata=dict.fromkeys(keys))
    root = ElementTree.fromstring(drawn.getvalue())  # noqa: S314  (our own drawing)
    _strip_namespaces(root)
    prefix = ident or "chart-" + hashlib.sha256(drawn.getvalue()).hexdigest()[:10]
    _rename_ids(root, prefix)
    for element in root.iter():
        if style := element.get("style"):
            element.set("style", _FONT_FAMILY.sub("font-family: inherit", _COLOUR.sub(_variable, style)))
    _dress(root, figure, prefix)
    return ElementTree.tostring(root, encoding="unicode")


def _strip_namespaces(root: ElementTree.Element) -> None:
    for parent in root.iter():
        for child in list(parent):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if name.startswith("{")]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    pointers = ("href", "clip-path")
    values = [element.get(name, "") for element in root.iter() for name in pointers]
    used = {name for value in values for name in _REFERENCE.findall(value)}
    for element in root.iter():
        ident = element.get("id")
        if ident in used:
            element.set("id", f"{prefix}-{ident}")
        elif ident is not None:
            del element.attrib["id"]
        for name in pointers:
            if value := element.get(name):
                element.set(name, _REFERENCE.sub(rf"#{prefix}-\1", value))


def _variable(found: re.Match[str]) -> str:
    colour = found[0].lower()
    return f"var({VARIABLES[colour]}, {colour})"


def _dress(root: ElementTree.Element, figure: Figure, prefix: str) -> None:
    title, alt = getattr(figure, "title", "Chart"), getattr(figure, "alt", "")
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update(
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": box,
            "width": "100%",
            "role": "img",
            "aria-label": f"{title}. {alt}".strip(),
            "font-family": FONT_STACK,
            "stroke-linejoin": "round",
        }
    )
    name = ElementTree.Element("title", {"id": f"{prefix}-title"})
    name.text = title
    root.insert(0, name)
