"""The colours of every chart: few, told apart without hue, each with a CSS variable of its own.

The hues follow Okabe and Ito (blue, vermilion, ochre), darkened until they read as lines on white paper.
An inlined chart refers to ``var(--chart-…, #light)``: a page may set the variables for a dark theme, and
a chart outside any page keeps the light colours.
"""

from __future__ import annotations

PAPER = "#ffffff"
INK = "#1b2733"
MUTED = "#5b6b7a"
FAINT = "#93a1ae"
GRID = "#dfe5ea"
BAND = "#edf1f4"
BLUE = "#0f6cad"
BLUE_TINT = "#c6dff1"
VERMILION = "#bf3f0c"
OCHRE = "#8f6400"

VARIABLES = {
    PAPER: "--chart-paper",
    INK: "--chart-ink",
    MUTED: "--chart-muted",
    FAINT: "--chart-faint",
    GRID: "--chart-grid",
    BAND: "--chart-band",
    BLUE: "--chart-blue",
    BLUE_TINT: "--chart-blue-tint",
    VERMILION: "--chart-vermilion",
    OCHRE: "--chart-ochre",
}
