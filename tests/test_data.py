"""Where the data comes from, and what happens when it is broken, missing or interrupted.

No test leaves this machine: a server on 127.0.0.1 plays the sources, with data sets of a few images.
"""

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import pickle
import ssl
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pooch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils import archives, data, standins

LOADERS = {"mnist": data.load_mnist, "fashion_mnist": data.load_fashion_mnist, "cifar10": data.load_cifar10}
NAMES = sorted(LOADERS)
REAL = os.environ.get("COURSE_DATA_DIR")  # read before the fixture takes it away


# --- a small world ------------------------------------------------------------------------------------------


def tiny_arrays(name):
    rng = np.random.default_rng(0)
    image = (32, 32, 3) if name == "cifar10" else (28, 28)
    return {
        key: rng.integers(0, 256 if key.startswith("x") else 10, (n, *shape), dtype=np.uint8)
        for n, split in ((50, "train"), (10, "test"))
        for key, shape in ((f"x_{split}", image), (f"y_{split}", ()))
    }


def npz(arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def idx(array):
    header = b"\0\0\x08" + bytes([array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return gzip.compress(header + array.tobytes(), mtime=0)  # no clock in the bytes: tests compare them


def cifar10_pickles(extra=None):
    """The content of cifar-10-batches-py: pickled dicts of rows by colour, and labels as a list."""
    arrays, pickles = tiny_arrays("cifar10"), {}
    for i, batch in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        split, rows = ("test", slice(None)) if i == 5 else ("train", slice(10 * i, 10 * i + 10))
        images = arrays[f"x_{split}"][rows].transpose(0, 3, 1, 2).reshape(10, -1)
        content = {b"data": images, b"labels": arrays[f"y_{split}"][rows].tolist()}
        # Protocol 4 stores arrays as protocol 2 did, by the function _reconstruct.
        pickles[batch] = pickle.dumps(extra if extra is not None else content, protocol=4)
    return pickles


def cifar10_archive(extra=None):
    """The layout of cifar-10-python.tar.gz."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for batch, payload in cifar10_pickles(extra).items():
            info = tarfile.TarInfo(f"cifar-10-batches-py/{batch}")
            info.size = len(payload)
            tar.addfile(info, io.BytesIO(payload))
    return gzip.compress(buffer.getvalue(), mtime=0)  # the same bytes in a child process


FASHION = {
    "x_train": "train-images-idx3-ubyte.gz",
    "y_train": "train-labels-idx1-ubyte.gz",
    "x_test": "t10k-images-idx3-ubyte.gz",
    "y_test": "t10k-labels-idx1-ubyte.gz",
}


def served(name):
    """What the sources serve, by path."""
    arrays = tiny_arrays(name)
    if name == "mnist":
        return {"mnist.npz": npz(arrays)}
    if name == "fashion_mnist":
        return {file: idx(arrays[key]) for key, file in FASHION.items()}
    return {"cifar-10-python.tar.gz": ARCHIVE}


def shrink(patch, base_urls):
    """Make the package expect the tiny data sets, from these servers; `patch` is setattr or monkeypatch's."""
    names = ("mnist", "fashion_mnist", "cifar10")
    tiny = {name: tiny_arrays(name) for name in names}
    shapes = {n: {k: a.shape for k, a in tiny[n].items()} for n in names}
    digests = {n: {k: hashlib.sha256(a).hexdigest() for k, a in tiny[n].items()} for n in names}
    for module in (archives, data):  # each looks a name up in itself
        patch(module, "SHAPES", shapes)
        patch(module, "DIGESTS", digests)
    patch(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))  # no pause between two tries
    patch(archives, "_CIFAR10_ARCHIVE", ARCHIVE_DIGEST)
    patch(archives, "_CIFAR10_BATCHES", {b: hashlib.md5(p).hexdigest() for b, p in cifar10_pickles().items()})
    urls = {
        name: {
            place: [f"{base}/{old[0].rpartition('/')[2]}" for base in base_urls]
            for place, old in files.items()
        }
        for name, files in archives.URLS.items()
    }
    patch(archives, "URLS", urls)


class Server:
    """Serves each path by a list of answers, the last one for ever; an answer is bytes or a function."""

    def __init__(self, **files):
        self.answers, self.requests = {}, []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_CONNECT(self):
                self.send_error(403)

            def do_GET(self):
                path = self.path.lstrip("/")
                server.requests.append(path)
                answers = server.answers.get(path, [404])
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, int):
                    self.send_error(answer)
                elif callable(answer):
                    answer(self)
                else:
                    self.whole(answer)

            def whole(self, body):
                self.start(len(body))
                self.wfile.write(body)

            def start(self, length):
                self.send_response(200)
                self.send_header("Content-Length", str(length))
                self.end_headers()

            def log_message(self, *_):
                pass

        self.httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.httpd.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.httpd.server_address[1]}"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def serve(self, files):
        self.answers.update({path: [body] for path, body in files.items()})

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()


REFUSED = "http://127.0.0.1:9"  # where no one listens, as on a machine without a network


# Kills and races: they start processes that import half the world, so they run in CI's scheduled job only.
slow = pytest.mark.slow

make_standin = functools.cache(standins.make_standin)  # no test changes the arrays
ARCHIVE = cifar10_archive()
ARCHIVE_DIGEST = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Tiny data sets, an empty Keras cache, no network; returns the cache's folder."""
    for variable in (
        "COURSE_DATA",
        "COURSE_DATA_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "REQUESTS_CA_BUNDLE",
    ):
        monkeypatch.delenv(variable, raising=False)
        monkeypatch.delenv(variable.lower(), raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(standins, "make_standin", make_standin)
    shrink(monkeypatch.setattr, [REFUSED])
    return tmp_path / "keras" / "datasets"


@pytest.fixture(scope="module")
def one_server():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def server(one_server, monkeypatch):
    """The module's server, with all files and no memory of other tests; the only source."""
    shrink(monkeypatch.setattr, [one_server.url])
    one_server.answers.clear()
    one_server.requests.clear()
    for name in NAMES:
        one_server.serve(served(name))
    return one_server


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.setenv("COURSE_DATA_DIR", str(folder))
    return folder


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def all_files(root):
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def assert_is_tiny(name, loaded):
    for key, array in tiny_arrays(name).items():
        np.testing.assert_array_equal(getattr(loaded, key), array, err_msg=f"{name} {key}")


class Bomb:
    """Shows when someone unpickles it."""

    def __reduce__(self):
        return exec, ("import os; os.environ['COURSE_TEST_BOMB'] = 'went off'",)


@pytest.fixture
def bomb(monkeypatch):
    monkeypatch.delenv("COURSE_TEST_BOMB", raising=False)
    yield Bomb()
    assert "COURSE_TEST_BOMB" not in os.environ, "a pickle was opened"


# --- the folder ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_loads_from_the_folder(name, folder):
    put(folder / f"{name}.npz", npz(tiny_arrays(name)))
    loaded = LOADERS[name]()
    assert_is_tiny(name, loaded)
    assert (loaded.origin, loaded.source, loaded.notice) == ("real", "COURSE_DATA_DIR", None)
    assert len(loaded.x_valid) == len(loaded.y_valid) == 0
    assert loaded.digests == data.DIGESTS[name]
    assert len(loaded.class_names) == 10


def test_cifar10_labels_lose_their_second_dimension(folder):
    arrays = tiny_arrays("cifar10")
    column = {key: a[:, None] if key.startswith("y") else a for key, a in arrays.items()}
    put(folder / "cifar10.npz", npz(column))
    loaded = data.load_cifar10(validation=20)
    assert loaded.y_train.shape == (30,)
    assert loaded.y_valid.shape == (20,)
    assert loaded.y_test.shape == (10,)


def broken_files():
    good = tiny_arrays("mnist")
    whole = npz(good)
    altered = {**good, "x_test": good["x_test"].copy()}
    altered["x_test"][3, 4, 5] ^= 1
    swapped = bytearray(whole)
    swapped[len(whole) // 2] ^= 1  # a flipped bit inside a member, caught by the zip's checksum or by ours
    return {
        "missing key": (npz({k: v for k, v in good.items() if k != "y_test"}), "lacks y_test"),
        "wrong shape": (npz({**good, "x_train": good["x_train"][:-1]}), "shape .49, 28, 28., expected .50"),
        "column labels of another length": (
            npz({**good, "y_test": good["y_test"][:5, None]}),
            "y_test has shape",
        ),
        "wrong dtype": (npz({**good, "x_train": good["x_train"] / 255.0}), "dtype float64, expected uint8"),
        "altered bytes": (npz(altered), "x_test does not match its SHA-256"),
        "flipped bit": (bytes(swapped), "is broken"),
        "truncated": (whole[: len(whole) // 2], "cut off"),
        "empty": (b"", "it is empty"),
        "a web page": (b"<html>Please log in</html>", "not an .npz archive"),
        "no arrays in the zip": (npz({}), "lacks x_train"),
    }


@pytest.mark.parametrize("case", broken_files())
def test_a_broken_file_in_the_folder_is_an_error_and_stays_untouched(case, folder):
    content, reason = broken_files()[case]
    path = put(folder / "mnist.npz", content)
    with pytest.raises(data.DataError, match=reason) as caught:
        data.load_mnist()
    assert str(path) in str(caught.value)
    assert "COURSE_DATA_DIR" in str(caught.value), "no remedy"
    assert path.read_bytes() == content


def test_objects_in_an_npz_are_never_unpickled(folder, bomb):
    evil = {**tiny_arrays("mnist"), "x_test": np.array([bomb], dtype=object)}
    put(folder / "mnist.npz", npz(evil))
    with pytest.raises(data.DataError, match="is broken"):
        data.load_mnist()


def test_a_bare_pickle_named_npz_is_never_opened(folder, bomb):
    put(folder / "mnist.npz", pickle.dumps(bomb))
    with pytest.raises(data.DataError, match=r"not an \.npz archive"):
        data.load_mnist()


def test_a_directory_in_the_files_place_is_an_error(folder):
    (folder / "mnist.npz").mkdir()
    with pytest.raises(data.DataError, match=r"mnist\.npz cannot be read"):
        data.load_mnist()


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_folder_that_is_none_is_an_error(kind, tmp_path, monkeypatch):
    place = tmp_path / "nowhere"
    if kind == "a file":
        place.write_text("")
    monkeypatch.setenv("COURSE_DATA_DIR", str(place))
    with pytest.raises(data.DataError, match=r"nowhere.*not a folder.*unset it"):
        data.load_mnist()


def test_a_set_the_folder_lacks_comes_from_the_cache(folder, cache):
    put(cache / "mnist.npz", npz(tiny_arrays("mnist")))
    assert data.load_mnist().source == "the Keras cache"


# --- the mode -----------------------------------------------------------------------------------------------


def test_an_unknown_mode_is_an_error(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "reel")
    with pytest.raises(data.DataError, match="auto, real or stand-in; it is 'reel'"):
        data.load_mnist()


@pytest.mark.parametrize("name", NAMES)
def test_offline_gives_a_stand_in_that_says_so(name):
    loaded = LOADERS[name]()
    assert loaded.origin == "stand-in"
    for words in ("stand-in", "COURSE_DATA_DIR", f"{name}.npz", "127.0.0.1", "cannot be reached"):
        assert words in loaded.notice
    assert loaded.digests["x_train"] == hashlib.sha256(np.ascontiguousarray(loaded.x_train)).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_offline_with_real_is_an_error_with_the_remedy(name, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(
        data.DataError, match=rf"COURSE_DATA=real.*cannot be reached.*{name}\.npz.*COURSE_DATA_DIR"
    ):
        LOADERS[name]()


def test_stand_in_mode_looks_no_further(monkeypatch, server, folder):
    put(folder / "mnist.npz", npz(tiny_arrays("mnist")))
    monkeypatch.setenv("COURSE_DATA", "stand-in")
    loaded = data.load_mnist()
    assert loaded.origin == "stand-in"
    assert "COURSE_DATA=stand-in" in loaded.notice
    assert server.requests == []


def test_neither_repr_nor_notice_shows_a_path_or_an_array(tmp_path):
    loaded = data.load_mnist(validation=10)
    for text in (repr(loaded), loaded.notice, loaded.source):
        assert str(tmp_path) not in text
        assert str(Path.home()) not in text
        assert "array" not in text
    assert len(repr(loaded)) < 120


# --- the Keras cache ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("archive", ["cifar-10-batches-py.tar.gz", "cifar-10-batches-py-target_archive"])
def test_reads_the_archive_that_keras_downloaded(archive, cache):
    put(cache / archive, ARCHIVE)
    loaded = data.load_cifar10()
    assert loaded.source == "the Keras cache"
    assert_is_tiny("cifar10", loaded)


def test_reads_the_files_that_keras_downloaded(cache):
    put(cache / "mnist.npz", served("mnist")["mnist.npz"])
    for file, content in served("fashion_mnist").items():
        put(cache / "fashion-mnist" / file, content)
    for name in ("mnist", "fashion_mnist"):
        loaded = LOADERS[name]()
        assert loaded.source == "the Keras cache"
        assert_is_tiny(name, loaded)


@pytest.fixture(params=["the Keras cache", "COURSE_DATA_DIR"])
def by_hand(request, cache, folder, monkeypatch):
    """Both places where a reader may put files by hand."""
    if request.param == "COURSE_DATA_DIR":
        return request.param, folder
    monkeypatch.delenv("COURSE_DATA_DIR")
    return request.param, cache


def test_the_archive_under_its_own_name_is_used(by_hand):
    source, place = by_hand
    put(place / "cifar-10-python.tar.gz", ARCHIVE)
    loaded = data.load_cifar10()
    assert loaded.source == source
    assert_is_tiny("cifar10", loaded)


@pytest.mark.parametrize(
    "unpacked", ["cifar-10-batches-py", "cifar-10-batches-py-target/cifar-10-batches-py"]
)
def test_the_unpacked_folder_is_used(unpacked, by_hand):
    source, place = by_hand
    for batch, content in cifar10_pickles().items():
        put(place / unpacked / batch, content)
    loaded = data.load_cifar10()
    assert loaded.source == source
    assert_is_tiny("cifar10", loaded)


def test_the_files_of_fashion_mnist_may_lie_in_the_folder_too(folder):
    for file, content in served("fashion_mnist").items():
        put(folder / "fashion-mnist" / file, content)
    assert data.load_fashion_mnist().source == "COURSE_DATA_DIR"


def test_an_evil_unpacked_folder_is_never_unpickled(by_hand, bomb):
    source, place = by_hand
    for batch in cifar10_pickles():
        put(place / "cifar-10-batches-py" / batch, pickle.dumps(bomb))
    if source == "COURSE_DATA_DIR":
        with pytest.raises(data.DataError, match=r"data_batch_1 is broken.*was not opened"):
            data.load_cifar10()
    else:
        assert data.load_cifar10().origin == "stand-in"
    assert (place / "cifar-10-batches-py" / "data_batch_1").exists() == (source == "COURSE_DATA_DIR")


def test_half_an_unpacked_folder_is_passed_over(by_hand):
    for batch, content in list(cifar10_pickles().items())[:3]:
        put(by_hand[1] / "cifar-10-batches-py" / batch, content)
    assert data.load_cifar10().origin == "stand-in"


def test_without_a_home_folder_the_error_says_what_to_set(monkeypatch, folder):
    import pwd

    def nobody(_):
        raise KeyError

    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    put(folder / "mnist.npz", npz(tiny_arrays("mnist")))
    assert data.load_mnist().origin == "real"
    with pytest.raises(data.DataError, match=r"no home folder.*KERAS_HOME.*COURSE_DATA_DIR"):
        data.load_cifar10()
    monkeypatch.setenv("COURSE_DATA", "stand-in")
    assert data.load_cifar10().origin == "stand-in"


# --- what is no fault of the file ---------------------------------------------------------------------------


class FailingFile(io.BytesIO):
    """A file on a disk that fails after the first bytes."""

    def read(self, *_):
        raise OSError(5, "Input/output error")

    readinto = read


def raising(error):
    def function(*_, **__):
        raise error

    return function


CACHED = {
    "mnist.npz": lambda: npz(tiny_arrays("mnist")),
    "fashion-mnist/train-images-idx3-ubyte.gz": lambda: served("fashion_mnist")[FASHION["x_train"]],
    "cifar-10-batches-py.tar.gz": lambda: ARCHIVE,
    "cifar-10-batches-py/data_batch_1": lambda: cifar10_pickles()["data_batch_1"],
}
LOADER = {"mnist.npz": "mnist", "fashion-mnist/train-images-idx3-ubyte.gz": "fashion_mnist"}


@pytest.mark.parametrize("file", CACHED)
@pytest.mark.parametrize(
    ("fake", "words"),
    [
        (raising(OSError(24, "Too many open files")), "Too many open files"),
        (raising(PermissionError(13, "Permission denied")), "Permission denied"),
        (raising(MemoryError()), "out of memory"),
        (lambda *_: FailingFile(b"PK"), "Input/output error"),
    ],
    ids=["handles", "permissions", "memory", "disk"],
)
def test_a_system_that_fails_is_an_error_and_touches_nothing(file, fake, words, cache, monkeypatch, capsys):
    path = put(cache / file, CACHED[file]())
    monkeypatch.setattr(archives, "open", fake, raising=False)
    with pytest.raises(data.DataError, match=words) as caught:
        LOADERS[LOADER.get(file, "cifar10")]()
    assert not isinstance(caught.value, archives.BrokenFile)
    assert path.read_bytes() == CACHED[file]()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("error", [MemoryError(), zlib.error("Error -4 while decompressing data")])
@pytest.mark.parametrize("function", ["numpy.lib.format.read_array", "numpy.concatenate"])
def test_out_of_memory_in_the_middle_touches_nothing(error, function, cache, monkeypatch):
    name = "mnist" if "read_array" in function else "cifar10"
    path = put(cache / ("mnist.npz" if name == "mnist" else "cifar-10-python.tar.gz"), CACHED["mnist.npz"]())
    if name == "cifar10":
        path.write_bytes(ARCHIVE)
    monkeypatch.setattr(function, raising(error))
    with pytest.raises(data.DataError, match=f"{path.name} cannot be read: this machine is out of memory"):
        LOADERS[name]()
    assert path.exists()


def test_a_fault_of_ours_removes_nothing(cache, monkeypatch):
    path = put(cache / "mnist.npz", npz(tiny_arrays("mnist")))
    monkeypatch.setattr("numpy.lib.format.read_array", raising(AttributeError("no such thing")))
    with pytest.raises(AttributeError):
        data.load_mnist()
    assert path.exists()


def test_no_handle_left_for_a_connection_is_no_missing_network(monkeypatch):
    failing = raising(OSError(24, "Too many open files"))
    monkeypatch.setattr("urllib3.util.connection.create_connection", failing)
    with pytest.raises(data.DataError, match="Too many open files"):
        data.load_mnist()


def big_npz(compression=zipfile.ZIP_DEFLATED, shape=(20_000_000,)):
    """A file of some 20 kB that unpacks to 20 MB."""
    buffer, header = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for key in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(f"{key}.npy", header.getvalue() + bytes(20_000_000 if key == "x_train" else 10))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("mnist.npz", big_npz, "x_train has shape .20000000,., expected .50, 28, 28."),
        ("mnist.npz", lambda: big_npz(zipfile.ZIP_BZIP2), "packed in a way"),
        ("mnist.npz", lambda: big_npz(shape=(50, 28, 28)), "y_train has shape .50, 28, 28."),
        (
            f"fashion-mnist/{FASHION['x_train']}",
            lambda: gzip.compress(
                b"\0\0\x08\x03" + np.array((50, 28, 28), ">i4").tobytes() + bytes(20_000_000)
            ),
            "does not hold 39200 bytes",
        ),
    ],
    ids=["npz", "bzip2", "a header that lies", "idx"],
)
def test_a_file_that_unpacks_to_more_than_it_should_is_refused_before_it_takes_memory(
    file, content, reason, tmp_path
):
    path = put(tmp_path / file, content())
    assert path.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(archives.BrokenFile, match=reason):
            archives.read(path, "mnist" if file == "mnist.npz" else "fashion_mnist")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("file", CACHED)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255), cut=st.booleans())
def test_whatever_the_damage_the_file_is_called_broken_or_is_whole(file, place, flip, cut, tmp_path):
    content = bytearray(CACHED[file]())
    at = int(place * len(content))
    content[at] ^= flip
    path = put(tmp_path / file, bytes(content[:at] if cut else content))
    name = LOADER.get(file, "cifar10")
    if path.parent.name == "cifar-10-batches-py":
        path = path.parent
    try:
        arrays = archives.read(path, name)
    except archives.BrokenFile:
        return
    for key, array in arrays.items():  # a byte that nothing depends on, such as a date
        np.testing.assert_array_equal(array, tiny_arrays(name)[key])


EVIL = "\x1b[2J\x1b]0;owned\x07"


def test_control_characters_never_reach_the_terminal(tmp_path, monkeypatch, capsys):
    odd = tmp_path / f"odd{EVIL}"
    put(odd / "mnist.npz", npz({EVIL: np.zeros(2)}))
    put(odd / "fashion-mnist" / FASHION["x_train"], b"?")
    monkeypatch.setenv("COURSE_DATA_DIR", str(odd))
    with pytest.raises(data.DataError, match="is broken") as caught:
        data.load_mnist()
    assert str(caught.value).isprintable()
    monkeypatch.setenv("KERAS_HOME", str(odd))
    put(odd / "datasets" / "mnist.npz", npz({EVIL: np.zeros(2)}))
    data.main(["verify"])
    monkeypatch.delenv("COURSE_DATA_DIR")
    assert data.load_mnist().notice.isprintable()
    monkeypatch.setenv("COURSE_DATA_DIR", str(odd / "nowhere"))
    data.main(["where"])
    said = "".join(capsys.readouterr())
    assert "mnist.npz" in said
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize("case", broken_files())
def test_a_broken_file_in_the_cache_is_removed_and_fetched_again(case, cache, server, capsys):
    put(cache / "mnist.npz", broken_files()[case][0])
    loaded = data.load_mnist()
    assert loaded.source == "a download"
    assert_is_tiny("mnist", loaded)
    assert (cache / "mnist.npz").read_bytes() == served("mnist")["mnist.npz"]
    assert "mnist.npz is broken" in capsys.readouterr().err


def test_a_broken_file_in_the_cache_is_gone_even_offline(cache):
    path = put(cache / "mnist.npz", b"half a file")
    loaded = data.load_mnist()
    assert loaded.origin == "stand-in"
    assert "mnist.npz in the Keras cache was broken" in loaded.notice
    assert not path.exists()


@pytest.mark.parametrize(
    "damage",
    [
        lambda gz: gz[:-20],
        lambda gz: b"",
        lambda gz: gzip.compress(b""),
        lambda gz: gzip.compress(b"not idx at all"),
        lambda gz: gzip.compress(gzip.decompress(gz)[:-1]),
        lambda gz: gzip.compress(gzip.decompress(gz)[:-1] + b"\xff"),
        lambda gz: gzip.compress(b"\0\0\x08\x03\0\0"),
    ],
    ids=["truncated", "empty", "empty inside", "no idx", "a byte short", "a byte altered", "half a header"],
)
def test_only_the_broken_one_of_four_files_is_fetched_again(damage, cache, server):
    for file, content in served("fashion_mnist").items():
        put(cache / "fashion-mnist" / file, content)
    broken = cache / "fashion-mnist" / FASHION["y_test"]
    broken.write_bytes(damage(broken.read_bytes()))
    assert_is_tiny("fashion_mnist", data.load_fashion_mnist())
    assert server.requests == [FASHION["y_test"]]
    assert broken.read_bytes() == served("fashion_mnist")[FASHION["y_test"]]


def test_an_archive_of_other_bytes_is_never_unpickled(cache, monkeypatch):
    """Not even one that holds the right arrays: only the known bytes are safe to open."""
    repacked = gzip.compress(gzip.decompress(ARCHIVE), mtime=1)
    path = put(cache / "cifar-10-batches-py.tar.gz", repacked)
    monkeypatch.setattr(archives, "_ArrayUnpickler", lambda *_, **__: pytest.fail("a pickle was opened"))
    assert data.load_cifar10().origin == "stand-in"
    assert not path.exists()


def test_an_evil_archive_is_never_unpickled(cache, bomb):
    path = put(cache / "cifar-10-batches-py.tar.gz", cifar10_archive(extra=bomb))
    loaded = data.load_cifar10()
    assert loaded.origin == "stand-in"
    assert not path.exists()


def test_even_a_matching_archive_may_only_rebuild_arrays(cache, monkeypatch, bomb):
    evil = cifar10_archive(extra=bomb)
    monkeypatch.setattr(archives, "_CIFAR10_ARCHIVE", hashlib.sha256(evil).hexdigest())
    put(cache / "cifar-10-batches-py.tar.gz", evil)
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(data.DataError, match="was broken"):
        data.load_cifar10()


# --- downloads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_downloads_once_then_reads_the_cache(name, server, cache):
    first = LOADERS[name]()
    n_requests = len(server.requests)
    second = LOADERS[name]()
    assert (first.source, second.source) == ("a download", "the Keras cache")
    assert_is_tiny(name, first)
    assert_is_tiny(name, second)
    assert len(server.requests) == n_requests == (4 if name == "fashion_mnist" else 1)
    assert not list(cache.glob("course-download-*"))


def truncated(handler):
    body = served("mnist")["mnist.npz"]
    handler.start(len(body))
    handler.wfile.write(body[:1000])
    handler.close_connection = True


@pytest.mark.parametrize("answers", [[500, 503], [truncated, truncated], [429, truncated]])
def test_errors_that_pass_are_tried_again(answers, server):
    server.answers["mnist.npz"] = [*answers, served("mnist")["mnist.npz"]]
    assert_is_tiny("mnist", data.load_mnist())
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "words", "n_requests"),
    [
        (404, "HTTP status 404", 1),
        (500, "HTTP status 500", 3),
        (truncated, "stopped the transfer", 3),
        (b"<html>Please log in</html>", "sent a wrong file", 1),
        (broken_files()["altered bytes"][0], "sent a wrong file .x_test does not match", 1),
    ],
)
def test_a_failed_download_leaves_nothing_and_is_explained(
    answer, words, n_requests, server, cache, monkeypatch
):
    server.answers["mnist.npz"] = [answer]
    monkeypatch.setenv("COURSE_DATA", "real")
    with pytest.raises(data.DataError, match=words):
        data.load_mnist()
    assert len(server.requests) == n_requests
    assert all_files(cache) == []


# A key and a certificate for 127.0.0.1 that was good for one day in 2020.
CERTIFICATE = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIGnBvYR2uOqO3CBu1bhRRxbxCIYQzfDP8bfbmrkihodroAoGCCqGSM49
AwEHoUQDQgAElJyJWzhyeNLMLpXsLMvMnFGvQqXS+0ftGlcMlQw8TmQA6wt9eemQ
wgZHd0JDgV2oqiWRC2wAVMJajF/ipx3Hkw==
-----END EC PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBajCCARCgAwIBAgIBATAKBggqhkjOPQQDAjAUMRIwEAYDVQQDDAkxMjcuMC4w
LjEwHhcNMjAwMTAxMDAwMDAwWhcNMjAwMTAyMDAwMDAwWjAUMRIwEAYDVQQDDAkx
MjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASUnIlbOHJ40swulews
y8ycUa9CpdL7R+0aVwyVDDxOZADrC3156ZDCBkd3QkOBXaiqJZELbABUwlqMX+Kn
HceTo1MwUTAPBgNVHREECDAGhwR/AAABMA8GA1UdEwEB/wQFMAMBAf8wDgYDVR0P
AQH/BAQDAgKEMB0GA1UdDgQWBBQSbeGmyucD9xm0ngPlhz7MTpfrAjAKBggqhkjO
PQQDAgNIADBFAiEA8FK5OjmrTCm11LuwlYPQ2W9qqa1SMZ3KjtqSmHCQbSUCIFdf
qyYBsp1bHlVRgJ01fhvyvDYWtQmbZarhDlvg+iLg
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    ("trusted", "words"), [(False, "self-signed certificate"), (True, "certificate has expired")]
)
def test_a_bad_certificate_is_named(trusted, words, tmp_path, monkeypatch):
    pem = tmp_path / "certificate.pem"
    pem.write_text(CERTIFICATE)
    if trusted:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with contextlib.closing(Server()) as server:
        server.httpd.socket = context.wrap_socket(server.httpd.socket, server_side=True)
        server.httpd.handle_error = lambda *_: None
        shrink(monkeypatch.setattr, [server.url.replace("http", "https")])
        with pytest.raises(
            data.DataError, match=f"this machine does not trust .{words}.*date.*REQUESTS_CA_BUNDLE"
        ) as caught:
            data.fetch("mnist")
    assert "on the network" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["refuses", "is down", "is no address"])
def test_a_proxy_that_does_not_let_us_through_is_named(proxy, one_server, monkeypatch):
    shrink(monkeypatch.setattr, ["https://example.invalid"])
    address = {"refuses": one_server.url, "is down": REFUSED, "is no address": "http://["}[proxy]
    words = "HTTPS_PROXY is not a valid" if proxy == "is no address" else "through the proxy in HTTPS_PROXY"
    monkeypatch.setenv("HTTPS_PROXY", address.replace("//", "//user:secret@"))
    with pytest.raises(data.DataError, match=words) as caught:
        data.fetch("mnist")
    assert ("403" in str(caught.value)) == (proxy == "refuses")
    assert "on the network" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_file_of_certificates_is_named(monkeypatch):
    shrink(monkeypatch.setattr, ["https://example.invalid"])
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    with pytest.raises(data.DataError, match=r"could not be asked.*/nowhere\.pem"):
        data.fetch("mnist")


def with_header(code, name, value):
    def answer(handler):
        handler.send_response(code)
        handler.send_header(name, value)
        handler.end_headers()
        handler.close_connection = True

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (with_header(200, "Content-Length", "much"), "gave no valid answer"),
        (with_header(200, "Content-Length", "5, 6"), "gave no valid answer"),
        (with_header(200, "Content-Length", "-5"), "sent a wrong file"),
        (with_header(302, "Location", "http://["), "gave no valid answer"),
        (with_header(302, "Location", "http://"), "gave no valid answer"),
        (with_header(302, "Location", "http://127.0.0.1:99999/"), "gave no valid answer"),
        (with_header(302, "Location", "nonsense://x"), "gave no valid answer"),
        (with_header(302, "Location", "/mnist.npz"), "gave no valid answer"),
    ],
)
def test_an_answer_that_makes_no_sense_is_explained(answer, words, server, cache):
    server.answers["mnist.npz"] = [answer]
    with pytest.raises(data.DataError, match=words):
        data.fetch("mnist")
    assert all_files(cache) == []


@pytest.mark.parametrize("first", ["refused", 404, 500, "wrong file"])
def test_the_second_source_serves_where_the_first_fails(first, server, monkeypatch):
    if first == "refused":
        broken = contextlib.nullcontext(None)
    else:
        other = Server()
        other.answers["cifar-10-python.tar.gz"] = [b"wrong" if first == "wrong file" else first]
        broken = contextlib.closing(other)
    with broken as other:
        urls = [other.url if other else REFUSED, server.url]
        shrink(monkeypatch.setattr, urls)
        assert_is_tiny("cifar10", data.load_cifar10())


def test_cifar10_has_a_second_source():
    # The module as imported, not the tiny world: a child process.
    code = "from course_utils import archives; print(*archives.URLS['cifar10']['cifar10.npz'])"
    urls = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert len({url.split("/")[2] for url in urls}) >= 2


def test_offline_is_noticed_quickly(monkeypatch):
    get, asked = pooch.HTTPDownloader.__call__, []
    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", lambda *a: (asked.append(a[1]), get(*a)))
    shrink(monkeypatch.setattr, [REFUSED] * 3)
    assert archives.download("cifar10", []) is None
    assert len(asked) == 3, "a source that cannot be reached is asked once: the next second changes nothing"


def test_silent_hosts_are_not_all_waited_for(monkeypatch):
    """Behind a firewall that swallows everything, each host costs a time-out: stop after a few seconds."""
    clock = [0.0]

    def swallow(url, file):
        clock[0] += 4
        raise archives._GivenUp(archives._UNREACHABLE)

    shrink(monkeypatch.setattr, ["http://a", "http://b", "http://c", "http://d"])
    monkeypatch.setattr(archives, "_transfer", swallow)
    monkeypatch.setattr(archives, "time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time))
    assert archives.download("cifar10", tried := []) is None
    assert [reason[:19] for reason in tried] == ["a cannot be reached", "b cannot be reached"]


@pytest.mark.parametrize("name", NAMES)
def test_a_cache_that_cannot_be_written_is_an_error_with_the_remedy(name, server, tmp_path, monkeypatch):
    (tmp_path / "occupied").write_text("")  # a file where the folder should be: an obstacle for root as well
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "occupied"))
    with pytest.raises(data.DataError, match=rf"occupied.*KERAS_HOME.*COURSE_DATA_DIR.*{name}\.npz"):
        LOADERS[name]()


def test_a_full_disk_is_an_error_and_leaves_nothing(server, cache, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(data.DataError, match="No space left on device"):
        data.load_cifar10()
    assert all_files(cache) == []


# --- several processes, and an end in the middle ------------------------------------------------------------


def child(url, loader):
    """What a child process runs: the tiny world against the parent's server."""
    shrink(setattr, [url])
    loaded = LOADERS[loader]()
    print(json.dumps({"source": loaded.source, "digest": hashlib.sha256(loaded.x_train).hexdigest()}))


def start_child(url, name):
    code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import test_data; "
    command = [sys.executable, "-c", code + f"test_data.child({url!r}, {name!r})"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@slow
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_two_processes_that_fetch_at_once_both_succeed(name, server, cache):
    (path, body) = next(
        iter((served(name) if name == "mnist" else {"cifar-10-python.tar.gz": ARCHIVE}).items())
    )
    both = threading.Barrier(2, timeout=60)

    def in_step(handler):
        handler.start(len(body))
        handler.wfile.write(body[: len(body) // 2])
        both.wait()  # neither goes on before the other is half-way too
        handler.wfile.write(body[len(body) // 2 :])

    server.answers[path] = [in_step]
    children = [start_child(server.url, name) for _ in range(2)]
    outcomes = [process.communicate(timeout=90) for process in children]
    for process, (out, err) in zip(children, outcomes, strict=True):
        assert process.returncode == 0, err
        expected = {"source": "a download", "digest": data.DIGESTS[name]["x_train"]}
        assert json.loads(out) == expected
    assert LOADERS[name]().source == "the Keras cache"
    assert not list(cache.glob("course-download-*"))


@slow
@pytest.mark.parametrize("signal", ["SIGINT", "SIGKILL"])
def test_an_end_in_the_middle_leaves_the_cache_whole(signal, server, cache):
    import signal as signals

    body, halfway, go_on = served("mnist")["mnist.npz"], threading.Event(), threading.Event()

    def stall(handler):
        handler.start(len(body))
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        halfway.set()
        go_on.wait(60)

    server.answers["mnist.npz"] = [stall, body]
    process = start_child(server.url, "mnist")
    try:
        assert halfway.wait(60)
        time.sleep(0.3)  # the half is on its way to the disk
        process.send_signal(getattr(signals, signal))
        process.communicate(timeout=30)
    finally:
        go_on.set()
        process.kill()
    assert process.returncode != 0
    assert not (cache / "mnist.npz").exists()
    if signal == "SIGINT":
        assert all_files(cache) == []
    assert_is_tiny("mnist", data.load_mnist())
    for leftover in cache.glob("course-download-*"):  # of the kill; the next day's download clears it away
        os.utime(leftover, (0, 0))
    server.answers["mnist.npz"] = [body]
    data.load_fashion_mnist()
    assert not list(cache.glob("course-download-*"))


def test_a_running_download_is_not_swept_away(server, cache):
    running = put(cache / "course-download-of-another" / "mnist.npz", b"half")
    data.load_mnist()
    assert running.exists()


# --- status and fetch ---------------------------------------------------------------------------------------


def test_status_tells_where_each_set_would_come_from_and_changes_nothing(folder, cache, server):
    put(folder / "mnist.npz", npz(tiny_arrays("mnist")))
    put(cache / "cifar-10-batches-py.tar.gz", b"broken")
    before = all_files(cache.parents[1])
    found = data.status()
    assert (found["mnist"].source, found["mnist"].verified) == ("COURSE_DATA_DIR", True)
    assert (found["fashion_mnist"].source, found["fashion_mnist"].verified) == ("a download", None)
    assert (found["cifar10"].source, found["cifar10"].verified) == ("the Keras cache", False)
    assert "cifar-10-batches-py.tar.gz is broken" in found["cifar10"].detail
    assert all_files(cache.parents[1]) == before
    assert server.requests == []


def test_status_reports_a_broken_file_in_the_folder(folder, cache):
    put(folder / "mnist.npz", b"")
    put(cache / "mnist.npz", npz(tiny_arrays("mnist")))
    assert (data.status()["mnist"].source, data.status()["mnist"].verified) == ("COURSE_DATA_DIR", False)


def test_status_in_stand_in_mode(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "stand-in")
    assert {s.source for s in data.status().values()} == {"a stand-in"}


def test_fetch_fills_the_cache_whatever_the_mode(server, cache, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "stand-in")
    assert data.fetch("cifar10").verified
    assert all_files(cache) == ["cifar10.npz"]
    assert data.fetch("cifar10").verified
    assert len(server.requests) == 1


def test_fetch_says_why_it_cannot():
    with pytest.raises(
        data.DataError, match=r"CIFAR-10 could not be downloaded.*cannot be reached.*COURSE_DATA_DIR"
    ):
        data.fetch("cifar10")
    with pytest.raises(ValueError, match=r"`name` should be .*'cifar10'; received 'svhn'"):
        data.fetch("svhn")


# --- the command line ---------------------------------------------------------------------------------------


def test_the_command_says_where_and_verifies(folder, capsys, monkeypatch):
    assert data.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(data.DIGESTS)
    assert all("not here yet" in line for line in lines)
    assert data.main(["where", "mnist"]) == 0
    assert data.main(["verify", "mnist"]) == 1
    put(folder / "mnist.npz", b"not a zip")
    capsys.readouterr()
    assert data.main(["where", "mnist"]) == 0
    assert data.main(["verify", "mnist"]) == 1
    assert "mnist: BROKEN, from COURSE_DATA_DIR" in capsys.readouterr().out
    put(folder / "mnist.npz", npz(tiny_arrays("mnist")))
    assert data.main(["verify", "mnist"]) == 0
    assert capsys.readouterr().out == f"mnist: verified, from COURSE_DATA_DIR ({folder / 'mnist.npz'})\n"
    monkeypatch.setattr(archives, "open", raising(OSError(24, "Too many open files")), raising=False)
    assert data.main(["verify", "mnist"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "mnist.npz cannot be read: Too many open files" in said.err


def test_the_command_fetches_what_it_can_and_fails_for_the_rest(server, cache, capsys):
    server.answers["mnist.npz"] = [404]
    assert data.main(["fetch"]) == 1
    said = capsys.readouterr()
    assert "mnist: MNIST could not be downloaded" in said.err
    assert said.out.splitlines() == [
        f"{name}: verified, from the Keras cache ({cache})" for name in ("fashion_mnist", "cifar10")
    ]
    assert data.main(["fetch", "cifar10"]) == 0


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (
            ["fetch", "imagenet"],
            {},
            "error: no data set 'imagenet'; there are: mnist, fashion_mnist, cifar10",
        ),
        ([], {"COURSE_DATA": "fake"}, "error: COURSE_DATA should be auto, real or stand-in; it is 'fake'"),
        (
            [],
            {"COURSE_DATA_DIR": "/nowhere"},
            "error: COURSE_DATA_DIR names '/nowhere', which is not a folder",
        ),
    ],
)
def test_bad_use_of_the_command_is_one_sentence(arguments, environment, message, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert data.main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1


@pytest.mark.parametrize("arguments", [["destroy"], ["--now"]])
def test_unknown_words_are_refused_with_the_usage(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        data.main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m course_utils.data" in capsys.readouterr().err


def test_the_examples_in_the_help_are_valid(capsys, monkeypatch):
    with pytest.raises(SystemExit) as stopped:
        data.main(["--help"])
    assert stopped.value.code == 0
    lines = capsys.readouterr().out.partition("examples:")[2].strip().splitlines()
    monkeypatch.setattr(data, "fetch", lambda name: data.DataStatus(name, "", True, ""))
    for line in lines:
        assert line.split()[:3] == ["python", "-m", "course_utils.data"]
        assert data.main(line.split()[3:]) in (0, 1)


def test_ctrl_c_is_said_in_one_line(monkeypatch, capsys):
    monkeypatch.setattr(data, "fetch", raising(KeyboardInterrupt()))
    assert data.main(["fetch"]) == 130
    assert (
        capsys.readouterr().err
        == "\nInterrupted. Incomplete downloads were removed. Run the command again.\n"
    )


def test_an_empty_variable_counts_as_unset(monkeypatch, tmp_path):
    for variable in ("COURSE_DATA", "COURSE_DATA_DIR", "KERAS_HOME"):
        monkeypatch.setenv(variable, "")
    monkeypatch.setenv("HOME", str(tmp_path))
    put(tmp_path / ".keras" / "datasets" / "mnist.npz", npz(tiny_arrays("mnist")))
    assert data.load_mnist().source == "the Keras cache"


# --- splits -------------------------------------------------------------------------------------------------


@pytest.fixture
def mnist_file(folder):
    return put(folder / "mnist.npz", npz(tiny_arrays("mnist")))


each_example_needs_no_fresh_folder = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@each_example_needs_no_fresh_folder
@given(n=st.integers(0, 49))
def test_the_first_images_become_the_validation_set(mnist_file, n):
    loaded, whole = data.load_mnist(validation=n), tiny_arrays("mnist")
    assert len(loaded.x_valid) == len(loaded.y_valid) == n
    np.testing.assert_array_equal(loaded.x_valid, whole["x_train"][:n])
    np.testing.assert_array_equal(loaded.y_train, whole["y_train"][n:])
    np.testing.assert_array_equal(np.concatenate([loaded.x_valid, loaded.x_train]), whole["x_train"])


@given(fraction=st.floats(0, 1, exclude_min=True, exclude_max=True), n=st.integers(2, 60_000))
def test_a_fraction_leaves_both_sets_something(fraction, n):
    size = data._validation_size(fraction, n)
    assert 1 <= size <= n - 1
    assert abs(size - fraction * n) <= 1


@pytest.mark.parametrize(
    "bad",
    [
        *(-1, 50, 10**30, True, float("nan"), 0.0, 1.0, -0.1, 5000.0, "5", [5]),
    ],
)
def test_a_bad_validation_split_is_an_error_with_the_value(bad, mnist_file):
    with pytest.raises(ValueError, match="validation") as caught:
        data.load_mnist(validation=bad)
    assert repr(bad) in str(caught.value)


def test_a_bad_validation_split_costs_no_download(server):
    with pytest.raises(ValueError, match="validation"):
        data.load_mnist(validation=-1)
    assert server.requests == []


@pytest.mark.parametrize("validation", [np.int64(5), np.float32(0.1), np.uint8(5)])
def test_numpy_numbers_are_numbers(validation, mnist_file):
    assert len(data.load_mnist(validation=validation).x_valid) == 5


@pytest.mark.parametrize(
    ("validation", "expected"), [(0, 0), (1, 120), (0.1, 600), (49, 5880), (0.999, 5880)]
)
def test_a_stand_ins_validation_set_is_scaled_like_its_size(validation, expected):
    """Of 50 tiny "real" images, 1 is a fiftieth; so it is of the stand-in's 6,000."""
    loaded = data.load_mnist(validation=validation)
    assert loaded.origin == "stand-in"
    assert (len(loaded.x_valid), len(loaded.x_train)) == (expected, 6000 - expected)


@each_example_needs_no_fresh_folder
@given(n_train=st.integers(1, 100), n_test=st.integers(1, 100), n_valid=st.integers(0, 49))
def test_head_keeps_the_first_examples(mnist_file, n_train, n_test, n_valid):
    loaded = data.load_mnist(validation=n_valid)
    head = loaded.head(n_train, n_test)
    for split, n in (("train", n_train), ("valid", n_test), ("test", n_test)):
        for axis in "xy":
            whole = getattr(loaded, f"{axis}_{split}")
            np.testing.assert_array_equal(getattr(head, f"{axis}_{split}"), whole[:n])
    assert (head.origin, head.digests, head.source) == (loaded.origin, loaded.digests, loaded.source)


@pytest.mark.parametrize("bad", [0, 2.0])
def test_head_refuses_what_is_no_positive_integer(bad, mnist_file):
    loaded = data.load_mnist()
    with pytest.raises(ValueError, match="`n_train` should be a whole number ≥ 1"):
        loaded.head(bad, 5)
    with pytest.raises(ValueError, match="`n_test` should be a whole number ≥ 1"):
        loaded.head(5, bad)


def test_image_data_cannot_be_reassigned(mnist_file):
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.load_mnist().origin = "real"


# --- the house ----------------------------------------------------------------------------------------------


def test_importing_and_loading_needs_no_keras_and_no_network_library():
    code = (
        "import os, sys; os.environ['COURSE_DATA'] = 'stand-in'; from course_utils import data; "
        "data.load_cifar10(); heavy = 'keras', 'tensorflow', 'pooch', 'requests';"
        "print([m for m in heavy if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-W", "error", "-c", code], text=True).strip() == "[]"


@pytest.mark.skipif(not REAL, reason="COURSE_DATA_DIR names no folder of the real data")
def test_the_real_sets_are_the_published_ones():
    code = (
        "from course_utils import data;"
        "a, b, c = data.load_mnist(), data.load_fashion_mnist(), data.load_cifar10();"
        "print([round(float(d.x_train.mean() / 255), 4) for d in (a, b, c)], c.y_train.shape)"
    )
    environment = {**os.environ, "COURSE_DATA_DIR": REAL, "COURSE_DATA": "real"}
    out = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    # Published means; CIFAR-10's over its three channels 0.4914, 0.4822, 0.4465.
    assert out.strip() == "[0.1307, 0.286, 0.4734] (50000,)"
