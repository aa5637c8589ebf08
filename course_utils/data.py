"""The course's three data sets, as a lesson uses them.

``load_mnist``, ``load_fashion_mnist`` and ``load_cifar10`` look in a folder you name, in the Keras cache and
on the network, in this order, and check every array against its SHA-256 digest whatever way it came. Where
no real data can be had they return a small stand-in, and say so in ``ImageData.origin`` and
``ImageData.notice``. How files are read and checked stands in ``course_utils.archives``, what happens in the
cache and on the network in ``course_utils.download``.

Environment variables
---------------------
COURSE_DATA_DIR
    A folder of ``mnist.npz``, ``fashion_mnist.npz`` and ``cifar10.npz``, each with the uint8 arrays
    ``x_train, y_train, x_test, y_test``. A set that is not there is looked for further on.
COURSE_DATA
    ``auto`` (default): the order above. ``real``: a missing data set is an error. ``stand-in``: the stand-in
    at once, for tests and machines without a network.
KERAS_HOME
    Where Keras keeps its files, ``~/.keras`` by default. Downloads are stored there too.
"""

from __future__ import annotations

import numbers
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from course_utils import standins
from course_utils.archives import DIGESTS, SHAPES, TITLES, BrokenFile, DataError, digest, read_npz
from course_utils.download import CACHED, File, Found, cache_dir, download, from_cache

CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    "cifar10": (
        *("airplane", "automobile", "bird", "cat", "deer"),
        *("dog", "frog", "horse", "ship", "truck"),
    ),
}


# --- what a lesson gets -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """A data set of labelled images, split for training, validation and testing.

    Attributes
    ----------
    name : str
        ``"mnist"``, ``"fashion_mnist"`` or ``"cifar10"``.
    x_train, x_valid, x_test : ndarray of uint8
        Images as stored, 0 to 255, of shape (n, 28, 28) or (n, 32, 32, 3).
    y_train, y_valid, y_test : ndarray of uint8
        Labels, of shape (n,). The validation arrays have length 0 when no validation split was asked for.
    class_names : tuple of str
        The class that each label stands for.
    origin : {"real", "stand-in"}
        Whether these are the real images. Results on a stand-in say nothing about the real set.
    source : str
        Where the arrays came from, in words, without a path of this machine.
    digests : dict of str to str
        SHA-256 of the four arrays as loaded, before any split.
    tried : tuple of str
        For a stand-in: why there is no real data, place by place.

    Examples
    --------
    >>> from course_utils.data import load_fashion_mnist
    >>> data = load_fashion_mnist(validation=5_000)  # doctest: +SKIP
    >>> data  # doctest: +SKIP
    <Fashion-MNIST: 55000 train, 5000 valid, 10000 test images of 28×28, real, from COURSE_DATA_DIR>
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_valid: np.ndarray
    y_valid: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    origin: str
    source: str
    digests: dict[str, str] = field(default_factory=dict)
    tried: tuple[str, ...] = ()

    def head(self, n_train: int, n_test: int) -> ImageData:
        """Keep the first examples of each split, for a quick run.

        Parameters
        ----------
        n_train : int
            How many training examples to keep at most.
        n_test : int
            How many test examples to keep at most, and how many validation examples.

        Returns
        -------
        ImageData
            Views of the same arrays. A split that is shorter already stays whole. `digests` remain those of
            the arrays as loaded.

        Raises
        ------
        ValueError
            If a number is not a positive integer.

        Examples
        --------
        >>> data.head(2_000, 500)  # doctest: +SKIP
        <Fashion-MNIST: 2000 train, 500 valid, 500 test images of 28×28, real, from COURSE_DATA_DIR>
        """
        for argument, value in (("n_train", n_train), ("n_test", n_test)):
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{argument} must be a positive integer; received {value!r}")
        return replace(
            self,
            x_train=self.x_train[:n_train],
            y_train=self.y_train[:n_train],
            x_valid=self.x_valid[:n_test],
            y_valid=self.y_valid[:n_test],
            x_test=self.x_test[:n_test],
            y_test=self.y_test[:n_test],
        )

    @property
    def notice(self) -> str | None:
        """What to tell the reader of a stand-in: why it is used, how to get the real data; else None."""
        if self.origin == "real":
            return None
        title = TITLES[self.name]
        why = "; ".join(self.tried)
        return (
            f"These are not the real {title} images but a small stand-in ({why}). The lesson runs the same, "
            f"but its numbers are not {title}'s. For the real set, connect to the network and run again, or "
            f"set COURSE_DATA_DIR to a folder that holds {self.name}.npz."
        )

    def __repr__(self) -> str:
        """Say sizes and origin, never the arrays."""
        pixels = "×".join(str(n) for n in self.x_train.shape[1:])
        sizes = f"{len(self.x_train)} train, {len(self.x_valid)} valid, {len(self.x_test)} test"
        return f"<{TITLES[self.name]}: {sizes} images of {pixels}, {self.origin}, from {self.source}>"


def load_mnist(validation: float = 0) -> ImageData:
    """Load MNIST: 60,000 and 10,000 handwritten digits, 28×28, grey.

    Parameters
    ----------
    validation : int or float, default 0
        How much of the training set becomes the validation set: that many of its first images, or that
        fraction of it. A stand-in is a tenth the size of the real set, and so is its validation set.

    Returns
    -------
    ImageData
        The splits, uint8 as stored: scale them where you use them.

    Raises
    ------
    ValueError
        If `validation` is negative, not a number, or leaves nothing to train on.
    DataError
        If ``COURSE_DATA_DIR`` or a file in it is broken, a folder cannot be written, or ``COURSE_DATA=real``
        and the set cannot be had. (It is a ``ValueError`` too.)

    References
    ----------
    .. [1] Y. LeCun, L. Bottou, Y. Bengio and P. Haffner, "Gradient-Based Learning Applied to Document
       Recognition", Proceedings of the IEEE 86(11), 1998.

    Examples
    --------
    >>> from course_utils.data import load_mnist
    >>> load_mnist(validation=5_000)  # doctest: +SKIP
    <MNIST: 55000 train, 5000 valid, 10000 test images of 28×28, real, from the Keras cache>
    """
    return _load("mnist", validation)


def load_fashion_mnist(validation: float = 0) -> ImageData:
    """Load Fashion-MNIST: 60,000 and 10,000 pictures of clothing, 28×28, grey.

    Parameters
    ----------
    validation : int or float, default 0
        How much of the training set becomes the validation set; see `load_mnist`.

    Returns
    -------
    ImageData
        The splits, uint8 as stored: scale them where you use them.

    Raises
    ------
    ValueError
        If `validation` is negative, not a number, or leaves nothing to train on.
    DataError
        If the data cannot be had as asked; see `load_mnist`.

    References
    ----------
    .. [1] H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
       Learning Algorithms", arXiv:1708.07747, 2017.

    Examples
    --------
    >>> from course_utils.data import load_fashion_mnist
    >>> load_fashion_mnist(validation=0.1)  # doctest: +SKIP
    <Fashion-MNIST: 54000 train, 6000 valid, 10000 test images of 28×28, real, from the Keras cache>
    """
    return _load("fashion_mnist", validation)


def load_cifar10(validation: float = 0) -> ImageData:
    """Load CIFAR-10: 50,000 and 10,000 colour photographs, 32×32.

    Labels have shape (n,), where ``keras.datasets`` gives (n, 1).

    Parameters
    ----------
    validation : int or float, default 0
        How much of the training set becomes the validation set; see `load_mnist`.

    Returns
    -------
    ImageData
        The splits, uint8 as stored: scale them where you use them.

    Raises
    ------
    ValueError
        If `validation` is negative, not a number, or leaves nothing to train on.
    DataError
        If the data cannot be had as asked; see `load_mnist`.

    References
    ----------
    .. [1] A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", University of Toronto,
       2009.

    Examples
    --------
    >>> from course_utils.data import load_cifar10
    >>> load_cifar10()  # doctest: +SKIP
    <CIFAR-10: 50000 train, 0 valid, 10000 test images of 32×32×3, real, from the Keras cache>
    """
    return _load("cifar10", validation)


@dataclass(frozen=True)
class DataStatus:
    """Where one data set would come from now.

    Attributes
    ----------
    name : str
        The data set.
    source : str
        ``"COURSE_DATA_DIR"``, ``"the Keras cache"``, ``"a download"`` or ``"a stand-in"``.
    verified : bool or None
        Whether the file is there and every digest matches; None where there is no file to verify.
    detail : str
        The file, or what is wrong with it, or what will be tried.
    """

    name: str
    source: str
    verified: bool | None
    detail: str


def status() -> dict[str, DataStatus]:
    """Look where each data set would come from, and verify what is there. Changes and downloads nothing.

    Returns
    -------
    dict of str to DataStatus
        One entry for each data set, by name.

    Raises
    ------
    DataError
        If ``COURSE_DATA`` or ``COURSE_DATA_DIR`` is set to something that cannot be used.

    Examples
    --------
    >>> from course_utils.data import status
    >>> status()["mnist"].source  # doctest: +SKIP
    'the Keras cache'
    """
    mode = _mode()
    return {name: _status(name, mode) for name in DIGESTS}


def fetch(name: str) -> DataStatus:
    """Download one data set into the Keras cache, unless it is there and whole.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
        The data set.

    Returns
    -------
    DataStatus
        What the cache holds now.

    Raises
    ------
    ValueError
        If `name` is none of the three.
    DataError
        If the data set cannot be downloaded or stored; the message says why and what to do.

    Examples
    --------
    >>> from course_utils.data import fetch
    >>> fetch("cifar10").verified  # doctest: +SKIP
    True
    """
    if name not in DIGESTS:
        raise ValueError(f"name must be one of {', '.join(DIGESTS)}; received {name!r}")
    tried: list[str] = []
    found = from_cache(name, tried)
    if found is None and download(name, tried) is None:
        raise DataError(f"{TITLES[name]} could not be downloaded: {'; '.join(tried)}. {_remedy(name)}")
    return DataStatus(name, "the Keras cache", True, str(cache_dir()))


# --- the order of the sources -------------------------------------------------------------------------------


def _mode() -> str:
    mode = os.environ.get("COURSE_DATA") or "auto"
    if mode not in ("auto", "real", "stand-in"):
        raise DataError(f"COURSE_DATA must be auto, real or stand-in; it is {mode!r}")
    return mode


def _load(name: str, validation: float) -> ImageData:
    mode, n_real = _mode(), SHAPES[name]["x_train"][0]
    n_valid = _validation_size(validation, n_real)  # before any work: a bad argument costs no download
    tried: list[str] = []
    if mode == "stand-in":
        tried.append("COURSE_DATA=stand-in asks for it")
        found = None
    else:
        found = _from_folder(name, tried) or from_cache(name, tried) or download(name, tried)
    if found is not None:
        arrays, source = found
        return _image_data(name, arrays, n_valid, origin="real", source=source, digests=DIGESTS[name])
    if mode == "real":
        raise DataError(
            f"{TITLES[name]} cannot be had, and COURSE_DATA=real allows no stand-in: {'; '.join(tried)}. "
            f"{_remedy(name)} Or unset COURSE_DATA to run on a stand-in."
        )
    arrays = standins.make_standin(name)
    if n_valid:
        n_standin = len(arrays["x_train"])
        n_valid = min(max(1, round(n_valid * n_standin / n_real)), n_standin - 1)
    return _image_data(
        name,
        arrays,
        n_valid,
        origin="stand-in",
        source="course_utils.standins",
        digests={key: digest(array) for key, array in arrays.items()},
        tried=tuple(tried),
    )


def _remedy(name: str) -> str:
    return (
        f"Connect to the network and run again, or put {name}.npz (uint8 arrays x_train, y_train, x_test, "
        f"y_test) into a folder and set COURSE_DATA_DIR to it."
    )


def _image_data(name: str, arrays: dict[str, np.ndarray], n_valid: int, **about) -> ImageData:
    x, y = arrays["x_train"], arrays["y_train"]
    return ImageData(
        name=name,
        x_train=x[n_valid:],
        y_train=y[n_valid:],
        x_valid=x[:n_valid],
        y_valid=y[:n_valid],
        x_test=arrays["x_test"],
        y_test=arrays["y_test"],
        class_names=CLASS_NAMES[name],
        **about,
    )


def _validation_size(validation: float, n: int) -> int:
    """How many of n training images `validation` asks for."""
    if isinstance(validation, (bool, np.bool_)) or not isinstance(validation, numbers.Real):
        raise ValueError(f"validation must be a number of images or a fraction; received {validation!r}")
    if isinstance(validation, numbers.Integral):
        if not 0 <= validation < n:
            raise ValueError(f"validation must be from 0 to {n - 1} images; received {validation!r}")
        return int(validation)
    if not 0 < validation < 1:  # also catches NaN
        raise ValueError(f"a fractional validation must lie between 0 and 1; received {validation!r}")
    return min(max(1, round(validation * n)), n - 1)


def _folder() -> Path | None:
    value = os.environ.get("COURSE_DATA_DIR")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise DataError(
            f"COURSE_DATA_DIR names {value!r}, which is not a folder. Set it to the folder that holds "
            f"{', '.join(f'{name}.npz' for name in DIGESTS)}, or unset it."
        )
    return folder


def _from_folder(name: str, tried: list[str]) -> Found | None:
    folder = _folder()
    if folder is None:
        tried.append("COURSE_DATA_DIR is not set")
        return None
    try:
        return read_npz(folder / f"{name}.npz", name), "COURSE_DATA_DIR"
    except FileNotFoundError:
        tried.append(f"COURSE_DATA_DIR holds no {name}.npz")
        return None
    except BrokenFile as error:
        # The reader's own file: named, never touched.
        raise DataError(
            f"{error}. Replace it by a whole copy, or take it out of COURSE_DATA_DIR to have it downloaded."
        ) from error


def _status(name: str, mode: str) -> DataStatus:
    if mode == "stand-in":
        return DataStatus(name, "a stand-in", None, "COURSE_DATA=stand-in asks for it")
    folder = _folder()
    places = [("COURSE_DATA_DIR", folder, (File(f"{name}.npz", read_npz),))] if folder else []
    places += [("the Keras cache", cache_dir(), files) for files in CACHED[name]]
    broken = None
    for source, place, files in places:
        try:
            for file in files:
                file.read(place / file.place, name)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except DataError as error:
            found = DataStatus(name, source, False, str(error))
            if source == "COURSE_DATA_DIR":
                return found
            broken = broken or found
        else:
            return DataStatus(name, source, True, str(place / files[0].place))
    otherwise = "an error" if mode == "real" else "a stand-in"
    return broken or DataStatus(
        name, "a download", None, f"not on this machine; without a network, {otherwise}"
    )
