"""Small drawn data sets of the same shapes, for machines with no data and no network.

MNIST's stand-in is scikit-learn's real 8×8 handwritten digits, enlarged, slanted and moved about. Those of
Fashion-MNIST and CIFAR-10 are drawn here: garments and little scenes made of ellipses, boxes and strokes,
each with its own place, size, colours and noise. A net learns them and a linear model learns them clearly
less, so the lessons behave as they do on real data; accuracies on a stand-in say nothing about the real set.

The arrays are the same bits on every machine and NumPy: random numbers come from ``Generator.random`` alone,
and pictures from integers or from float32 additions, products, quotients and square roots taken element by
element, which IEEE 754 defines exactly. Sines, exponentials, sums and matrix products would not be.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

_SEED = 20_170_825  # any number; it is part of the data sets' definition, as the tests' digests are

# A tenth of the real sets: enough for a net to learn, few enough to be drawn in a second.
SIZES = {"mnist": (6_000, 1_000), "fashion_mnist": (6_000, 1_000), "cifar10": (5_000, 1_000)}

# Pictures are drawn this many at a time, so that the arrays in hand stay in the processor's cache.
_BATCH = 100


def make_standin(name: str) -> dict[str, np.ndarray]:
    """Make the stand-in for one data set.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
        The data set to stand in for.

    Returns
    -------
    dict of str to ndarray
        ``x_train, y_train, x_test, y_test``, all uint8: images shaped as the real set's, labels of shape
        ``(n,)``, a tenth of the real set's size, the same on every call and machine.

    Raises
    ------
    ValueError
        If `name` is none of the three.

    Notes
    -----
    The handwritten digits are the test part of [1]_, as scikit-learn ships them.

    References
    ----------
    .. [1] E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning
       Repository, 1998.

    Examples
    --------
    >>> from course_utils.standins import make_standin
    >>> make_standin("fashion_mnist")["x_train"].shape
    (6000, 28, 28)
    """
    if name == "mnist":
        return _digits()
    if name == "fashion_mnist":
        return _drawn(name, _GARMENTS, size=28, channels=1)
    if name == "cifar10":
        return _drawn(name, _SCENES, size=32, channels=3)
    raise ValueError(f"name must be one of {', '.join(SIZES)}; received {name!r}")


# --- digits -------------------------------------------------------------------------------------------------


def _digits() -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits  # takes a second to import, and only this stand-in needs it

    bunch = load_digits()
    images, labels = bunch.images.astype(np.int32), bunch.target.astype(np.uint8)
    # Split the originals before they are varied, or the test set would hold cousins of training images.
    # The file is ordered by writer: the last originals are by people whom the training set has not seen.
    n_originals = 1_500
    rng = np.random.default_rng(_SEED)
    n_train, n_test = SIZES["mnist"]
    train = _below(rng, n_originals, n_train)
    test = n_originals + _below(rng, len(labels) - n_originals, n_test)
    return {
        "x_train": _enlarge_all(images[train], rng),
        "y_train": labels[train],
        "x_test": _enlarge_all(images[test], rng),
        "y_test": labels[test],
    }


def _below(rng: np.random.Generator, stop: int, n: int) -> np.ndarray:
    """Draw n integers in [0, stop)."""
    return np.floor(rng.random(n) * stop).astype(np.int32)


def _enlarge_all(small: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([_enlarge(small[i : i + _BATCH], rng) for i in range(0, len(small), _BATCH)])


def _enlarge(small: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Enlarge 8×8 images to 28×28, each with its own size, slant and place, in integers throughout."""
    n = len(small)
    padded = np.pad(small, ((0, 0), (1, 2), (1, 2)))  # so that sampling outside the digit finds paper
    # An output pixel (column, row) shows the small image at (u, v), in 256ths of its pixels. The middle of
    # the digit, (3.5, 3.5), goes to (13.5 + shift).
    step = 80 + _below(rng, 40, n)[:, None, None]  # 256 / 80: 3.2 times as large; 256 / 119: 2.2 times
    slant = (_below(rng, 65, n) - 32)[:, None, None]
    shift_x, shift_y = (_below(rng, 1_537, n)[:, None, None] - 768 for _ in "xy")  # in 256ths: ±3 pixels
    pixel = np.arange(28, dtype=np.int32) * 256 - 3_456  # 3456 = 13.5 * 256
    column, row = pixel[None, None, :] - shift_x, pixel[None, :, None] - shift_y
    u = (column * step + row * slant) // 256 + 896  # 896 = 3.5 * 256
    v = np.broadcast_to(row * step // 256 + 896, u.shape)
    # Bilinear interpolation; the clip keeps far-off pixels on the padding.
    u, v = np.clip(u, -256, 2_303) + 256, np.clip(v, -256, 2_303) + 256
    i, j, du, dv = v // 256, u // 256, u % 256, v % 256
    # Flat positions and take() are four times as fast as padded[which, i, j].
    side = padded.shape[1]
    at = (np.arange(n, dtype=np.int32)[:, None, None] * side + i) * side + j
    top = padded.take(at) * (256 - du) + padded.take(at + 1) * du
    bottom = padded.take(at + side) * (256 - du) + padded.take(at + side + 1) * du
    ink = (top * (256 - dv) + bottom * dv) // 4_096  # 16 * 65536 would be full ink; now 256 is
    sharp = np.clip(2 * ink - 128, 0, 255)  # interpolation blurs; MNIST's strokes have edges
    speckle = _below(rng, 49, ink.size).reshape(ink.shape) - 24
    return np.clip(sharp + speckle * (sharp > 0), 0, 255).astype(np.uint8)


# --- drawing ------------------------------------------------------------------------------------------------


class _Pictures:
    """A batch of pictures drawn at once, each in coordinates of its own.

    Coordinates run from -1 to 1 to the right (``x``) and downwards (``y``). Shapes give masks: how much of
    each pixel they cover, 0 to 1, with an edge about a pixel soft, so that slanted lines show no stairs.
    Numbers are Python floats or float32 arrays of shape (n, 1, 1); colours have shape (channels, n, 1, 1).
    """

    def __init__(self, rng: np.random.Generator, n: int, size: int, channels: int) -> None:
        self.rng, self.n, self.size, self.channels = rng, n, size, channels
        line = (np.arange(size, dtype=np.float32) * 2 + (1 - size)) / size
        self._column, self._row = line[None, None, :], line[None, :, None]
        self.image = np.zeros((channels, n, size, size), np.float32)
        self.whole_picture()

    def whole_picture(self) -> None:
        """Draw in the coordinates of the picture itself: for backgrounds."""
        self.x, self.y = self._column, self._row

    def thing(self, scale: tuple, shift: tuple, turn: float = 0.0, mirror: bool = False) -> None:
        """Draw in coordinates scaled, shifted, turned and mirrored at random: for the thing shown."""
        scale, turn = self.number(*scale), self.number(-turn, turn)
        x = (self._column - self.number(-shift[0], shift[0])) / scale
        y = (self._row - self.number(-shift[1], shift[1])) / scale
        # Half the angle's tangent gives its sine and cosine without trigonometry, hence exactly.
        half = turn / 2
        sine, cosine = 2 * half / (1 + half * half), (1 - half * half) / (1 + half * half)
        self.x, self.y = cosine * x + sine * y, cosine * y - sine * x
        if mirror:
            self.x = self.x * self.either(1, -1)

    def number(self, low: float, high: float) -> np.ndarray:
        return (low + (high - low) * self.rng.random((self.n, 1, 1))).astype(np.float32)

    def either(self, one: float, other: float, chance: float = 0.5) -> np.ndarray:
        return np.where(self.rng.random((self.n, 1, 1)) < chance, np.float32(one), np.float32(other))

    def colour(self, *choices: tuple[int, ...], spread: int = 25) -> np.ndarray:
        """Pick one of the colours for each picture, and vary it by up to `spread` in each channel."""
        which = np.floor(self.rng.random(self.n) * len(choices)).astype(np.int64)
        picked = np.asarray(choices, np.float32)[which].T[:, :, None, None]
        vary = (self.rng.random((self.channels, self.n, 1, 1)) - 0.5) * (2 * spread)
        return picked + vary.astype(np.float32)

    def paint(self, mask: np.ndarray, colour: np.ndarray | float) -> None:
        self.image += mask * (colour - self.image)

    def _mask(self, inside: np.ndarray) -> np.ndarray:
        """Turn the distance to the edge, positive inside, into the covered part of each pixel."""
        return np.clip(inside * (self.size / 2) + 0.5, 0, 1)

    def ellipse(self, cx, cy, rx, ry) -> np.ndarray:
        dx, dy = (self.x - cx) / rx, (self.y - cy) / ry
        return self._mask((1 - np.sqrt(dx * dx + dy * dy)) * np.minimum(rx, ry))

    def box(self, left, right, top, bottom) -> np.ndarray:
        across = np.minimum(self.x - left, right - self.x)
        return self._mask(np.minimum(across, np.minimum(self.y - top, bottom - self.y)))

    def taper(self, cx, top, bottom, wide_top, wide_bottom) -> np.ndarray:
        """A trapezium with level top and bottom; the widths are measured from the middle ``cx``."""
        half = wide_top + (wide_bottom - wide_top) * ((self.y - top) / (bottom - top))
        across = half - np.abs(self.x - cx)
        return self._mask(np.minimum(across, np.minimum(self.y - top, bottom - self.y)))

    def stroke(self, x0, y0, x1, y1, thick) -> np.ndarray:
        """A line with round ends; ``thick`` is half its width."""
        ax, ay = x1 - x0, y1 - y0
        along = np.clip(((self.x - x0) * ax + (self.y - y0) * ay) / (ax * ax + ay * ay), 0, 1)
        dx, dy = self.x - x0 - along * ax, self.y - y0 - along * ay
        return self._mask(thick - np.sqrt(dx * dx + dy * dy))

    def finish(self, grain: float) -> np.ndarray:
        """Add grain, brightness and contrast; return uint8 images, channels last."""
        shape = self.image.shape
        # Three uniform numbers make a bell shape near enough to a photograph's noise.
        noise = self.rng.random((3, *shape), dtype=np.float32)
        noise = (noise[0] + noise[1] + noise[2] - np.float32(1.5)) * np.float32(2 * grain)
        return np.clip(self.image + noise, 0, 255).astype(np.uint8).transpose(1, 2, 3, 0)


def _drawn(name: str, drawers: tuple[Callable, ...], size: int, channels: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([_SEED, size])
    arrays = {}
    for split, n in zip(("train", "test"), SIZES[name], strict=True):
        # As many of each class, in a shuffled order.
        labels = (np.arange(n) % len(drawers))[np.argsort(rng.random(n), kind="stable")].astype(np.uint8)
        images = np.empty((n, size, size, channels), np.uint8)
        for label, drawer in enumerate(drawers):
            members = np.flatnonzero(labels == label)
            for start in range(0, len(members), _BATCH):
                batch = members[start : start + _BATCH]
                pictures = _Pictures(rng, len(batch), size, channels)
                images[batch] = drawer(pictures)
        arrays[f"x_{split}"] = images[..., 0] if channels == 1 else images
        arrays[f"y_{split}"] = labels
    return arrays


# --- Fashion-MNIST's garments: light on black, seen from the front, shoes from the side --------------------

_BLACK = 0.0


def _garment(p: _Pictures) -> np.ndarray:
    """Choose where the garment lies; return its grey."""
    p.thing(scale=(0.62, 1.0), shift=(0.28, 0.28), turn=0.2)
    return p.number(90, 240)[None]


def _cloth(p: _Pictures) -> np.ndarray:
    """Give half of the garments stripes across, then the grain of cloth."""
    stripe = np.abs((p.y * p.number(2, 7)) % 1 - 0.5) * 2
    p.paint(p.either(0.0, 1.0, 0.6) * p.number(0, 0.45) * stripe, p.image * p.number(0.3, 0.8))
    p.image *= p.image > 8
    return _worn(p)


def _worn(p: _Pictures) -> np.ndarray:
    """Light from one side, and grain on the garment but not on the black around it."""
    p.image *= 1 + p.number(-0.3, 0.3) * p.x
    lit = p.image > 8
    finished = p.finish(grain=22)
    return finished * lit.transpose(1, 2, 3, 0)


def _sleeves(p: _Pictures, grey, end_x, end_y, thick) -> None:
    for side in (-1, 1):
        p.paint(p.stroke(side * 0.36, -0.64, side * end_x, end_y, thick), grey)


def _torso(p: _Pictures, grey, bottom, wide) -> None:
    p.paint(p.taper(0, -0.82, bottom, wide * 0.95, wide), grey)


def _tshirt(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    _sleeves(p, grey, p.number(0.6, 0.85), p.number(-0.4, -0.05), p.number(0.15, 0.22))
    _torso(p, grey, p.number(0.6, 0.92), p.number(0.38, 0.52))
    p.paint(p.ellipse(0, -0.85, p.number(0.16, 0.28), p.number(0.1, 0.3)), _BLACK)
    return _cloth(p)


def _trouser(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    spread, thick = p.number(0.16, 0.36), p.number(0.11, 0.2)
    for side in (-1, 1):
        p.paint(p.stroke(side * 0.17, -0.7, side * spread, p.number(0.6, 0.9), thick), grey)
    p.paint(p.box(-0.33, 0.33, -0.9, -0.5), grey * p.number(0.75, 1.1))
    return _cloth(p)


def _pullover(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    _sleeves(p, grey * p.number(0.7, 1.05), p.number(0.72, 0.95), p.number(0.2, 0.75), p.number(0.11, 0.17))
    bottom = p.number(0.6, 0.92)
    _torso(p, grey, bottom, p.number(0.36, 0.48))
    p.paint(p.box(-0.5, 0.5, bottom - 0.14, bottom - 0.08) * p.number(0, 0.8), grey * 0.5)  # ribbed hem
    p.paint(p.ellipse(0, -0.86, p.number(0.14, 0.22), p.number(0.06, 0.14)), _BLACK)
    return _cloth(p)


def _dress(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    waist, level = p.number(0.16, 0.3), p.number(-0.25, 0.1)
    arms = p.either(0.0, 1.0, 0.5)  # some have short sleeves
    for side in (-1, 1):
        p.paint(arms * p.stroke(side * 0.25, -0.7, side * 0.5, p.number(-0.5, 0.3), 0.1), grey)
    p.paint(p.taper(0, -0.92, level, p.number(0.24, 0.38), waist), grey)
    p.paint(p.taper(0, level - 0.04, 0.94, waist, p.number(0.28, 0.6)), grey)
    p.paint(p.ellipse(0, -0.94, p.number(0.1, 0.2), p.number(0.1, 0.3)), _BLACK)
    return _cloth(p)


def _coat(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    _sleeves(p, grey * p.number(0.7, 1.05), p.number(0.68, 0.92), p.number(0.25, 0.75), p.number(0.12, 0.18))
    _torso(p, grey, p.number(0.75, 0.98), p.number(0.38, 0.52))
    p.paint(p.taper(0, -0.85, p.number(-0.5, -0.1), 0.2, 0.01), grey * p.number(0.1, 0.6))  # lapels
    p.paint(p.box(-0.03, 0.03, -0.5, 1) * p.number(0.6, 1), grey * p.number(0.1, 0.6))  # where it opens
    return _cloth(p)


def _shirt(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    long = p.either(1.0, 0.0, 0.6)
    _sleeves(p, grey, p.number(0.7, 0.85), -0.2 + long * p.number(0.4, 0.85), p.number(0.12, 0.19))
    _torso(p, grey, p.number(0.6, 0.92), p.number(0.36, 0.5))
    p.paint(p.taper(0, -0.86, p.number(-0.65, -0.4), 0.16, 0.01), _BLACK)
    for button in range(5):
        p.paint(p.ellipse(0, -0.42 + 0.25 * button, 0.055, 0.055) * p.number(0.6, 1), grey * 0.25)
    return _cloth(p)


def _sandal(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    heel, thick = p.number(0.0, 0.5), p.number(0.05, 0.09)
    back = 0.42 - heel  # the height of the sole under the heel
    p.paint(p.stroke(-0.88, 0.5, -0.15, 0.46, thick), grey)
    p.paint(p.stroke(-0.15, 0.46, 0.72, back, thick), grey)
    p.paint(p.stroke(0.74, back, 0.8, 0.5, 0.06), grey * 0.9)
    toe = p.number(-0.05, 0.25)
    p.paint(p.stroke(-0.75, 0.45, -0.4, toe, thick), grey * p.number(0.7, 1))
    p.paint(p.stroke(-0.4, toe, -0.1, 0.42, thick), grey * p.number(0.7, 1))
    ankle = back - p.number(0.3, 0.5)
    p.paint(p.stroke(0.7, back, 0.74, ankle, 0.06), grey)
    p.paint(p.stroke(0.74, ankle, 0.25, ankle + p.number(0.05, 0.3), 0.055), grey)
    return _worn(p)


def _foot(p: _Pictures, grey) -> None:
    """What sneakers and boots share: the toe points to the left, as in the real set."""
    p.paint(p.ellipse(-0.45, 0.3, p.number(0.35, 0.46), p.number(0.2, 0.28)), grey)
    p.paint(p.taper(0.1, 0.05, 0.5, p.number(0.4, 0.5), 0.66), grey)


def _sneaker(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    _foot(p, grey)
    collar = p.number(-0.3, -0.05)
    p.paint(p.stroke(-0.35, 0.25, 0.2, collar + 0.1, 0.18), grey)  # the tongue's slope
    p.paint(p.taper(0.48, collar, 0.3, 0.26, 0.3), grey)
    p.paint(p.ellipse(0.42, collar - 0.02, 0.2, 0.1), _BLACK)
    p.paint(p.box(-0.9, 0.82, 0.42, p.number(0.52, 0.62)), p.number(60, 250)[None])  # sole
    for lace in range(3):
        x, y = -0.36 + 0.16 * lace, 0.14 - 0.1 * lace
        p.paint(p.stroke(x, y + 0.14, x + 0.1, y - 0.08, 0.035), grey * p.number(0.2, 0.5))
    return _worn(p)


def _bag(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    wide, top = p.number(0.5, 0.85), p.number(-0.35, 0.05)
    arch, handle = p.number(0.25, 0.5), p.number(0.25, 0.6)
    ring = p.ellipse(0, top, arch, handle) - p.ellipse(0, top, arch - 0.1, handle - 0.1)
    p.paint(ring, grey * p.number(0.6, 1))
    p.paint(p.taper(0, top, p.number(0.5, 0.85), wide * p.number(0.7, 1), wide), grey)
    p.paint(p.box(-wide, wide, top + 0.2, top + 0.27) * p.number(0, 0.9), grey * 0.5)  # the flap
    return _cloth(p)


def _boot(p: _Pictures) -> np.ndarray:
    grey = _garment(p)
    _foot(p, grey)
    p.paint(p.taper(0.42, p.number(-0.95, -0.35), 0.3, p.number(0.27, 0.38), 0.33), grey)
    sole = p.number(0.3, 1.1)
    p.paint(p.box(-0.88, 0.3, 0.44, 0.53), grey * sole)
    p.paint(p.taper(0.55, 0.44, p.number(0.54, 0.78), 0.22, 0.17), grey * sole)  # heel
    return _worn(p)


_GARMENTS = (_tshirt, _trouser, _pullover, _dress, _coat, _sandal, _shirt, _sneaker, _bag, _boot)


# --- CIFAR-10's scenes --------------------------------------------------------------------------------------

_SKY = ((120, 180, 235), (175, 205, 230), (200, 200, 205), (235, 190, 150), (90, 120, 170))
_LAND = ((95, 140, 60), (130, 150, 80), (165, 145, 100), (90, 110, 70), (200, 190, 160))
_ROAD = ((110, 110, 115), (145, 140, 135), (85, 85, 90), (170, 165, 150))
_WALL = ((190, 170, 150), (150, 110, 90), (110, 120, 140), (215, 210, 200), (120, 140, 100), (80, 70, 70))
_FUR = ((150, 100, 60), (60, 50, 45), (200, 170, 130), (225, 220, 210), (120, 115, 115), (185, 120, 60))
_PAINT = (
    (200, 40, 40),
    (40, 70, 170),
    (230, 230, 230),
    (40, 40, 45),
    (225, 185, 50),
    (60, 130, 80),
    (160, 165, 170),
)
_DARK = ((30, 30, 32),)


def _backdrop(p: _Pictures, above: tuple, below: tuple, horizon: tuple[float, float]) -> None:
    """Fill the picture: one colour above the horizon, another below, with soft patches on both."""
    p.whole_picture()
    p.paint(np.float32(1), p.colour(*above, spread=30))
    p.image += 25 * p.number(-1, 1) * p.y
    level = p.number(*horizon)
    p.paint(p.box(-3, 3, level, 3), p.colour(*below, spread=30))
    for _ in range(3):
        patch = p.ellipse(p.number(-1, 1), p.number(-1, 1), p.number(0.2, 0.7), p.number(0.1, 0.4))
        p.paint(patch * p.number(0.1, 0.5), p.colour(*above, *below, (255, 255, 255), spread=40))


def _photo(p: _Pictures) -> np.ndarray:
    """Light and haze differ from picture to picture, as exposure does."""
    p.image = (p.image - 128) * p.number(0.6, 1.1) + (128 + p.number(-30, 30))
    return p.finish(grain=14)


def _airplane(p: _Pictures) -> np.ndarray:
    _backdrop(p, _SKY, _SKY + _LAND, (0.5, 1.6))
    p.thing(scale=(0.55, 0.95), shift=(0.25, 0.3), turn=0.5, mirror=True)
    body = p.colour((235, 235, 240), (170, 175, 185), (90, 95, 110), (200, 60, 60))
    thick = p.number(0.1, 0.17)
    p.paint(p.stroke(-0.05, -0.02, 0.35, p.number(-0.5, -0.35), 0.06), body * 0.75)  # far wing
    p.paint(p.stroke(0.72, 0, 0.9, p.number(-0.5, -0.3), 0.08), body * 0.85)  # tail fin
    p.paint(p.stroke(-0.8, 0.03, 0.85, -0.03, thick), body)
    p.paint(p.stroke(-0.1, 0.05, 0.4, p.number(0.4, 0.65), 0.085), body * 0.65)  # near wing
    p.paint(p.stroke(-0.5, -0.02, 0.5, -0.05, 0.03), p.colour(*_DARK) + 30)  # windows
    return _photo(p)


def _wheels(p: _Pictures, places: tuple[float, ...], radius: float) -> None:
    for x in places:
        p.paint(p.ellipse(x, 0.42, radius, radius), p.colour(*_DARK, spread=10))
        p.paint(p.ellipse(x, 0.42, radius * 0.45, radius * 0.45), p.colour((160, 160, 165)))


def _automobile(p: _Pictures) -> np.ndarray:
    _backdrop(p, _SKY + _WALL, _ROAD + _LAND, (-0.2, 0.4))
    p.thing(scale=(0.6, 1.0), shift=(0.2, 0.25), turn=0.12, mirror=True)
    body = p.colour(*_PAINT)
    cabin, roof = p.number(-0.05, 0.2), p.number(-0.45, -0.25)
    p.paint(p.taper(cabin, roof, 0.05, 0.32, 0.58), body * 0.9)
    p.paint(p.taper(cabin - 0.17, roof + 0.07, 0.02, 0.12, 0.24), p.colour((90, 110, 130), (40, 45, 50)))
    p.paint(p.taper(cabin + 0.22, roof + 0.07, 0.02, 0.12, 0.22), p.colour((90, 110, 130), (40, 45, 50)))
    p.paint(p.box(-0.9, 0.88, 0.0, 0.4), body)
    p.paint(p.ellipse(-0.86, 0.14, 0.09, 0.07), p.colour((250, 240, 190)))  # headlight
    _wheels(p, (-0.5, 0.5), 0.2)
    return _photo(p)


def _bird(p: _Pictures) -> np.ndarray:
    _backdrop(p, _SKY + _LAND, _LAND + _WALL, (0.2, 1.6))
    p.thing(scale=(0.5, 0.9), shift=(0.25, 0.25), turn=0.45, mirror=True)
    feather = p.colour(*_FUR, (70, 110, 190), (200, 60, 50), (220, 190, 60))
    for leg in (-0.08, 0.1):
        p.paint(p.stroke(leg, 0.3, leg + 0.04, 0.75, 0.035), p.colour((200, 140, 60), (70, 60, 50)))
    p.paint(p.stroke(0.4, 0.1, 0.95, p.number(0.1, 0.4), 0.09), feather * 0.7)  # tail
    p.paint(p.ellipse(0.02, 0.08, p.number(0.45, 0.58), p.number(0.28, 0.38)), feather)
    p.paint(p.ellipse(-0.15, 0.2, 0.3, 0.18), feather * 0.5 + 110)  # breast
    p.paint(p.ellipse(0.18, p.number(-0.1, 0.1), 0.34, 0.16), feather * 0.6)  # wing
    p.paint(p.ellipse(-0.45, -0.3, 0.22, 0.21), feather * 0.9)
    p.paint(p.stroke(-0.66, -0.28, -0.88, -0.22, 0.055), p.colour((230, 170, 50), (60, 55, 50)))
    p.paint(p.ellipse(-0.5, -0.35, 0.055, 0.055), p.colour(*_DARK, spread=10))
    return _photo(p)


def _face(p: _Pictures, width, eyes_y: float, iris: np.ndarray) -> None:
    for side in (-1, 1):
        p.paint(p.ellipse(side * width * 0.45, eyes_y, 0.1, 0.09), iris)
        p.paint(p.ellipse(side * width * 0.45, eyes_y, 0.05, 0.07), p.colour(*_DARK, spread=10))


def _cat(p: _Pictures) -> np.ndarray:
    _backdrop(p, _WALL, _WALL + _LAND, (0.1, 1.2))
    p.thing(scale=(0.6, 1.0), shift=(0.25, 0.2), turn=0.25, mirror=True)
    fur, wide = p.colour(*_FUR), p.number(0.42, 0.55)
    p.paint(p.ellipse(p.number(0.1, 0.5), 0.85, 0.6, 0.6), fur * 0.85)  # body behind
    for side in (-1, 1):
        ear = p.taper(side * 0.36, -0.85, -0.2, 0.01, 0.27)
        p.paint(ear, fur * 0.9)
        p.paint(p.taper(side * 0.36, -0.66, -0.25, 0.01, 0.13), p.colour((200, 140, 135)))
    p.paint(p.ellipse(0, 0, wide, p.number(0.38, 0.46)), fur)
    for stripe in (-0.14, 0.0, 0.14):  # some are tabbies
        p.paint(p.stroke(stripe, -0.38, stripe, -0.2, 0.04) * p.number(-0.6, 0.9).clip(0, 1), fur * 0.4)
    _face(p, wide, -0.05, p.colour((190, 200, 80), (110, 170, 120), (220, 170, 60)))
    p.paint(p.ellipse(0, 0.16, 0.07, 0.05), p.colour((215, 130, 130)))
    for side in (-1, 1):
        p.paint(p.stroke(side * 0.15, 0.2, side * 0.6, p.number(0.1, 0.3), 0.02), p.colour((235, 235, 230)))
    return _photo(p)


def _dog(p: _Pictures) -> np.ndarray:
    _backdrop(p, _WALL + _LAND, _WALL + _LAND, (0.1, 1.2))
    p.thing(scale=(0.6, 1.0), shift=(0.25, 0.2), turn=0.25, mirror=True)
    fur, wide = p.colour(*_FUR), p.number(0.4, 0.5)
    p.paint(p.ellipse(p.number(0.1, 0.5), 0.9, 0.6, 0.6), fur * 0.85)
    p.paint(p.ellipse(0, -0.02, wide, p.number(0.42, 0.52)), fur)
    ear = p.number(0.1, 0.4)
    for side in (-1, 1):  # ears that hang
        p.paint(p.stroke(side * 0.4, -0.32, side * 0.54, ear, 0.15), fur * p.number(0.45, 0.75))
    _face(p, wide, -0.12, p.colour((90, 60, 40)))
    p.paint(p.ellipse(0, 0.24, p.number(0.2, 0.28), p.number(0.2, 0.26)), fur * 0.5 + 105)  # muzzle
    p.paint(p.ellipse(0, 0.14, 0.11, 0.075), p.colour(*_DARK, spread=10))
    p.paint(p.ellipse(0.02, 0.42, 0.08, 0.13) * p.either(0.0, 1.0), p.colour((215, 100, 110)))  # tongue
    return _photo(p)


def _four_legs(p: _Pictures, coat: np.ndarray, thick: float) -> None:
    for x in (-0.38, -0.25, 0.3, 0.42):
        p.paint(p.stroke(x, 0.15, x + p.number(-0.1, 0.1), 0.85, thick), coat * p.number(0.65, 0.95))


def _deer(p: _Pictures) -> np.ndarray:
    _backdrop(p, _LAND + _SKY, _LAND, (-0.4, 0.5))
    p.thing(scale=(0.6, 0.95), shift=(0.2, 0.15), turn=0.15, mirror=True)
    coat = p.colour((165, 115, 70), (140, 100, 70), (190, 145, 100))
    _four_legs(p, coat, 0.045)
    p.paint(p.ellipse(0.05, 0.08, p.number(0.46, 0.55), p.number(0.2, 0.26)), coat)
    p.paint(p.ellipse(0.05, 0.18, 0.35, 0.1), coat * 0.5 + 100)  # pale belly
    head = p.number(-0.55, -0.4)
    p.paint(p.stroke(-0.4, 0.0, -0.58, head, 0.1), coat)
    p.paint(p.stroke(-0.58, head, -0.8, head + 0.1, 0.09), coat * 0.95)
    antlers = p.either(1.0, 0.0, 0.75)
    for reach in (-0.72, -0.4):
        horn = p.colour((210, 190, 150), (110, 85, 60))
        p.paint(antlers * p.stroke(-0.56, head, reach, head - 0.38, 0.035), horn)
        p.paint(antlers * p.stroke(reach * 0.5 - 0.28, head - 0.19, reach + 0.14, head - 0.3, 0.03), horn)
    p.paint(p.ellipse(0.58, 0.02, 0.07, 0.1), p.colour((240, 235, 225)))  # tail
    return _photo(p)


def _frog(p: _Pictures) -> np.ndarray:
    _backdrop(p, _LAND + _WALL, _LAND + _SKY, (-0.5, 1.0))
    p.thing(scale=(0.6, 0.95), shift=(0.25, 0.25), turn=0.25, mirror=True)
    skin = p.colour((90, 150, 50), (120, 140, 60), (130, 105, 70), (60, 120, 80), (170, 150, 90))
    for side in (-1, 1):
        p.paint(p.ellipse(side * 0.6, 0.32, 0.3, p.number(0.2, 0.3)), skin * 0.8)  # folded hind legs
        p.paint(p.stroke(side * 0.5, 0.55, side * 0.85, 0.6, 0.07), skin * 0.7)
    p.paint(p.ellipse(0, 0.15, p.number(0.55, 0.68), p.number(0.38, 0.5)), skin)
    p.paint(p.ellipse(0, 0.38, 0.4, 0.2), skin * 0.5 + 110)  # throat
    p.paint(p.stroke(-0.4, 0.18, 0.4, 0.18, 0.03), skin * 0.4)  # mouth
    for side in (-1, 1):
        p.paint(p.ellipse(side * 0.3, -0.3, 0.19, 0.18), skin * 0.9)
        p.paint(p.ellipse(side * 0.3, -0.32, 0.11, 0.11), p.colour((225, 190, 70), (230, 230, 210)))
        p.paint(p.ellipse(side * 0.3, -0.32, 0.06, 0.06), p.colour(*_DARK, spread=10))
    return _photo(p)


def _horse(p: _Pictures) -> np.ndarray:
    _backdrop(p, _SKY + _LAND + _WALL, _LAND, (-0.4, 0.5))
    p.thing(scale=(0.65, 1.0), shift=(0.2, 0.15), turn=0.15, mirror=True)
    coat, hair = p.colour(*_FUR[:4], (120, 70, 40)), p.colour((40, 30, 25), (225, 200, 150))
    _four_legs(p, coat, 0.075)
    p.paint(p.stroke(0.5, -0.05, 0.72, p.number(0.35, 0.6), 0.09), hair)  # tail
    p.paint(p.ellipse(0.05, 0.02, p.number(0.5, 0.6), p.number(0.26, 0.32)), coat)
    head = p.number(-0.65, -0.45)
    p.paint(p.stroke(-0.28, -0.12, -0.48, head, 0.15), hair)  # mane
    p.paint(p.stroke(-0.38, -0.05, -0.56, head, 0.14), coat)
    p.paint(p.stroke(-0.58, head, -0.84, head + 0.24, 0.11), coat * 0.95)
    p.paint(p.taper(-0.53, head - 0.25, head, 0.01, 0.08), coat * 0.8)  # ear
    return _photo(p)


def _ship(p: _Pictures) -> np.ndarray:
    _backdrop(p, _SKY, ((40, 90, 140), (60, 120, 130), (90, 105, 120), (30, 60, 90)), (-0.1, 0.5))
    p.thing(scale=(0.6, 0.95), shift=(0.2, 0.2), turn=0.1, mirror=True)
    sails = p.either(1.0, 0.0, 0.4)
    cloth = p.colour((245, 245, 240), (220, 120, 80))
    p.paint(sails * p.stroke(0.02, -0.9, 0.02, 0.2, 0.035), p.colour((100, 70, 50)))
    p.paint(sails * p.taper(0.02, -0.85, 0.1, 0.02, p.number(0.35, 0.55)), cloth)
    engine = 1 - sails
    deck = p.colour((240, 240, 240), (190, 185, 170))
    p.paint(engine * p.box(-0.3, 0.55, p.number(-0.25, -0.05), 0.3), deck)
    p.paint(engine * p.box(-0.1, 0.12, p.number(-0.65, -0.4), -0.05), p.colour(*_PAINT))  # funnel
    hull = p.colour(*_PAINT)
    p.paint(p.taper(0, 0.18, p.number(0.48, 0.6), 0.92, p.number(0.6, 0.75)), hull)
    p.paint(p.box(-0.85, 0.85, 0.2, 0.26), p.colour((235, 235, 235)))
    return _photo(p)


def _truck(p: _Pictures) -> np.ndarray:
    _backdrop(p, _SKY + _WALL, _ROAD + _LAND, (-0.2, 0.4))
    p.thing(scale=(0.6, 1.0), shift=(0.2, 0.25), turn=0.1, mirror=True)
    p.paint(p.box(-0.3, 0.92, p.number(-0.65, -0.35), 0.32), p.colour(*_PAINT, (200, 195, 180)))  # load
    cab = p.colour(*_PAINT)
    p.paint(p.box(-0.92, -0.36, p.number(-0.35, -0.15), 0.36), cab)
    p.paint(p.box(-0.86, -0.55, -0.12, 0.08), p.colour((90, 110, 130), (40, 45, 50)))  # window
    p.paint(p.box(-0.92, 0.92, 0.3, 0.4), p.colour(*_DARK))
    _wheels(p, (-0.62, 0.35, 0.7), 0.17)
    return _photo(p)


_SCENES = (_airplane, _automobile, _bird, _cat, _deer, _dog, _frog, _horse, _ship, _truck)
