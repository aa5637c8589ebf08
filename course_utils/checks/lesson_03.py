"""Checks of lesson 03: normalization layers."""

import math

import numpy as np

from course_utils.checks.exercise import WrongAnswer, as_array, assert_close, call_answer, exercise, expect


@exercise
def values_per_mean(answer):
    """Count for every normalization of the lesson, batches of one and dense layers included."""
    tried = [
        ((4, 5, 7, 12), (0, 1, 2), None),
        ((4, 5, 7, 12), (1, 2, 3), None),
        ((4, 5, 7, 12), (1, 2), None),
        ((4, 5, 7, 12), (1, 2), 3),
        ((1, 6, 6, 8), (1, 2), 8),
        ((3, 6, 6, 8), (1, 2), 1),
        ((1, 128), (0,), None),
        ((16, 9, 6), (-1,), None),
        ((16, 128), (), 8),
    ]
    for shape, axes, groups in tried:
        lengths = [shape[axis] for axis in axes]
        kept = [
            length for axis, length in enumerate(shape) if axis not in axes and axis - len(shape) not in axes
        ]
        behind, channels = math.prod(lengths), shape[-1]
        mistakes = {
            "you counted the means; count the values that go into each mean": math.prod(kept),
            "you added the lengths of the axes; multiply them": sum(lengths),
        }
        what = f"the number of values in each mean, for the shape {shape} and the axes {axes}"
        if 0 not in axes:
            mistakes["you included the batch; it counts only if 0 is among `axes`"] = behind * shape[0]
        if min(axes, default=0) < 0:
            after = math.prod(shape[axis] for axis in axes if axis >= 0)
            mistakes["you left out a negative axis; it counts from the end"] = after
        arguments = [shape, axes]
        if groups is not None:
            what += f" in {groups} groups"
            arguments.append(groups)
            mistakes = {
                "you left out the channels of the group; they share one mean": behind,
                "you multiplied by `groups`; multiply by the number of channels in a group": behind * groups,
                "you counted all channels; only those of one group share a mean": behind * channels,
                "you counted the means; count the values that go into each mean": math.prod(kept[:-1])
                * groups,
            }
            behind *= channels // groups
        assert_close(what, call_answer(answer, *arguments), behind, mistakes=mistakes)
    return "The counts agree for images, sequences and dense layers, with groups, and for a batch of one."


@exercise
def group_normalize(answer):
    """Compare with sums over the cells of each group, for channels on any axis."""
    rng = np.random.default_rng(2)
    tried = [
        ((4, 5, 3, 6), 3, -1, 1e-3),
        ((2, 6, 4), 2, 1, 1e-3),
        ((3, 12), 4, -1, 0.1),
        ((1, 4, 5, 5), 2, 1, 1e-5),
        ((2, 3, 8, 5), 8, -2, 1e-3),
        ((2, 5, 4), 1, 2, 1e-3),
        ((3, 6), 6, 1, 1e-3),
    ]
    for shape, groups, axis, epsilon in tried:
        # Groups of different means and deviations; with these deviations, epsilon counts.
        channels = np.moveaxis(np.zeros(shape), axis, -1)
        channels = channels + rng.normal(size=shape[axis]) + rng.normal(0, 0.08, channels.shape)
        x = np.moveaxis(channels, -1, axis).copy()
        _compare_groups(answer, x, groups, axis, epsilon)
    x = rng.normal(size=(2, 3, 4))
    x[..., :2] = 5.0
    _compare_groups(answer, x, 2, -1, 1e-3, " whose first group is constant")
    mine = x.copy()
    call_answer(lambda: answer(mine, 2, -1, 1e-3), what="`group_normalize`")
    expect(
        np.array_equal(mine, x),
        "the array `x`, after your function has run",
        "unchanged",
        "changed",
        "you changed the input: `-=` and `/=` work in place",
    )
    return (
        "The values agree for images, sequences and dense layers, with channels on any axis, for a batch of "
        "one and for a constant group."
    )


def _compare_groups(answer, x, groups, axis, epsilon, kind=""):
    """Compare with the right values, and with those of the usual mistakes."""
    what = f"inputs of shape {x.shape}{kind}, {groups} groups, axis={axis}, epsilon={epsilon:g}"
    index = np.indices(x.shape)
    example, channel, count = index[0], index[axis], x.shape[axis]
    group = channel // (count // groups)
    inside = (np.arange(x.ndim) > 0) & (np.arange(x.ndim) != axis % x.ndim)
    position = np.ravel_multi_index(index[inside], np.array(x.shape)[inside]) if inside.any() else 0 * group

    def by(*labels, **options):
        return _standardized(x, labels, epsilon, **options)

    mistakes = {
        "you took channels at regular distances; the channels of a group are neighbours": by(
            example, channel % groups
        ),
        "you used `groups` as the number of channels in a group; it is the number of groups": by(
            example, channel // groups
        ),
        "you averaged over the batch too; each example has its own mean": by(group),
        "you averaged over the channels only; average over all positions too": by(example, group, position),
        "you normalized each channel alone; that is instance normalization": by(example, channel),
        "you normalized the whole example; that is layer normalization": by(example),
        "you divided by n - 1 in the variance; divide by n": by(example, group, ddof=1),
        "you added epsilon to the root; add it to the variance, under the root": by(
            example, group, divisor=lambda variance: np.sqrt(variance) + epsilon
        ),
        "epsilon is missing": by(example, group, divisor=np.sqrt),
        "you used another epsilon than the argument": by(
            example, group, divisor=lambda variance: np.sqrt(variance + 1e-3)
        ),
        "you divided by the variance; divide by its root": by(
            example, group, divisor=lambda variance: variance + epsilon
        ),
        "you subtracted the mean but did not divide by the standard deviation": by(
            example, group, divisor=np.ones_like
        ),
    }
    if axis % x.ndim != x.ndim - 1 and not x.shape[-1] % groups:
        last = index[-1] // (x.shape[-1] // groups)
        mistakes["you took the last axis for the channels; they are on `axis`"] = by(example, last)
    expected = by(example, group)
    found = as_array(what, call_answer(answer, x, groups, axis, epsilon))
    if found.shape != expected.shape:
        cause = "the result has another shape than `x`; reshape it back, and move the channels back to `axis`"
        raise WrongAnswer(what, f"the shape {expected.shape}", f"{found.shape}", cause)
    assert_close(what, found, expected, mistakes=mistakes, rtol=1e-3, atol=1e-4)


def _standardized(x, labels, epsilon, *, ddof=0, divisor=None):
    """Standardize among the cells whose labels agree."""
    divisor = divisor or (lambda variance: np.sqrt(variance + epsilon))
    cells = np.unique(np.stack([label.ravel() for label in labels], axis=1), axis=0, return_inverse=True)[1]
    cells = cells.ravel()
    size = np.bincount(cells)
    centred = x.ravel() - (np.bincount(cells, x.ravel()) / size)[cells]
    variance = np.bincount(cells, centred**2) / (size - ddof)
    return (centred / divisor(variance)[cells]).reshape(x.shape)


@exercise
def averaged_axes(answer):
    """Pass layers that hide their axes, and record how the learner calls them."""
    image = (3, 4, 5, 6)
    tried = [
        ("batch normalization", image, _Layer((0, 1, 2)), (0, 1, 2)),
        ("layer normalization of a sequence", (4, 7, 5), _Layer((2,)), (2,)),
        ("instance normalization, scaled by 0.01", image, _Layer((1, 2), scale=0.01), (1, 2)),
        ("group normalization, two groups", image, _Layer((1, 2), groups=2), (1, 2, 3)),
        ("RMS normalization", (8, 10), _Layer((1,), centred=False), (1,)),
        ("batch normalization of a dense layer", (8, 10), _Layer((0,)), (0,)),
        ("layer normalization, a batch of one", (1, 4, 5, 6), _Layer((1, 2, 3)), (1, 2, 3)),
        ("tanh, which averages over nothing", image, _Layer(None), ()),
    ]
    for name, shape, layer, axes in tried:
        what = f"the axes for {name}, inputs of shape {shape}"
        found = call_answer(answer, layer, shape)
        if isinstance(found, set | frozenset):
            found = sorted(found)
        found = as_array(what, found).ravel()
        rank = len(shape)
        is_mask = found.dtype == bool or (rank > 2 and found.size == rank and set(found.tolist()) <= {0, 1})
        expect(
            not is_mask,
            what,
            f"{axes}",
            f"{tuple(found.tolist())}",
            "you returned true or false for each axis; return the numbers of the true ones",
        )
        given = {axis % rank for axis in found.tolist()}
        expect(
            given == set(axes),
            what,
            f"{axes}",
            f"{tuple(found.tolist())}",
            _why(layer, given, set(axes), rank),
        )
    return "You found the axes of seven normalizations, and of a layer that averages over nothing, by poking."


def _why(layer, given, axes, rank):
    """The likely cause, from what was answered and from what the layer was shown."""
    everything = set(range(rank))
    changes = [a != b for a, b in zip(layer.seen, layer.seen[1:], strict=False) if a.shape == b.shape]
    if not given:
        if not changes:
            return "you called the layer once; call it without and with one changed value, and compare"
        if not any(change.any() for change in changes):
            return "the layer got the same values both times; `poked = x` is not a copy, `x.copy()` is"
        if all(change.all() for change in changes if change.any()):
            return "you changed all values, and subtracting the mean removes that; change one value only"
    if any(not values.any() for values in layer.seen) and not layer.centred:
        return "you started from zeros, and a layer that only divides leaves all other zeros at zero"
    if given == everything > axes:
        return "the output at the changed place always changes; look at the other places"
    if given == everything - axes:
        return "you returned the other axes: those along which no other output changes"
    if layer.scale < 1 and given < axes:
        return "the layer scales its output by 0.01, so the changes are small; lower your threshold"
    if layer.groups and given == axes - {rank - 1}:
        return "only the channels of one group change; a change in some channels is enough for that axis"
    return ""


class _Layer:
    """A normalization layer that hides its axes and records its inputs."""

    def __init__(self, axes, *, groups=None, scale=1.0, centred=True):
        self.axes, self.groups, self.scale, self.centred = axes, groups, scale, centred
        self.seen = []

    def __call__(self, inputs, training=None):
        x = np.array(inputs, dtype="float64")
        self.seen.append(x.copy())
        if self.axes is None:
            return np.tanh(x)
        over = x.reshape(*x.shape[:-1], self.groups, -1) if self.groups else x
        axes = (*self.axes, over.ndim - 1) if self.groups else self.axes
        if self.centred:
            over = over - over.mean(axis=axes, keepdims=True)
        over = over / np.sqrt((over**2).mean(axis=axes, keepdims=True) + 1e-3)
        return self.scale * over.reshape(x.shape)
