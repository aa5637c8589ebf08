"""Answers to lesson 03's exercises."""

import numpy as np

from answers import right, wrong

# --- values_per_mean --------------------------------------------------------------------------------------


@right("values_per_mean")
def by_counting_cells(shape, axes, groups=None):
    """Give each cell the number of its mean, and count the cells with the first cell's number."""
    kept = [
        index
        for axis, index in enumerate(np.indices(shape))
        if axis - len(shape) not in axes and axis not in axes
    ]
    if groups is not None:
        kept[-1] = kept[-1] // (shape[-1] // groups)
    same = [index == index.flat[0] for index in kept]
    return np.logical_and.reduce(same, axis=0).sum()


@right("values_per_mean")
def by_dividing(shape, axes, groups=None):
    means = np.zeros(shape).mean(axis=tuple(axes)).size
    if groups is not None:
        means = means / shape[-1] * groups
    return np.prod(shape) / means


@right("values_per_mean")
def by_looping(shape, axes, groups=None):
    count = 1
    for axis in axes:
        count *= shape[axis]
    return count if groups is None else count * shape[-1] // groups


@wrong("values_per_mean", says="you counted the means")
def the_number_of_means(shape, axes, groups=None):
    return np.zeros(shape).mean(axis=axes).size


@wrong("values_per_mean", says="you added the lengths of the axes")
def a_sum(shape, axes, groups=None):
    return sum(shape[axis] for axis in axes)


@wrong("values_per_mean", says="you included the batch")
def always_the_batch(shape, axes, groups=None):
    return by_looping(shape, {0, *axes}, groups)


@wrong("values_per_mean", says="you left out the channels of the group")
def without_groups(shape, axes, groups=None):
    return by_looping(shape, axes)


@wrong("values_per_mean", says="you multiplied by `groups`")
def groups_as_channels(shape, axes, groups=None):
    return by_looping(shape, axes) * (groups or 1)


@wrong("values_per_mean", says="you counted all channels")
def every_channel(shape, axes, groups=None):
    return by_looping(shape, axes, None if groups is None else 1)


@wrong("values_per_mean", says="counts from the end")
def only_positive_axes(shape, axes, groups=None):
    return by_looping(shape, [axis for axis in range(len(shape)) if axis in axes], groups)


# --- group_normalize --------------------------------------------------------------------------------------


@right("group_normalize")
def by_examples_and_groups(x, groups, axis=-1, epsilon=1e-3):
    y = np.moveaxis(x.copy(), axis, 1)
    for example in y:
        for part in np.split(example, groups):
            part[...] = (part - part.mean()) / np.sqrt(part.var() + epsilon)
    return np.moveaxis(y, 1, axis)


@right("group_normalize")
def by_means_of_channels(x, groups, axis=-1, epsilon=1e-3):
    """As our own layer does: means per channel first, in single precision."""
    x = np.moveaxis(np.asarray(x, "float32"), axis, -1)
    positions = tuple(range(1, x.ndim - 1))

    def mean(values):
        per_channel = values.mean(axis=positions, keepdims=True)
        split = per_channel.reshape(*per_channel.shape[:-1], groups, -1).mean(axis=-1)
        return np.repeat(split, x.shape[-1] // groups, axis=-1)

    centred = x - mean(x)
    return np.moveaxis(centred / np.sqrt(mean(centred**2) + epsilon), -1, axis)


def by_parts(normalize):
    """Put the channels last, split the parts off, and put all back."""

    def group_normalize(x, groups, axis=-1, epsilon=1e-3):
        last = np.moveaxis(x, axis, -1)
        split = last.reshape(*last.shape[:-1], groups, -1)
        return np.moveaxis(normalize(split, epsilon).reshape(last.shape), -1, axis)

    return group_normalize


def but_for(*axes, split):
    return tuple(axis for axis in range(split.ndim) if axis not in {axis % split.ndim for axis in axes})


def standardized(split, axes, epsilon, ddof=0):
    variance = split.var(axis=axes, keepdims=True, ddof=ddof)
    return (split - split.mean(axis=axes, keepdims=True)) / np.sqrt(variance + epsilon)


@wrong("group_normalize", says="you took channels at regular distances")
def interleaved(x, groups, axis=-1, epsilon=1e-3):
    last = np.moveaxis(x, axis, -1)
    split = last.reshape(*last.shape[:-1], -1, groups)
    y = standardized(split, but_for(0, -1, split=split), epsilon)
    return np.moveaxis(y.reshape(last.shape), -1, axis)


@wrong("group_normalize", says="you used `groups` as the number of channels in a group")
def groups_of_that_size(x, groups, axis=-1, epsilon=1e-3):
    return by_examples_and_groups(x, x.shape[axis] // groups, axis, epsilon)


@wrong("group_normalize", says="you averaged over the batch too")
@by_parts
def over_the_batch(split, epsilon):
    return standardized(split, but_for(-2, split=split), epsilon)


@wrong("group_normalize", says="you averaged over the channels only")
@by_parts
def each_position(split, epsilon):
    return standardized(split, (-1,), epsilon)


@wrong("group_normalize", says="instance normalization")
@by_parts
def each_channel(split, epsilon):
    return standardized(split, but_for(0, -1, -2, split=split), epsilon)


@wrong("group_normalize", says="layer normalization")
@by_parts
def the_whole_example(split, epsilon):
    return standardized(split, but_for(0, split=split), epsilon)


@wrong("group_normalize", says="you divided by n - 1 in the variance")
@by_parts
def the_variance_of_a_sample(split, epsilon):
    return standardized(split, but_for(0, -2, split=split), epsilon, ddof=1)


def divided_by(divisor):
    @by_parts
    def group_normalize(split, epsilon):
        axes = but_for(0, -2, split=split)
        centred = split - split.mean(axis=axes, keepdims=True)
        return centred / divisor(split.var(axis=axes, keepdims=True), epsilon)

    return group_normalize


wrong("group_normalize", says="you added epsilon to the root")(
    divided_by(lambda variance, epsilon: np.sqrt(variance) + epsilon)
)
wrong("group_normalize", says="epsilon is missing")(divided_by(lambda variance, epsilon: np.sqrt(variance)))
wrong("group_normalize", says="you used another epsilon than the argument")(
    divided_by(lambda variance, epsilon: np.sqrt(variance + 1e-3))
)
wrong("group_normalize", says="you divided by the variance")(
    divided_by(lambda variance, epsilon: variance + epsilon)
)
wrong("group_normalize", says="you subtracted the mean but did not divide by the")(
    divided_by(lambda variance, epsilon: 1.0)
)


@wrong("group_normalize", says="you took the last axis for the channels")
def always_the_last_axis(x, groups, axis=-1, epsilon=1e-3):
    return by_examples_and_groups(x, groups, -1, epsilon)


@wrong("group_normalize", says="the result has another shape than `x`")
def channels_left_behind(x, groups, axis=-1, epsilon=1e-3):
    return np.moveaxis(by_examples_and_groups(x, groups, axis, epsilon), axis, -1)


@wrong("group_normalize", says="in place")
def in_place(x, groups, axis=-1, epsilon=1e-3):
    for example in np.moveaxis(x, axis, 1):
        for part in np.split(example, groups):
            part -= part.mean()
            part /= np.sqrt(part.var() + epsilon)
    return x


# --- averaged_axes ----------------------------------------------------------------------------------------


@right("averaged_axes")
def by_poking_everywhere(layer, shape):
    """A poke of every cell, from a constant start, each compared exactly."""
    x = np.ones(shape)
    before = layer(x.copy())
    found = set()
    for cell in np.ndindex(shape):
        poked = x.copy()
        poked[cell] = -3.0
        for other in np.argwhere(layer(poked) != before):
            found |= set(np.flatnonzero(other != cell).tolist())
    return found


@right("averaged_axes")
def by_slices(layer, shape):
    """Change one end of each axis, and look at the other."""
    rng = np.random.default_rng(3)
    found = []
    for axis in range(len(shape)):
        x = rng.uniform(1, 2, shape).astype("float32")
        poked = np.moveaxis(x.copy(), axis, 0)
        poked[0] = rng.uniform(1, 2, poked[0].shape)
        change = layer(np.moveaxis(poked, 0, axis), training=True) - layer(x, training=True)
        if np.abs(np.moveaxis(change, axis, 0)[1:]).sum() > 1e-6:
            found.append(axis - len(shape))
    return found


def poked_at(layer, shape, x=None, threshold=1e-7):
    x = np.random.default_rng(1).normal(size=shape) if x is None else x
    poked = x.copy()
    poked[(0,) * len(shape)] += 1
    return np.argwhere(np.abs(layer(poked) - layer(x)) > threshold)


def along(cells):
    return [axis for axis in range(cells.shape[1]) if cells[:, axis].any()]


@wrong("averaged_axes", says="you returned true or false for each axis")
def a_mask(layer, shape):
    return poked_at(layer, shape).any(axis=0)


@wrong("averaged_axes", says="you returned the other axes")
def the_others(layer, shape):
    return [axis for axis in range(len(shape)) if axis not in along(poked_at(layer, shape))]


@wrong("averaged_axes", says="the output at the changed place always changes")
def the_poked_cell_too(layer, shape):
    x = np.random.default_rng(1).normal(size=shape)
    poked = x.copy()
    poked[(0,) * len(shape)] += 1
    answers = layer(poked) != layer(x)
    return [axis for axis in range(len(shape)) if answers.any(axis=axis).any()]


@wrong("averaged_axes", says="you started from zeros")
def from_zeros(layer, shape):
    return along(poked_at(layer, shape, np.zeros(shape)))


@wrong("averaged_axes", says="lower your threshold")
def only_large_answers(layer, shape):
    return along(poked_at(layer, shape, threshold=1e-2))


@wrong("averaged_axes", says="only the channels of one group change")
def all_along_the_axis(layer, shape):
    x = np.random.default_rng(1).normal(size=shape)
    poked = x.copy()
    poked[(0,) * len(shape)] += 1
    answers = layer(poked) != layer(x)
    lines = [
        answers[tuple(slice(None) if a == axis else 0 for a in range(len(shape)))]
        for axis in range(len(shape))
    ]
    return [axis for axis, line in enumerate(lines) if line.all() and len(line) > 1]


@wrong("averaged_axes", says="the layer got the same values both times")
def no_copy(layer, shape):
    x = np.random.default_rng(1).normal(size=shape)
    poked = x
    poked[(0,) * len(shape)] += 1
    return along(np.argwhere(np.abs(layer(poked) - layer(x)) > 1e-7))


@wrong("averaged_axes", says="you changed all values")
def everything_moved(layer, shape):
    x = np.random.default_rng(1).normal(size=shape)
    return along(np.argwhere(np.abs(layer(x + 1) - layer(x)) > 1e-7))


@wrong("averaged_axes", says="you called the layer once")
def by_looking_once(layer, shape):
    return along(np.argwhere(layer(np.zeros(shape)) != 0))
