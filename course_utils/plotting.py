"""The course's figures: one colour per method through all lessons, training dashed apart from validation.

Every function draws on the axes it is given (or on new ones), returns them, and leaves Matplotlib's global
style alone. Nothing here trains or measures.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Okabe and Ito's palette: told apart by colour-blind readers too, and in grey by the markers below.
# One identity each, so a method looks the same in every lesson.
_METHODS = {
    "plain": ("#595959", "o"),
    "weight normalization": ("#0072B2", "s"),
    "weight normalization, paper's initialisation": ("#D55E00", "^"),
    "batch normalization": ("#009E73", "D"),
    "layer normalization": ("#CC79A7", "v"),
    "group normalization": ("#E69F00", "P"),
    "instance normalization": ("#56B4E9", "X"),
}
COLOURS = {method: colour for method, (colour, _) in _METHODS.items()}
MARKERS = {method: marker for method, (_, marker) in _METHODS.items()}
# For other names: the palette again, for in one figure the colours of the methods above rarely all occur.
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def colour(method: str) -> str:
    """Return the method's colour: fixed for the methods the course compares, stable for any other name.

    Parameters
    ----------
    method : str
        A method's name as it stands in legends, for example ``"weight normalization"``.

    Returns
    -------
    str
        A hexadecimal colour.

    Examples
    --------
    >>> colour("plain")
    '#595959'
    """
    return COLOURS.get(method) or OTHERS[sum(map(ord, method)) % len(OTHERS)]


def learning_curves(histories, metric="accuracy", *, validation=True, training=True, ax=None):
    """Draw a metric over the epochs for several trainings: training solid, validation dashed.

    Parameters
    ----------
    histories : dict of str to (keras.callbacks.History or dict)
        Method name to what ``fit`` returned, or to the ``history`` dictionary itself.
    metric : str, default="accuracy"
        The name under which the history keeps it; validation is looked up as ``"val_" + metric``.
    validation, training : bool, default=True
        Which curves to draw.
    ax : matplotlib.axes.Axes, optional
        New ones by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    KeyError
        If a history does not hold the metric; the message lists what it holds.

    Examples
    --------
    >>> ax = learning_curves({"plain": {"loss": [2.0, 1.5], "val_loss": [2.1, 1.7]}}, "loss")
    """
    ax = ax if ax is not None else plt.subplots()[1]
    kinds = [("", "-", "training")] * training + [("val_", "--", "validation")] * validation
    for method, history in histories.items():
        history = getattr(history, "history", history)
        for prefix, dash, kind in kinds:
            if prefix + metric not in history:
                raise KeyError(f"{method!r} has no {prefix + metric!r}; it has {sorted(history)}")
            values = history[prefix + metric]
            ax.plot(
                range(1, len(values) + 1),
                values,
                dash,
                color=colour(method),
                marker=MARKERS.get(method, "D"),
                markerfacecolor=colour(method) if kind == "training" else "white",
                label=method if len(kinds) == 1 else f"{method}, {kind}",
            )
    ax.set_xlabel("epoch")
    ax.set_ylabel(metric.replace("_", " "))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "accuracy" in metric:
        ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend()
    return ax


def image_grid(images, labels, class_names, *, per_class=8, ax=None):
    """Show the first few images of every class, a class a row.

    Parameters
    ----------
    images : array of shape (n, height, width) or (n, height, width, 3)
        uint8, or floats from 0 to 1.
    labels : array of int, shape (n,)
        The class of each image.
    class_names : sequence of str
        A name for each class.
    per_class : int, default=8
        How many columns. A class with fewer images leaves its row's end empty.
    ax : matplotlib.axes.Axes, optional
        New ones by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `labels` and `images` differ in length.

    Examples
    --------
    >>> ax = image_grid(np.zeros((2, 28, 28)), [0, 1], ("zero", "one"))
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if len(images) != len(labels):
        raise ValueError(f"{len(images)} images, but {len(labels)} labels: there must be one for each.")
    gap = 3
    height, width = (side + gap for side in images.shape[1:3])
    rows = len(class_names)
    # One picture of them all: a figure of a hundred small axes takes seconds. Paper shows in the gaps.
    paper = 255 if images.dtype == np.uint8 else 1.0
    if images.ndim == 3:
        images = paper - images  # ink on paper
    mosaic = np.full((rows * height - gap, per_class * width - gap, *images.shape[3:]), paper, images.dtype)
    for row in range(rows):
        for column, index in enumerate(np.flatnonzero(labels == row)[:per_class]):
            top, left = row * height, column * width
            mosaic[top : top + height - gap, left : left + width - gap] = images[index]
    if ax is None:
        ax = plt.subplots(figsize=(0.55 * per_class + 1.2, 0.55 * rows))[1]
    ax.imshow(mosaic, cmap="gray", vmin=0, vmax=paper, interpolation="nearest")
    ax.set_yticks((np.arange(rows) + 0.5) * height - gap / 2, class_names)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax
