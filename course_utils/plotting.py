"""The course's figures: one colour per method through all lessons, training dashed apart from validation.

Every function draws on the axes it is given (or on new ones), returns them, and leaves Matplotlib's global
style alone. Nothing here trains or measures.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator, PercentFormatter

# Okabe and Ito's palette: told apart by colour-blind readers too, and in grey by the markers below.
# One identity each, so a method looks the same in every lesson. Normalizations and optimizers, which are not
# compared with one another, may share a colour.
_NORMALIZATIONS = {
    "plain": ("#595959", "o"),
    "weight normalization": ("#0072B2", "s"),
    "weight normalization, paper's initialisation": ("#D55E00", "^"),
    "batch normalization": ("#009E73", "D"),
    "layer normalization": ("#CC79A7", "v"),
    "group normalization": ("#E69F00", "P"),
    "instance normalization": ("#56B4E9", "X"),
}
_OPTIMIZERS = {
    "SGD": ("#595959", "o"),
    "SGD, rate found": ("#0072B2", "s"),
    "SGD, rate found, weight decay": ("#56B4E9", "D"),
    "conditional gradient": ("#D55E00", "^"),
    "conditional gradient, shrinking steps": ("#E69F00", "v"),
    "conditional gradient, nuclear norm": ("#009E73", "P"),
}
_METHODS = _NORMALIZATIONS | _OPTIMIZERS
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


def schedule(learning_rate, steps, *, steps_per_epoch=None, label=None, ax=None):
    """Draw a learning rate over the steps of a training, before it is used.

    Parameters
    ----------
    learning_rate : callable
        A ``LearningRateSchedule`` (of Keras, or of `course_utils.schedules`), or any function that takes the
        number of a step, counted from 0, and returns a rate.
    steps : int
        How many steps to draw. Of a longer training than a thousand steps, a thousand of them are asked for.
    steps_per_epoch : int, optional
        If given, the axis counts epochs.
    label : str, optional
        For the legend.
    ax : matplotlib.axes.Axes, optional
        New ones by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    TypeError
        If `learning_rate` cannot be called.
    ValueError
        If `steps` or `steps_per_epoch` is below 1.

    Examples
    --------
    >>> ax = schedule(lambda step: 0.1 / (1 + step / 100), steps=500)
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('step', 'learning rate')
    """
    if not callable(learning_rate):
        raise TypeError(
            f"learning_rate should be a schedule or a function of the step; got {learning_rate!r}."
        )
    for name, value in [("steps", steps), ("steps_per_epoch", steps_per_epoch)]:
        if value is not None and value < 1:
            raise ValueError(f"{name} should be at least 1; got {value}.")
    asked = np.unique(np.linspace(0, steps - 1, min(steps, 1000)).round().astype(int))
    rates = [float(learning_rate(int(step))) for step in asked]
    ax = ax if ax is not None else plt.subplots()[1]
    ax.plot(asked / (steps_per_epoch or 1), rates, label=label)
    ax.set(xlabel="epoch" if steps_per_epoch else "step", ylabel="learning rate")
    ax.set_ylim(bottom=0)
    return ax


def shared_means(shape, axes, groups=None):
    """Number the means that a normalization takes: cells with one number share a mean.

    Parameters
    ----------
    shape : tuple of int
        Of the activations, batch axis included, for example ``(N, H, W, C)``.
    axes : int or tuple of int
        The axes the mean is taken over; negative ones count from the end.
    groups : int, optional
        Splits the last axis into so many groups of neighbours, and takes a mean for each.

    Returns
    -------
    array of int, of that shape
        The number of each cell's mean, counted from 0 in the order of the cells.

    Raises
    ------
    ValueError
        If an axis does not exist or is named twice, or the groups do not divide the last axis.

    Examples
    --------
    A batch of two examples with three features. Batch normalization takes the mean over axis 0:

    >>> shared_means((2, 3), axes=0)
    array([[0, 1, 2],
           [0, 1, 2]])

    Layer normalization takes it over axis 1:

    >>> shared_means((2, 3), axes=1)
    array([[0, 0, 0],
           [1, 1, 1]])
    """
    rank = len(shape)
    axes = (axes,) if isinstance(axes, int) else tuple(axes)
    for axis in axes:
        if not -rank <= axis < rank:
            raise ValueError(f"axes should lie between {-rank} and {rank - 1} for shape {shape}; got {axes}.")
    reduced = {axis % rank for axis in axes}
    if len(reduced) < len(axes):
        raise ValueError(f"axes should name each axis once; got {axes} for shape {shape}.")
    sizes = [1 if axis in reduced else size for axis, size in enumerate(shape)]
    index = [np.minimum(where, size - 1) for where, size in zip(np.indices(shape), sizes, strict=True)]
    if groups is not None:
        if groups < 1 or shape[-1] % groups:
            raise ValueError(f"groups should divide the last axis, of size {shape[-1]}; got {groups}.")
        sizes[-1] = groups
        index[-1] = np.indices(shape)[-1] // (shape[-1] // groups)
    return np.ravel_multi_index(index, sizes)


def normalization_axes(shape, axes, *, groups=None, names=("N", "H×W", "C"), ax=None):
    """Draw activations as a block of cells, and mark those that share a mean with the nearest one.

    The picture follows Wu & He 2018 (https://arxiv.org/abs/1803.08494, figure 2), but is computed: a cell is
    blue if `shared_means` gives it the number of the cell in the near upper corner. The other means are
    told apart by shades of grey.

    Parameters
    ----------
    shape : tuple of three int
        The block: its first axis goes to the back, its second down, its third to the right.
    axes : int or tuple of int
        The axes the mean is taken over.
    groups : int, optional
        Of the last axis, as for `shared_means`.
    names : sequence of three str, default=("N", "H×W", "C")
        What to write along the axes.
    ax : matplotlib.axes.Axes, optional
        New ones by default.

    Returns
    -------
    matplotlib.axes.Axes
        Its label says how many means there are, and of how many cells each.

    Raises
    ------
    ValueError
        If `shape` does not have three axes, or as `shared_means` does.

    Examples
    --------
    >>> ax = normalization_axes((4, 5, 6), axes=(0, 1))
    >>> ax.get_xlabel()
    '6 means of 20 cells each'
    """
    if len(shape) != 3:
        raise ValueError(f"shape should have three axes, to be drawn as a block; got {shape}.")
    ids = shared_means(shape, axes, groups)
    # Greys change like the fields of a chess board, one step each time another mean begins.
    parity = sum(
        np.cumsum(np.diff(ids, axis=axis, prepend=ids.take([0], axis)) != 0, axis=axis) for axis in range(3)
    )
    depth, height, width = shape
    back = np.array([0.55, 0.42])  # how far one step backwards goes to the right and up

    def corner(n, h, c):
        return np.array([c, -h]) + n * back

    def shade(n, h, c):
        if ids[n, h, c] == ids[0, 0, 0]:
            return COLOURS["weight normalization"]
        return ("#D9D9D9", "#F4F4F4")[parity[n, h, c] % 2]

    ax = ax if ax is not None else plt.subplots(figsize=(3.2, 3.2))[1]
    right, down = np.array([1, 0]), np.array([0, -1])
    faces = [(corner(0, h, c), right, down, shade(0, h, c)) for h in range(height) for c in range(width)]
    faces += [(corner(n, 0, c), right, back, shade(n, 0, c)) for n in range(depth) for c in range(width)]
    faces += [
        (corner(n, h, width), back, down, shade(n, h, width - 1)) for n in range(depth) for h in range(height)
    ]
    for start, one, other, fill in faces:
        outline = [start, start + one, start + one + other, start + other]
        ax.add_patch(plt.Polygon(outline, facecolor=fill, edgecolor="#404040", linewidth=0.7))
    ax.text(*(corner(depth / 2, 0, 0) + (-0.25, 0.1)), names[0], ha="right", va="bottom")
    ax.text(*(corner(0, height / 2, 0) + (-0.25, 0)), names[1], ha="right", va="center")
    ax.text(*(corner(0, height, width / 2) + (0, -0.2)), names[2], ha="center", va="top")
    means = int(ids.max()) + 1
    cells = ids.size // means
    ax.set_xlabel(f"{means} mean{'s' * (means > 1)} of {cells} cell{'s' * (cells > 1)} each")
    ax.set(aspect="equal", xticks=[], yticks=[])
    ax.autoscale_view()
    ax.margins(0.08)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    return ax
