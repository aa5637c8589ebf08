"""What the files of the three data sets look like, how they are read, and how they are checked.

A reader takes a file, whatever its format, and returns arrays only if each is bit for bit the data set's: the
digests are here, and there is no way around them. Nothing in a file is trusted before: an archive of pickles
is opened only if its own digest is right, and even then it may rebuild arrays and nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

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

SHAPES = {
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
SHAPES["fashion_mnist"] = SHAPES["mnist"]

TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}

# SHA-256 of cifar-10-python.tar.gz itself, the one Keras checks: its members are pickles, and a pickle may
# only be opened once its bytes are known.
_CIFAR10_ARCHIVE = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"


class DataError(ValueError):
    """A data set is missing, broken or cannot be stored; the message names the file and the remedy."""


class BrokenFile(DataError):
    """A file whose content is not the data set's. `path` is the file, `reason` says in what it differs."""

    def __init__(self, path: Path, reason: str) -> None:
        """Say which file is broken, and in what."""
        super().__init__(f"{path} is broken: {reason}")
        self.path, self.reason = path, reason


# A reader takes the file and the data set's name.
Reader = Callable[[Path, str], dict[str, np.ndarray]]


def digest(array: np.ndarray) -> str:
    """Digest an array's bytes in C order, as `DIGESTS` does.

    Parameters
    ----------
    array : ndarray

    Returns
    -------
    str
        SHA-256, in hexadecimal.

    Examples
    --------
    >>> digest(np.zeros((2, 2), np.uint8))[:16]
    'df3f619804a92fdb'
    """
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _checked(path: Path, name: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays if each is bit for bit the data set's; labels lose a second dimension of 1."""
    checked = {}
    for key, array in arrays.items():
        shape = SHAPES[name][key]
        if array.dtype != np.uint8:
            raise BrokenFile(path, f"{key} has dtype {array.dtype}, expected uint8")
        if array.shape not in (shape, (*shape, 1) if key.startswith("y") else shape):
            raise BrokenFile(path, f"{key} has shape {array.shape}, expected {shape}")
        if digest(array) != DIGESTS[name][key]:
            raise BrokenFile(path, f"{key} does not match its SHA-256 digest, so its bytes were altered")
        checked[key] = array.reshape(shape)
    return checked


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn whatever a file's content makes a parser raise into a `BrokenFile` that names it."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError, DataError):
        raise
    except OSError as error:
        # gzip reports broken content as an OSError without a number; the system's errors have one.
        if error.errno is None:
            raise BrokenFile(path, f"it cannot be decoded ({error})") from error
        raise DataError(
            f"{path} cannot be read: {error.strerror}. Check the file and its permissions."
        ) from error
    except Exception as error:
        # Truncated zip, zlib, npy header, pickle: each module has errors of its own for foreign bytes.
        raise BrokenFile(path, f"it cannot be decoded ({type(error).__name__}: {error})") from error


def read_npz(path: Path, name: str) -> dict[str, np.ndarray]:
    """Read a data set from a file that NumPy saved.

    Parameters
    ----------
    path : pathlib.Path
    name : {"mnist", "fashion_mnist", "cifar10"}
        The data set it has to be.

    Returns
    -------
    dict of str to ndarray
        ``x_train, y_train, x_test, y_test``, checked.

    Raises
    ------
    BrokenFile
        If the content is not the data set's.
    DataError
        If the system does not let the file be read. A file that is not there is a ``FileNotFoundError``.

    Examples
    --------
    >>> read_npz(Path("mnist.npz"), "mnist")["x_train"].shape  # doctest: +SKIP
    (60000, 28, 28)
    """
    with _reading(path):
        with open(path, "rb") as file:
            if not zipfile.is_zipfile(file):
                size = path.stat().st_size
                raise BrokenFile(path, "it is cut off or no .npz archive" if size else "it is empty")
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in DIGESTS[name] if key not in archive.files]
            if missing:
                raise BrokenFile(path, f"it lacks {', '.join(missing)}; it holds {', '.join(archive.files)}")
            return _checked(path, name, {key: archive[key] for key in DIGESTS[name]})


def idx_reader(key: str) -> Reader:
    """Make a reader of one array from a gzipped idx file, the format in which MNIST was first published.

    Parameters
    ----------
    key : {"x_train", "y_train", "x_test", "y_test"}
        The array that the file holds.

    Returns
    -------
    callable
        It takes and raises what `read_npz` does, and returns this one array, checked.

    Examples
    --------
    >>> read = idx_reader("y_test")
    >>> read(Path("t10k-labels-idx1-ubyte.gz"), "fashion_mnist")["y_test"].shape  # doctest: +SKIP
    (10000,)
    """

    def read(path: Path, name: str) -> dict[str, np.ndarray]:
        with _reading(path):
            data = gzip.decompress(path.read_bytes())
            # Two zero bytes, 8 for uint8, the number of dimensions, each dimension as a big-endian int32.
            if len(data) < 4 or data[:3] != b"\0\0\x08":
                raise BrokenFile(path, "it is not an idx file of bytes" if data else "it is empty")
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


def read_cifar10_archive(path: Path, name: str) -> dict[str, np.ndarray]:
    """Read CIFAR-10 from cifar-10-python.tar.gz, whose members are pickles.

    Parameters
    ----------
    path : pathlib.Path
    name : {"cifar10"}

    Returns
    -------
    dict of str to ndarray
        ``x_train, y_train, x_test, y_test``, checked: images channels last, labels of shape (n,).

    Raises
    ------
    BrokenFile
        If the archive is not the one that Keras knows; then no pickle is opened.
    DataError
        If the system does not let the file be read. A file that is not there is a ``FileNotFoundError``.

    Examples
    --------
    >>> read_cifar10_archive(Path("cifar-10-python.tar.gz"), "cifar10")["y_test"].shape  # doctest: +SKIP
    (10000,)
    """
    with _reading(path):
        # One read for both the digest and the pickles: no one can change the file in between.
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != _CIFAR10_ARCHIVE:
            raise BrokenFile(path, "the archive does not match its SHA-256 digest; its pickles stay unopened")
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
