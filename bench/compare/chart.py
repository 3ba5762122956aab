"""The figures as a picture: a bar for each row, its colour what the row promises. An SVG that needs nothing else."""

import math
from xml.sax.saxutils import escape

from rows import PROMISES

COLOURS = ("#9aa5b1", "#d9a441", "#3f7fbf", "#2f8f5b")
WIDTH, LABEL, BAR, STEP, TOP = 900, 300, 470, 26, 92
LOWEST = 1000  # messages a second at the left end of the scale


def text(x, y, words, size=13, anchor="start", colour="#1f2933", weight="normal"):
    return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
            f'font-weight="{weight}">{escape(words)}</text>')


def legend():
    parts, x = [], 20
    for colour, promise in zip(COLOURS, PROMISES):
        parts.append(f'<rect x="{x}" y="46" width="12" height="12" fill="{colour}"/>')
        parts.append(text(x + 18, 57, promise, 12))
        x += 44 + 6 * len(promise)
    return parts


def chart(bars, words_of):
    """`bars`: (title, promise, messages a second), in any order. On a logarithmic scale, since they lie so far apart.
    `words_of` writes a rate."""
    bars = sorted(bars, key=lambda bar: -bar[2])
    height = TOP + STEP * len(bars) + 40
    decades = math.ceil(math.log10(max(bar[2] for bar in bars) / LOWEST))

    def length(rate):
        return BAR * math.log10(max(rate, LOWEST) / LOWEST) / decades

    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             'font-family="Helvetica, Arial, sans-serif">',
             f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
             text(20, 28, "424-byte messages a second, end to end over TCP (logarithmic scale)", 16, weight="bold"),
             *legend()]
    for decade in range(decades + 1):
        x = LABEL + length(LOWEST * 10 ** decade)
        parts.append(f'<line x1="{x:.0f}" y1="{TOP - 8}" x2="{x:.0f}" y2="{height - 30}" stroke="#d5dae0"/>')
        parts.append(text(x, height - 12, f"{LOWEST * 10 ** decade:,}", 12, "middle", "#52606d"))
    for place, (title, promise, rate) in enumerate(bars):
        y = TOP + STEP * place
        weight = "bold" if "**" in title else "normal"
        parts.append(text(LABEL - 8, y + 13, title.replace("*", "").replace("`", ""), 13, "end", weight=weight))
        parts.append(f'<rect x="{LABEL}" y="{y}" width="{length(rate):.1f}" height="18" fill="{COLOURS[promise]}"/>')
        parts.append(text(LABEL + length(rate) + 6, y + 13, words_of(rate), 12, weight=weight))
    return "\n".join(parts) + "\n</svg>\n"
