# SPDX-License-Identifier: Apache-2.0
"""
Pictures as SVG, each of one idea: bars with whiskers, curves, shares below a time. Everything is labelled where it
stands, so that no legend has to be searched. The same numbers give the same bytes.
"""
import math
import statistics

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({
    "svg.hashsalt": "stele", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titleweight": "bold",
    "axes.titlelocation": "left", "figure.facecolor": "white", "axes.facecolor": "white",
})
from matplotlib import pyplot  # noqa: E402 (the settings come first)

OURS, LIMIT, OTHERS = "#c4451c", "#9a9a9a", "#3d6b99"
LINES = ["#c4451c", "#3d6b99", "#5b8c3a", "#8a5aa8", "#b58a1b", "#4a9a9a", "#555555"]


def colour(label):
    if label.startswith("Stele"):
        return OURS
    return LIMIT if "5tswap" in label else OTHERS


def short(value):
    """A number in at most about four characters."""
    for unit, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:.3g}"


def _save(figure, path):
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    pyplot.close(figure)


def bars(path, title, unit, panels, one_scale=True):
    """
    Panels beside one another, {panel: {label: [values of the rounds]}}: a bar for the median, a whisker from
    the smallest to the largest, the number at its end. `one_scale`: of all panels, which then can be compared.
    """
    labels = list(dict.fromkeys(label for values in panels.values() for label in values))
    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    figure, all_axes = pyplot.subplots(rows, columns, squeeze=False, layout="constrained",
                                       figsize=(4.6 * columns, rows * (0.27 * len(labels) + 0.75) + 0.3))
    axes_list = all_axes.flatten()
    highest = max(max(values) for by_label in panels.values() for values in by_label.values())
    for axes, (panel, by_label) in zip(axes_list, panels.items()):
        axes.set_title(panel)
        for at, label in enumerate(labels):
            values = by_label.get(label)
            if not values:
                axes.text(0.01, at, "cannot run this", color="#777777", va="center", fontsize=8,
                          transform=axes.get_yaxis_transform())
                continue
            middle = statistics.median(values)
            axes.barh(at, middle, 0.7, color=colour(label), xerr=[[middle - min(values)],
                                                                  [max(values) - middle]],
                      error_kw={"ecolor": "#222222", "elinewidth": 1, "capsize": 2.5})
            axes.annotate(short(middle), (max(values), at), (5, 0), textcoords="offset points", va="center",
                          fontsize=8)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        own = max((max(values) for values in by_label.values()), default=1)
        axes.set_xlim(0, (highest if one_scale else own) * 1.18 or 1)
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
        axes.set_xlabel(unit)
        axes.grid(axis="x", color="#e6e6e6")
        axes.set_axisbelow(True)
    for axes in axes_list[len(panels):]:
        axes.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    _save(figure, path)


def _label_ends(axes, ends):
    """Names at the ends of lines, moved apart where they would lie on one another: (x, y, text, colour)."""
    height = axes.get_ylim()[1] - axes.get_ylim()[0]
    last = -math.inf
    for x, y, text, each in sorted(ends, key=lambda end: end[1]):
        place = max(y, last + height * 0.055)
        axes.annotate(text, (x, place), (8, 0), textcoords="offset points", va="center", color=each,
                      fontsize=8)
        last = place


def curve(path, title, x_label, y_label, series):
    """{label: [(x, [values])]}: medians as a line over a logarithmic axis, ranges as whiskers."""
    figure, axes = pyplot.subplots(figsize=(8, 4.4), layout="constrained")
    ends = []
    for each, (label, points) in zip(LINES * (len(series) // len(LINES) + 1), series.items()):
        xs = [x for x, _ in points]
        middles = [statistics.median(values) for _, values in points]
        below = [middle - min(values) for middle, (_, values) in zip(middles, points)]
        above = [max(values) - middle for middle, (_, values) in zip(middles, points)]
        axes.errorbar(xs, middles, [below, above], color=each, marker="o", markersize=4, capsize=2.5,
                      linewidth=1.6, elinewidth=0.8)
        ends.append((xs[-1], middles[-1], f"{label}, {middles[-1]:.0f}", each))
    axes.set_xscale("log")
    axes.set_ylim(0)
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(color="#e6e6e6")
    _label_ends(axes, ends)
    axes.set_title(title)
    _save(figure, path)


def shares(path, title, x_label, series, limits=()):
    """
    {label: [values]}: which share of the values is at most so large. `limits`: (share, value, text) that are
    asked for.
    """
    figure, axes = pyplot.subplots(figsize=(8, 3.8), layout="constrained")
    for label, values in series.items():
        ordered = sorted(values)
        heights = [(at + 1) / len(ordered) * 100 for at in range(len(ordered))]
        axes.step(ordered, heights, where="post", color=colour(label), linewidth=1.8)
        middle = statistics.median(ordered)
        axes.annotate(f"{label}, median {short(middle)}", (middle, 50), (6, -4), textcoords="offset points",
                      color=colour(label), fontsize=9)
    for share, value, text in limits:
        axes.plot(value, share * 100, marker="x", color="#222222")
        axes.annotate(text, (value, share * 100), (6, -10), textcoords="offset points", fontsize=8)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: short(value))
    axes.set_xlabel(x_label)
    axes.set_ylabel("% of the rounds at most so long")
    axes.set_ylim(0, 104)
    axes.grid(color="#e6e6e6")
    axes.set_title(title)
    _save(figure, path)
