"""The course's figures: one colour per method in all lessons; training is solid, validation dashed.

Every function draws on the given axes, or on new ones, and returns them. Matplotlib's global style does not
change. This module does not need TensorFlow.
"""

import weakref

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

from course_utils.arguments import flag, refuse, whole_number

# Okabe and Ito's palette, with other colours in place of its pale ones. Each colour has a contrast of at
# least 3 to white. Readers with either common colour blindness can tell every two apart
# (tests/test_plotting.py). Markers are a second cue.
_PALETTE = {
    "#009E73": "D",
    "#D41FD4": "v",
    "#D55E00": "^",
    "#0072B2": "s",
    "#7A5200": "P",
    "#1F3A6B": "X",
    "#595959": "o",
    "#000000": "*",
}
OTHERS = tuple(_PALETTE)  # names without a fixed colour get these colours in this order
_GREEN, _MAGENTA, _VERMILLION, _BLUE, _BROWN, _NAVY, _GREY, _BLACK = OTHERS

#: One colour for each recurring name, so that it looks the same in every lesson. Names that no figure
#: compares may share a colour.
COLOURS = {
    "plain": _GREY,
    # activations
    "sigmoid": _VERMILLION,
    "tanh": _MAGENTA,
    "ReLU": _GREY,
    "leaky ReLU": _BROWN,
    "PReLU": _NAVY,
    "ELU": _GREEN,
    "SELU": _BLUE,
    # normalizations
    "weight normalization": _BLUE,
    "weight normalization, paper's initialization": _VERMILLION,
    "batch normalization": _GREEN,
    "layer normalization": _MAGENTA,
    "group normalization": _BROWN,
    "instance normalization": _NAVY,
    # optimizers
    "SGD": _GREY,
    "momentum": _NAVY,
    "Nesterov": _BLUE,
    "Adagrad": _BROWN,
    "RMSprop": _MAGENTA,
    "Adam": _VERMILLION,
    "Adamax": _BLACK,
    "Nadam": _GREEN,
    "SGD, rate found": _BLUE,
    "SGD, rate found, weight decay": _NAVY,
    "conditional gradient": _VERMILLION,
    "conditional gradient, shrinking steps": _BROWN,
    "conditional gradient, nuclear norm": _GREEN,
    # schedules
    "constant": _GREY,
    "power": _BROWN,
    "exponential, by epoch": _NAVY,
    "exponential, by step": _BLUE,
    "piecewise constant": _GREEN,
    "on plateau": _MAGENTA,
    "Keras' ExponentialDecay": _BLACK,
    "1cycle": _VERMILLION,
    # regularization
    "ℓ1": _BROWN,
    "ℓ2": _NAVY,
    "max-norm": _BLUE,
    "dropout": _GREEN,
    "early stopping": _VERMILLION,
    "alpha dropout": _MAGENTA,
    "MC dropout": _BLACK,
    # transfer
    "B alone": _GREY,
    "B on A": _BLUE,
}
MARKERS = {method: _PALETTE[colour] for method, colour in COLOURS.items()}

_given = weakref.WeakKeyDictionary()  # for each figure, its names and their colours
_without_figure = {}


def colour(method, ax=None):
    """Return the colour of a name. In one figure, every name has another colour.

    The methods that the course compares have fixed colours (`COLOURS`), unless the figure has already given
    that colour to another name. Other names get the unused colours of the figure, in the order in which they
    come, and keep them in this figure.

    Parameters
    ----------
    method : str
        A method's name, as in legends, for example ``"weight normalization"``.
    ax : matplotlib.axes.Axes, optional
        Axes of the figure. By default Matplotlib's current figure.

    Returns
    -------
    str
        A hexadecimal colour.

    Raises
    ------
    ValueError
        If it is the ninth name of a figure: there are only eight colours.

    Examples
    --------
    >>> colour("plain")
    '#595959'
    """
    figure = ax.figure if ax is not None else plt.gcf() if plt.get_fignums() else None
    if figure is None and method in COLOURS:
        return COLOURS[method]
    given = _without_figure if figure is None else _given.setdefault(figure, {})
    if method not in given:
        if figure is None and len(given) == len(OTHERS):
            given.clear()  # names outside any figure may share a colour
        wanted = [COLOURS[method]] if method in COLOURS else []
        free = [one for one in (*wanted, *OTHERS) if one not in given.values()]
        if not free:
            should_be = f"one of the {len(given)} names that this figure has colours for: {sorted(given)}"
            refuse("method", should_be, method, "Draw it in another figure.")
        given[method] = free[0]
    return given[method]


def marker(method, ax=None):
    """Return the marker that belongs to the colour of a name.

    >>> marker("plain")
    'o'
    """
    return _PALETTE[colour(method, ax)]


def learning_curves(histories, metric="accuracy", *, validation=True, training=True, ax=None):
    """Draw a metric over the epochs for several trainings: solid for training, dashed for validation.

    Parameters
    ----------
    histories : dict of str to (keras.callbacks.History, dict, or a list of these)
        Maps each method name to the result of ``fit``, or to its ``history`` dictionary. If it is a list with
        one history for each seed, the function draws thin curves and their mean.
    metric : str, default="accuracy"
        The name of the metric in the history. For validation it is ``"val_" + metric``.
    validation, training : bool, default=True
        Which curves to draw.
    ax : matplotlib.axes.Axes, optional
        By default new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a history does not contain the metric, if both kinds of curves are off, or if there are more names
        than colours.

    Examples
    --------
    >>> ax = learning_curves({"plain": {"loss": [2.0, 1.5], "val_loss": [2.1, 1.7]}}, "loss")
    """
    training, validation = flag("training", training), flag("validation", validation)
    kinds = [("", "-", "training")] * training + [("val_", "--", "validation")] * validation
    if not kinds:
        refuse("validation", "True if `training` is False", validation)
    histories = {
        method: [getattr(one, "history", one) for one in (found if isinstance(found, list) else [found])]
        for method, found in histories.items()
    }
    for method, found in histories.items():
        for history in found:
            for prefix, _, _ in kinds:
                if prefix + metric not in history:
                    refuse("metric", f"a metric of {method!r}, one of {sorted(history)}", prefix + metric)
    ax = ax if ax is not None else plt.subplots()[1]
    for method in sorted(histories, key=lambda method: method not in COLOURS):
        colour(method, ax)  # fixed colours first, so that no other name gets one of them
    for method, found in histories.items():
        for prefix, dash, kind in kinds:
            values = [history[prefix + metric] for history in found]
            epochs = range(1, min(map(len, values)) + 1)
            for one in values if len(values) > 1 else ():
                ax.plot(range(1, len(one) + 1), one, dash, color=colour(method, ax), linewidth=0.8, alpha=0.5)
            ax.plot(
                epochs,
                np.mean([one[: len(epochs)] for one in values], axis=0),
                dash,
                color=colour(method, ax),
                marker=marker(method, ax),
                markerfacecolor=colour(method, ax) if kind == "training" else "white",
                label=method if len(kinds) == 1 else f"{method}, {kind}",
            )
    ax.set_xlabel("epoch")
    ax.set_ylabel(metric.replace("_", " "))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    if "accuracy" in metric:
        ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend()
    return ax


def seed_dots(values, *, printed=None, printed_label="the source's number", ax=None):
    """Draw a row for each name with one dot for each seed, to show how much results vary by chance.

    Parameters
    ----------
    values : dict of str to sequence of float
        Maps each name to its measurements, one number for each seed. A short line marks the mean.
    printed : float or dict of str to float, optional
        The source's number, for all rows or for some names. It is drawn as a dashed line.
    printed_label : str, default="the source's number"
        What the legend calls that line.
    ax : matplotlib.axes.Axes, optional
        By default new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a name has no values, or `printed` contains a name that is not in `values`.

    Examples
    --------
    >>> ax = seed_dots({"plain": [0.61, 0.60, 0.62]}, printed=0.6045)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['plain']
    """
    for name, found in values.items():
        if not len(found):
            refuse("values", f"at least one number for {name!r}", found)
    lines = printed if isinstance(printed, dict) else dict.fromkeys(values, printed)
    if not set(lines) <= set(values):
        refuse("printed", f"a number for some of {list(values)}", printed)
    ax = ax if ax is not None else plt.subplots(figsize=(7.2, 1.1 + 0.42 * len(values)))[1]
    for name in sorted(values, key=lambda name: name not in COLOURS):
        colour(name, ax)
    for row, (name, found) in enumerate(values.items()):
        shade = colour(name, ax)
        ax.plot(found, [row] * len(found), marker(name, ax), color=shade, alpha=0.7, clip_on=False)
        ax.plot([np.mean(found)] * 2, [row - 0.3, row + 0.3], "-", color=shade)
    label = printed_label
    for name, number in lines.items():
        if number is not None:
            row = list(values).index(name)
            ax.plot([number] * 2, [row - 0.45, row + 0.45], "--", color="black", linewidth=1.5, label=label)
            label = None
    if label is None:
        ax.legend(loc="lower left", bbox_to_anchor=(0, -0.02))
    ax.set_yticks(range(len(values)), list(values))
    ax.set_ylim(len(values) - 0.4, -0.6)
    ax.grid(axis="y", visible=False)
    return ax


def image_grid(images, labels, class_names, *, per_class=8, ax=None):
    """Show the first images of every class, one row for each class.

    Parameters
    ----------
    images : array of shape (n, height, width) or (n, height, width, 3)
        uint8, or floats from 0 to 1.
    labels : array of int, shape (n,)
        The class of each image.
    class_names : sequence of str
        A name for each class.
    per_class : int, default=8
        How many columns. If a class has fewer images, the end of its row stays empty.
    ax : matplotlib.axes.Axes, optional
        By default new axes.

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
    per_class = whole_number("per_class", per_class, at_least=1)
    if len(images) != len(labels):
        refuse("labels", f"as many as the {len(images)} images", len(labels))
    gap = 3
    height, width = (side + gap for side in images.shape[1:3])
    rows = len(class_names)
    # One picture for all images, because a figure with a hundred axes takes seconds. The gaps show paper.
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


def schedule(learning_rate, steps, *, steps_per_epoch=None, label=None, ax=None):
    """Draw a learning rate over the steps of a training.

    Parameters
    ----------
    learning_rate : callable
        A ``LearningRateSchedule`` (of Keras, or of `course_utils.schedules`), or a function that takes the
        number of a step, counted from 0, and returns a rate.
    steps : int
        How many steps to draw. For more than 1,000 steps, the function computes 1,000 rates.
    steps_per_epoch : int, optional
        If given, the axis counts epochs.
    label : str, optional
        For the legend.
    ax : matplotlib.axes.Axes, optional
        By default new axes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `learning_rate` cannot be called, or `steps` or `steps_per_epoch` is not a whole number ≥ 1.

    Examples
    --------
    >>> ax = schedule(lambda step: 0.1 / (1 + step / 100), steps=500)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step', 'learning rate')
    """
    if not callable(learning_rate):
        refuse("learning_rate", "a schedule or a function of the step", learning_rate)
    steps = whole_number("steps", steps, at_least=1)
    if steps_per_epoch is not None:
        steps_per_epoch = whole_number("steps_per_epoch", steps_per_epoch, at_least=1)
    asked = np.unique(np.linspace(0, steps - 1, min(steps, 1000)).round().astype(int))
    rates = [float(learning_rate(int(step))) for step in asked]
    ax = ax if ax is not None else plt.subplots()[1]
    ax.plot(asked / (steps_per_epoch or 1), rates, label=label)
    ax.set(xlabel="epoch" if steps_per_epoch else "step", ylabel="learning rate")
    ax.set_ylim(bottom=0)
    return ax
