"""One picture with every printed number and our result. `draw` makes it, `digest` identifies it."""

import hashlib
import io
import json
from pathlib import Path

import course_utils
from build_tools import judging
from course_utils.stack import STACKS

# Okabe and Ito's blue and vermilion, each with its own marker, so that colour is not the only cue.
_LOOKS = {"addons": ("#0072B2", "o", -0.16), "keras3": ("#D55E00", "s", 0.16)}
_KEY = "Drawn from"


def rows(judged, claims):
    """Give the content of the picture: for each printed number the mean, interval and word on each stack."""
    found = []
    for claim in claims.claims.values():
        for place, (measure, printed) in enumerate(claim.values):
            if isinstance(printed, list):  # the lesson draws the curves
                continue
            row = {"claim": claim.id, "measure": measure, "printed": float(printed), "text": str(printed)}
            # A printed zero is a difference of accuracies, and there is no percentage of it.
            row["accuracy"] = "accuracy" in measure or not row["printed"]
            for stack, one in judged.get(claim.id, {}).items():
                verdict = one["rows"][place]
                row[stack] = {key: _rounded(getattr(verdict, key)) for key in ("mean", "low", "high", "word")}
            found.append(row)
    return found


def _rounded(value):
    # Six digits are more than the seeds can determine, and few enough that all SciPy releases agree.
    return float(f"{value:.6g}") if isinstance(value, float) else value


def digest(judged, claims):
    """Digest the content of the picture. The digest identifies a stored picture."""
    return hashlib.sha256(json.dumps(rows(judged, claims)).encode()).hexdigest()[:16]


def drawn_from(path):
    """Read the `digest` of a stored picture; "" if it has none."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return picture.info.get(_KEY, "")
    except OSError:
        return ""


def draw(judged, claims):
    """Draw every printed number and the interval of our runs, as a PNG.

    The upper panel shows accuracies, as differences from the printed number in percentage points. The lower
    panel shows losses, factors and ratios, in percent of the printed number. A bar is the 95 % prediction
    interval. The line at 0 is the source.
    """
    import matplotlib.pyplot as plt

    shown = rows(judged, claims)
    accuracies, others = ([row for row in shown if row["accuracy"] is kind] for kind in (True, False))
    groups = [
        (accuracies, "ours minus printed, percentage points", _points),
        (others, "ours against printed, % of the printed number", _percent),
    ]
    groups = [group for group in groups if group[0]]
    with plt.style.context(Path(course_utils.__file__).with_name("course.mplstyle")):
        heights = [len(group[0]) + 2 for group in groups] or [1]
        figure, panels = plt.subplots(
            len(heights),
            figsize=(8.6, 1.2 + 0.21 * sum(heights)),
            height_ratios=heights,
            squeeze=False,
        )
        for panel, (of_kind, label, change) in zip(panels[:, 0], groups, strict=False):
            _panel(panel, of_kind, label, change)
        figure.suptitle("Every printed number, and what our runs give", x=0.01, ha="left", weight="bold")
        panels[0, 0].set_title(_count(shown), fontsize=10, weight="normal", x=0.0)
        _legend(figure)
        buffer = io.BytesIO()
        figure.savefig(
            buffer, format="png", dpi=110, metadata={_KEY: digest(judged, claims), "Software": None}
        )
        plt.close(figure)
    return buffer.getvalue()


def _count(shown):
    """The main result of the picture in one line."""
    counts = [
        f"{sum(row.get(stack, {}).get('word') == judging.REPRODUCED for row in shown)} of {len(shown)} "
        f"on the {stack} stack"
        for stack in STACKS
    ]
    return f"reproduced: {', '.join(counts)}"


def _points(value, printed):
    return 100 * (value - printed)


def _percent(value, printed):
    return 100 * (value / printed - 1)


def _panel(ax, of_kind, label, change):
    reach = _reach(of_kind, change)
    ax.axvline(0, color="black", linewidth=1.2, zorder=1)
    for place, row in enumerate(of_kind):
        if place and row["claim"].partition(".")[0] != of_kind[place - 1]["claim"].partition(".")[0]:
            ax.axhline(place - 0.5, color="#999999", linewidth=0.8)
        for stack in STACKS:
            if stack in row:
                _mark(ax, place, stack, row[stack], row["printed"], change, reach)
        _signs(ax, place, row)
    labels = [_label(row, before) for row, before in zip(of_kind, [None, *of_kind[:-1]], strict=True)]
    ax.set_yticks(range(len(of_kind)), labels)
    ax.tick_params(axis="y", labelsize=8.5, length=0, pad=9)  # space for the arrows
    ax.set_ylim(len(of_kind) - 0.4, -0.6)
    ax.set_xlim(-reach, reach)
    ax.set_xlabel(label)
    ax.grid(axis="y", visible=False)


def _signs(ax, place, row):
    """Draw the signs of the verdicts at the right end of the row."""
    for stack, x in zip(STACKS, (1.02, 1.05), strict=True):
        sign = judging.SIGNS[row[stack]["word"] if stack in row else judging.NOT_ENOUGH]
        colour = _LOOKS[stack][0]
        ax.text(x, place, sign, transform=ax.get_yaxis_transform(), color=colour, va="center", fontsize=11)


def _label(row, before):
    claim = row["claim"] if before is None or before["claim"] != row["claim"] else ""
    return f"{claim}  {row['measure'].replace('_', ' ')} {row['text']}".strip()


def _mark(ax, place, stack, ours, printed, change, reach):
    colour, marker, shift = _LOOKS[stack]
    y, x = place + shift, change(ours["mean"], printed)
    if ours["low"] is not None:
        low, high = change(ours["low"], printed), change(ours["high"], printed)
        ax.plot([max(low, -reach), min(high, reach)], [y, y], color=colour, linewidth=1.8, zorder=2)
        for end, out, arrow in ((low, low < -reach, "<"), (high, high > reach, ">")):
            if out:
                ax.plot(max(-reach, min(reach, end)), y, arrow, color=colour, markersize=5, clip_on=False)
    filled = {judging.REPRODUCED: colour, judging.NOT_REPRODUCED: "black"}.get(ours["word"], "white")
    if ours["word"] == judging.NOT_REPRODUCED:
        marker, colour = "X", "black"
    x = max(-reach, min(reach, x))
    ax.plot(x, y, marker, color=colour, markerfacecolor=filled, markersize=5.5, zorder=3, clip_on=False)


def _reach(of_kind, change):
    """The limit of the axis: it contains every mean, and most intervals."""
    means, ends = [], []
    for row in of_kind:
        for stack in STACKS:
            if stack in row:
                means.append(abs(change(row[stack]["mean"], row["printed"])))
                if row[stack]["low"] is not None:
                    ends += [abs(change(row[stack][end], row["printed"])) for end in ("low", "high")]
    ends.sort()
    return 1.1 * max([1.0, *means, *(ends[: int(0.9 * len(ends))])])


def _legend(figure):
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], color=colour, marker=marker, label=f"{stack} stack, 95 % prediction interval")
        for stack, (colour, marker, _) in _LOOKS.items()
    ]
    for label, marker, colour, filled in (
        ("✓ reproduced", "o", "#595959", "#595959"),
        ("≈ within noise, or … too few runs", "o", "#595959", "white"),
        ("✗ not reproduced", "X", "black", "black"),
    ):
        look = {"marker": marker, "color": colour, "markerfacecolor": filled}
        entries.append(Line2D([], [], linestyle="", label=label, **look))
    entries.append(Line2D([], [], color="black", linewidth=1.2, label="the printed number"))
    figure.legend(handles=entries, loc="outside lower left", ncols=3, fontsize=8.5)
