"""The course's three data sets, as a lesson uses them.

``load_mnist``, ``load_fashion_mnist`` and ``load_cifar10`` look in the folder COURSE_DATA_DIR, then in the
Keras cache, then on the network. They check every array against its SHA-256 digest. If there is no real data,
they return a stand-in: a small made-up data set with images of the same shape. ``ImageData.origin`` and
``ImageData.notice`` say so.

``python -m course_utils.data`` says where your data would come from. ``python -m course_utils.data --help``
says how to download and verify it.

Environment variables
---------------------
COURSE_DATA_DIR
    A folder with ``mnist.npz``, ``fashion_mnist.npz`` and ``cifar10.npz``. Each file holds the uint8 arrays
    ``x_train, y_train, x_test, y_test``. CIFAR-10 can also be ``cifar-10-python.tar.gz`` as published, or the
    unpacked folder ``cifar-10-batches-py``. If a data set is not in this folder, the Keras cache and the
    network are next.
COURSE_DATA
    ``auto`` (default): the order above. ``real``: a missing data set is an error. ``stand-in``: always the
    stand-in, for tests and machines without a network.
KERAS_HOME
    The folder of Keras' files, by default ``~/.keras``. Downloads are stored there too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils import arguments, standins
from course_utils.archives import (
    DIGESTS,
    SHAPES,
    TITLES,
    DataError,
    cache_dir,
    download,
    find,
    printable,
    remove,
)

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
        Labels, of shape (n,). The validation arrays have length 0 if no validation split was requested.
    class_names : tuple of str
        The class that each label stands for.
    origin : {"real", "stand-in"}
        Whether these are the real images. Results on a stand-in say nothing about the real set.
    source : str
        Where the arrays came from, in words, without a path.
    digests : dict of str to str
        SHA-256 of the four arrays as loaded, before any split.
    tried : tuple of str
        For a stand-in: why there is no real data, one entry for each place.
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
            Largest number of training examples.
        n_test : int
            Largest number of test examples, and of validation examples.

        Returns
        -------
        ImageData
            Views of the same arrays. A split that is already shorter stays as it is. `digests` are still
            those of the loaded arrays.

        Raises
        ------
        ValueError
            If a number is not a positive integer.
        """
        n_train = arguments.whole_number("n_train", n_train, at_least=1)
        n_test = arguments.whole_number("n_test", n_test, at_least=1)
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
        """For a stand-in: why it is used and how to get the real data. For real data: None."""
        if self.origin == "real":
            return None
        title = TITLES[self.name]
        why = "; ".join(self.tried)
        return (
            f"These are not the real {title} images but a small stand-in ({why}). The lesson runs the same, "
            f"but its numbers are not {title}'s. To get the real set, fix the cause and run again, or set "
            f"COURSE_DATA_DIR to a folder that holds {self.name}.npz."
        )

    def __repr__(self) -> str:
        """Give sizes and origin, without the arrays."""
        pixels = "×".join(str(n) for n in self.x_train.shape[1:])
        sizes = f"{len(self.x_train)} train, {len(self.x_valid)} valid, {len(self.x_test)} test"
        return f"<{TITLES[self.name]}: {sizes} images of {pixels}, {self.origin}, from {self.source}>"


def load_mnist(validation: float = 0) -> ImageData:
    """Load MNIST: 60,000 training and 10,000 test images of handwritten digits, 28×28, grey.

    Parameters
    ----------
    validation : int or float, default 0
        The size of the validation set, as a number of images or as a fraction of the training set. It takes
        the first images of the training set. A stand-in has a tenth of the real set's training images, and so
        its validation set is a tenth too.

    Returns
    -------
    ImageData
        The splits, as stored in uint8. Scale them before you use them.

    Raises
    ------
    ValueError
        If `validation` is negative, not a number, or leaves nothing to train on.
    DataError
        If ``COURSE_DATA_DIR`` is not a folder or a file in it is broken; if a folder cannot be written; or if
        ``COURSE_DATA=real`` and the data set is not available. (It is a ``ValueError`` too.)

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
    """Load Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 28×28, grey.

    Parameters, result and errors are those of `load_mnist`.

    References
    ----------
    .. [1] H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
       Learning Algorithms", arXiv:1708.07747, 2017.
    """
    return _load("fashion_mnist", validation)


def load_cifar10(validation: float = 0) -> ImageData:
    """Load CIFAR-10: 50,000 training and 10,000 test colour photographs, 32×32.

    Parameters, result and errors are those of `load_mnist`. Labels have shape (n,); those of
    ``keras.datasets`` have shape (n, 1).

    References
    ----------
    .. [1] A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", University of Toronto,
       2009.
    """
    return _load("cifar10", validation)


class DataStatus(NamedTuple):
    """Where a data set would come from now. `verified` is None if there is no file to verify."""

    name: str
    source: str  # "COURSE_DATA_DIR", "the Keras cache", "a download" or "a stand-in"
    verified: bool | None
    detail: str  # the file, or what is wrong with it, or what will be tried


def status() -> dict[str, DataStatus]:
    """Say where each data set would come from, and verify its file. Nothing is changed or downloaded."""
    return {name: _status(name) for name in DIGESTS}


def fetch(name: str) -> DataStatus:
    """Download one data set into the Keras cache, unless it is there; raise a DataError on failure."""
    arguments.one_of("name", name, tuple(DIGESTS))
    tried: list[str] = []
    if not (_from_cache(name, tried) or download(name, tried)):
        raise DataError(f"{TITLES[name]} could not be downloaded: {'; '.join(tried)}. {_remedy(name)}")
    return DataStatus(name, "the Keras cache", True, printable(cache_dir()))


# --- the order of the sources -------------------------------------------------------------------------------


def _mode():
    mode = os.environ.get("COURSE_DATA") or "auto"
    if mode not in ("auto", "real", "stand-in"):
        raise DataError(f"COURSE_DATA should be auto, real or stand-in; it is {mode!r}")
    return mode


def _folder():
    value = os.environ.get("COURSE_DATA_DIR")
    if not value:
        return None
    folder = os.path.expanduser(value)
    if not os.path.isdir(folder):
        raise DataError(
            f"COURSE_DATA_DIR names {value!r}, which is not a folder. Set it to the folder that holds "
            f"{', '.join(f'{name}.npz' for name in DIGESTS)}, or unset it."
        )
    return Path(folder)


def _load(name, validation):
    mode, n_real = _mode(), SHAPES[name]["x_train"][0]
    n_valid = _validation_size(validation, n_real)  # first: a wrong argument should not cost a download
    tried, arrays = [], None
    if mode == "stand-in":
        tried.append("COURSE_DATA=stand-in is set")
    elif arrays := _from_folder(name, tried):
        source = "COURSE_DATA_DIR"
    elif arrays := _from_cache(name, tried):
        source = "the Keras cache"
    elif arrays := download(name, tried):
        source = "a download"
    if arrays:
        return _image_data(name, arrays, n_valid, "real", source, DIGESTS[name])
    if mode == "real":
        raise DataError(
            f"{TITLES[name]} is not available, and COURSE_DATA=real forbids a stand-in: {'; '.join(tried)}. "
            f"{_remedy(name)} Or unset COURSE_DATA to run on a stand-in."
        )
    arrays = standins.make_standin(name)
    n_standin = len(arrays["x_train"])
    if n_valid:
        n_valid = min(max(1, round(n_valid * n_standin / n_real)), n_standin - 1)
    digests = {key: hashlib.sha256(array).hexdigest() for key, array in arrays.items()}
    return _image_data(name, arrays, n_valid, "stand-in", "course_utils.standins", digests, tuple(tried))


def _image_data(name, arrays, n_valid, origin, source, digests, tried=()):
    x, y, x_test, y_test = (arrays[key] for key in ("x_train", "y_train", "x_test", "y_test"))
    splits = (x[n_valid:], y[n_valid:], x[:n_valid], y[:n_valid], x_test, y_test)
    return ImageData(name, *splits, CLASS_NAMES[name], origin, source, digests, tried)


def _remedy(name):
    return (
        f"Fix the cause and run again, or put {name}.npz (uint8 arrays x_train, y_train, x_test, y_test) "
        "into a folder and set COURSE_DATA_DIR to that folder."
    )


def _validation_size(validation, n):
    """How many of the n training images `validation` means."""
    with suppress(ValueError):
        return arguments.whole_number("validation", validation, at_least=0, at_most=n - 1)
    with suppress(ValueError):
        fraction = arguments.number("validation", validation, above=0, below=1)
        return min(max(1, round(fraction * n)), n - 1)
    should_be = f"a whole number of images from 0 to {n - 1:,}, or a fraction between 0 and 1"
    arguments.refuse("validation", should_be, validation)


def _from_folder(name, tried):
    def refuse(broken):  # a file of the user: report it, never change it
        raise DataError(
            f"{broken}. Replace it with a complete copy. Or remove it from COURSE_DATA_DIR: then the data "
            "set comes from the Keras cache or the network."
        ) from broken

    folder = _folder()
    if folder and (found := find(folder, name, refuse)):
        return found[0]
    tried.append(f"COURSE_DATA_DIR does not hold {TITLES[name]}" if folder else "COURSE_DATA_DIR is not set")
    return None


def _from_cache(name, tried):
    def remove_and_tell(broken):
        remove(broken)
        tried.append(printable(f"{broken.path.name} in the Keras cache was broken and has been removed"))

    if found := find(cache_dir(), name, remove_and_tell):
        return found[0]
    tried.append("the Keras cache does not hold it")
    return None


def _status(name):
    mode, folder = _mode(), _folder()
    if mode == "stand-in":
        return DataStatus(name, "a stand-in", None, "COURSE_DATA=stand-in is set")
    broken = []
    for source in ["COURSE_DATA_DIR"] * bool(folder) + ["the Keras cache"]:
        found = find(folder if source == "COURSE_DATA_DIR" else cache_dir(), name, broken.append)
        if broken and (source == "COURSE_DATA_DIR" or not found):
            return DataStatus(name, source, False, str(broken[0]))
        if found:
            return DataStatus(name, source, True, printable(found[1]))
    otherwise = "an error" if mode == "real" else "a stand-in"
    return DataStatus(name, "a download", None, f"not on this machine; without a network, {otherwise}")


# --- the command line ---------------------------------------------------------------------------------------

_EXAMPLES = """examples:
  python -m course_utils.data
  python -m course_utils.data fetch
  python -m course_utils.data fetch cifar10
  python -m course_utils.data verify"""


def main(argv=None):
    """Run a command. Return 0; 1 if data is broken or missing; 2 for wrong arguments; 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m course_utils.data",
        description="Say where the data sets come from, verify them, or download them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", nargs="?", choices=["where", "verify", "fetch"], default="where")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(DIGESTS)} (default: all)")
    options = parser.parse_args(argv)
    failed = False
    try:
        for name in options.names:
            if name not in DIGESTS:
                raise DataError(f"no data set {name!r}; there are: {', '.join(DIGESTS)}")
        _mode(), _folder()  # wrong settings count as wrong arguments
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    try:
        for name in options.names or DIGESTS:
            try:
                found = fetch(name) if options.action == "fetch" else _status(name)
            except DataError as error:
                failed = True
                print(f"{name}: {error}", file=sys.stderr)
                continue
            word = {True: "verified", False: "BROKEN", None: "not here yet"}[found.verified]
            print(f"{name}: {word}, from {found.source} ({found.detail})", flush=True)
            failed |= options.action == "verify" and not found.verified
    except KeyboardInterrupt:
        print("\nInterrupted. Incomplete downloads were removed. Run the command again.", file=sys.stderr)
        return 130
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
