"""Charts as SVG, made here: no library serves so few kinds at this size. Colours and the dark mode are in pages.css."""

from collections.abc import Mapping, Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 360, 120
LEFT, BOTTOM, TOP = 44, 18, 6
Values = Sequence[float | None]


def lines(series: Mapping[str, Values], label: str, *, times: Sequence[str], most: float | None = None) -> Markup:
    """Return a line for each series, over time; a gap where there is no value."""
    highest = most or _round_up(max((v for values in series.values() for v in values if v is not None), default=0))
    drawn = Markup()
    for number, values in enumerate(series.values()):
        step = (WIDTH - LEFT) / max(1, len(values) - 1)
        path, gap = "", True
        for place, value in enumerate(values):
            if value is None:
                gap = True
                continue
            path += f"{'M' if gap else 'L'}{LEFT + place * step:.1f} {_y(value, highest):.1f}"
            # A value between two gaps would be a line without length.
            path += "h2" if gap else ""
            gap = False
        drawn += Markup('<path class="line s{}" d="{}"/>').format(number, path)
    return _svg(drawn + _axes(highest, times[0], times[-1]), label)


def bars(values: Sequence[int], label: str, *, first: str, last: str) -> Markup:
    """Return a bar for each value; first and last name the ends of the axis."""
    highest = _round_up(max(values, default=0))
    step = (WIDTH - LEFT) / max(1, len(values))
    drawn = Markup()
    for place, value in enumerate(values):
        y = _y(value, highest)
        drawn += Markup('<rect class="s0" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>').format(
            LEFT + place * step + 1, y, step - 2, HEIGHT - BOTTOM - y
        )
    return _svg(drawn + _axes(highest, first, last), label)


def stacked(parts: Sequence[tuple[str, float, float]], label: str) -> Markup:
    """Return one bar of parts, each as wide as what is possible and filled as far as it is reached."""
    drawn, left = Markup(), 0.0
    total = sum(possible for *_, possible in parts) or 1
    for number, (_, reached, possible) in enumerate(parts):
        width = WIDTH * possible / total
        drawn += Markup('<rect class="frame" x="{:.1f}" y="1" width="{:.1f}" height="28"/>').format(left + 1, width - 2)
        filled = (width - 2) * min(1, reached / possible) if possible else 0
        drawn += Markup('<rect class="s{}" x="{:.1f}" y="1" width="{:.1f}" height="28"/>').format(
            number, left + 1, filled
        )
        left += width
    return _svg(drawn, label, height=30)


def meter(value: float, most: float, label: str) -> Markup:
    """Return a bar of how far a value has come to its most; past it, the mark shows where that was."""
    scale = WIDTH / (max(value, most) or 1)
    over = " over" if value > most else ""
    return _svg(
        Markup('<rect class="frame" x="1" y="1" width="{}" height="18"/>').format(WIDTH - 2)
        + Markup('<rect class="s0{}" x="1" y="1" width="{:.1f}" height="18"/>').format(over, max(0, value * scale - 2))
        + Markup('<path class="mark" d="M{:.1f} 0v20"/>').format(most * scale - 1),
        label,
        height=20,
    )


def _svg(drawn: Markup, label: str, height: int = HEIGHT) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(WIDTH, height, label, drawn)


def _axes(highest: float, first: str, last: str) -> Markup:
    ground = HEIGHT - BOTTOM
    return (
        Markup('<path class="axis" d="M{0} {1}V{2}H{3}"/>').format(LEFT, TOP, ground, WIDTH)
        + Markup('<text x="{}" y="{}" text-anchor="end">{:g}</text>').format(LEFT - 6, TOP + 8, highest)
        + Markup('<text x="{}" y="{}" text-anchor="end">0</text>').format(LEFT - 6, ground)
        + Markup('<text x="{}" y="{}">{}</text>').format(LEFT, HEIGHT - 3, first)
        + Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(WIDTH, HEIGHT - 3, last)
    )


def _y(value: float, highest: float) -> float:
    return TOP + (HEIGHT - BOTTOM - TOP) * (1 - min(value, highest) / highest)


def _round_up(value: float) -> int:
    """Return the next of 1, 2, 5, 10, 20, ..."""
    unit = 1
    while unit * 10 < value:
        unit *= 10
    return next(unit * step for step in (1, 2, 5, 10) if unit * step >= value)
