"""Stand-ins: small made-up data sets with the shapes of the real ones, for machines without data and network.

The stand-in for MNIST is scikit-learn's real 8×8 handwritten digits, enlarged, slanted and shifted. The
stand-ins for Fashion-MNIST and CIFAR-10 are made from ten smooth random pictures, one for each class. Each
image is the picture of its class, shifted, with its own contrast and with noise. A net learns them, and a
linear model learns them clearly less well. So the lessons run as on real data, but accuracies on a stand-in
say nothing about the real set.

The arrays are equal to the last bit on every machine and with every NumPy. Random numbers are the raw output
of a bit generator, which NumPy promises never to change, and all computations use integers.
"""

import math

import numpy as np

from course_utils import arguments

_SEED = 20_170_825  # any number; another one would make other data sets, and the tests check their digests

# A tenth of the real sets: enough for a net to learn, and made in a second.
SIZES = {"mnist": (6_000, 1_000), "fashion_mnist": (6_000, 1_000), "cifar10": (5_000, 1_000)}

_BATCH = 100  # images computed together: few, so that the arrays fit into the processor's cache


def make_standin(name):
    """Make the stand-in for one data set.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
        The data set that the stand-in replaces.

    Returns
    -------
    dict of str to ndarray
        ``x_train, y_train, x_test, y_test``, all uint8. Images have the shape of the real set's images,
        labels the shape ``(n,)``. There are a tenth as many images as in the real set. The result is the same
        on every call and machine.

    Raises
    ------
    ValueError
        If `name` is not one of the three.

    Notes
    -----
    The handwritten digits are the test part of [1]_, as scikit-learn ships them.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
       Repository, 1998.

    Examples
    --------
    >>> make_standin("fashion_mnist")["x_train"].shape
    (6000, 28, 28)
    """
    arguments.one_of("name", name, tuple(SIZES))
    stream = np.random.PCG64([_SEED, list(SIZES).index(name)])
    return _digits(stream) if name == "mnist" else _pictures(stream, name)


def _below(stream, stop, *shape):
    """Draw integers in [0, stop) from a bit generator."""
    raw = stream.random_raw(math.prod(shape)) >> np.uint64(32)
    return (raw * np.uint64(stop) >> np.uint64(32)).astype(np.int32).reshape(shape)


# --- digits -------------------------------------------------------------------------------------------------


def _digits(stream):
    from sklearn.datasets import load_digits  # the import takes a second, and only this stand-in needs it

    bunch = load_digits()
    images, labels = bunch.images.astype(np.int32), bunch.target.astype(np.uint8)
    # Split the originals before varying them; otherwise the test set would contain variants of training
    # images. The file is ordered by writer, so the last originals are by people who are not in the training
    # set.
    n_originals = 1_500
    n_train, n_test = SIZES["mnist"]
    train = _below(stream, n_originals, n_train)
    test = n_originals + _below(stream, len(labels) - n_originals, n_test)
    return {
        "x_train": _enlarge_all(images[train], stream),
        "y_train": labels[train],
        "x_test": _enlarge_all(images[test], stream),
        "y_test": labels[test],
    }


def _enlarge_all(small, stream):
    return np.concatenate([_enlarge(small[i : i + _BATCH], stream) for i in range(0, len(small), _BATCH)])


def _enlarge(small, stream):
    """Enlarge 8×8 images to 28×28. Each gets its own size, slant and shift. All computations use integers."""
    n = len(small)
    padded = np.pad(small, ((0, 0), (1, 2), (1, 2)))  # so that pixels outside the digit are paper
    # An output pixel (column, row) shows the small image at (u, v), in units of 1/256 of its pixels. The
    # middle of the digit, (3.5, 3.5), goes to (13.5 + shift).
    step = 80 + _below(stream, 40, n, 1, 1)  # 256 / 80: 3.2 times as large; 256 / 119: 2.2 times
    slant = _below(stream, 65, n, 1, 1) - 32
    shift_x, shift_y = (_below(stream, 1_537, n, 1, 1) - 768 for _ in "xy")  # in units of 1/256: ±3 pixels
    pixel = np.arange(28, dtype=np.int32) * 256 - 3_456  # 3456 = 13.5 * 256
    column, row = pixel[None, None, :] - shift_x, pixel[None, :, None] - shift_y
    u = (column * step + row * slant) // 256 + 896  # 896 = 3.5 * 256
    v = np.broadcast_to(row * step // 256 + 896, u.shape)
    # Bilinear interpolation. The clip maps far pixels to the padding.
    u, v = np.clip(u, -256, 2_303) + 256, np.clip(v, -256, 2_303) + 256
    i, j, du, dv = v // 256, u // 256, u % 256, v % 256
    # Flat positions and take() are four times as fast as padded[which, i, j].
    side = padded.shape[1]
    at = (np.arange(n, dtype=np.int32)[:, None, None] * side + i) * side + j
    top = padded.take(at) * (256 - du) + padded.take(at + 1) * du
    bottom = padded.take(at + side) * (256 - du) + padded.take(at + side + 1) * du
    ink = (top * (256 - dv) + bottom * dv) // 4_096  # 16 * 65536 would be full ink; now 256 is
    sharp = np.clip(2 * ink - 128, 0, 255)  # interpolation blurs, but MNIST's strokes have sharp edges
    speckle = _below(stream, 49, *ink.shape) - 24
    return np.clip(sharp + speckle * (sharp > 0), 0, 255).astype(np.uint8)


# --- pictures -----------------------------------------------------------------------------------------------

# These values are chosen so that a small dense net, or a small ConvNet, learns most of the classes, and a
# linear model fewer: width in pixels, channels, largest shift, and noise.
_LOOKS = {"fashion_mnist": (28, 1, 8, 220), "cifar10": (32, 3, 10, 300)}
_GRID = 6  # a picture is this many random numbers across, with smooth transitions
_LOWEST_CONTRAST = 30  # in units of 1/256


def _pictures(stream, name):
    side, channels, shift, grain = _LOOKS[name]
    # Every window of the ten large pictures: [class, down, right, channel, row, column].
    prototypes = _smooth(stream, side + 2 * shift, 10, 1)
    if channels == 3:  # mostly brightness, as in photographs, with some colour
        prototypes = (2 * prototypes + _smooth(stream, side + 2 * shift, 10, channels)) // 3
    windows = np.lib.stride_tricks.sliding_window_view(prototypes, (side, side), axis=(2, 3))
    windows = windows.transpose(0, 2, 3, 1, 4, 5)
    arrays = {}
    for split, n in zip(("train", "test"), SIZES[name], strict=True):
        labels = np.argsort(stream.random_raw(n), kind="stable") % 10  # equally many of each class, shuffled
        images = np.empty((n, side, side, channels), np.uint8)
        for start in range(0, n, _BATCH):
            batch = slice(start, start + _BATCH)
            down, right = _below(stream, 2 * shift + 1, 2, len(labels[batch]))
            picture = windows[labels[batch], down, right]
            contrast = _LOWEST_CONTRAST + _below(stream, 256 - _LOWEST_CONTRAST, len(picture), 1, 1, 1)
            # The sum of two uniform numbers is close enough to the noise of a photograph.
            noise = _below(stream, grain, 2, *picture.shape).sum(0, dtype=np.int32) - (grain - 1)
            level = 0 if channels == 1 else 128  # bright on black, or around grey
            images[batch] = np.clip(level + picture * contrast // 256 + noise, 0, 255).transpose(0, 2, 3, 1)
        arrays[f"x_{split}"] = images[..., 0] if channels == 1 else images
        arrays[f"y_{split}"] = labels.astype(np.uint8)
    return arrays


def _smooth(stream, side, *shape):
    """Draw smooth random pictures with values from -255 to 255 by interpolating a coarse random grid."""
    grid = _below(stream, 511, *shape, _GRID + 1, _GRID + 1) - 255
    place = np.arange(side, dtype=np.int32) * (256 * _GRID) // side  # in units of 1/256 of a grid square
    i, part = place // 256, place % 256
    rows = (grid[..., i, :] * (256 - part)[:, None] + grid[..., i + 1, :] * part[:, None]) // 256
    return (rows[..., i] * (256 - part) + rows[..., i + 1] * part) // 256
