"""What every lesson starts with: its mode and seed, its data, its measurements and its verdicts.

>>> from course_utils.lesson import Lesson
>>> lesson = Lesson("05_weight_normalization")             # doctest: +SKIP
>>> cifar10 = lesson.data(load_cifar10())                  # doctest: +SKIP

Environment variables choose the kind of run. An empty variable counts as not set. ``COURSE_MODE`` and
``COURSE_SEED`` are read when a `Lesson` is made, the two folders whenever something is saved.

=================  ==========================================================================
``COURSE_MODE``    ``full`` (default): the settings of the source; ``quick``: few examples and
                   epochs, so that any lesson finishes in seconds
``COURSE_SEED``    the seed, 42 by default, as in the sources
``COURSE_FIGURES`` a folder for the figures that a lesson saves, as PNG
``COURSE_RECORD``  a folder for the measurements of a lesson, as JSON (for authors of the
                   course)
=================  ==========================================================================
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import numpy as np

from course_utils import arguments, notebook, verdicts
from course_utils.files import to_json, write_text
from course_utils.stack import STACK

# These have to be set before TensorFlow loads: it reads them once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# Use oneDNN's convolutions on every x86 processor. By default TensorFlow uses them only on processors with
# AVX-512. Its other convolutions take two to four times as long, and give other last digits.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

# Importing four thousand modules leaves no garbage, but Python's garbage collector would search for some many
# times.
gc.disable()
try:
    with notebook.native_stderr_kept_back():
        import keras
        import tensorflow as tf

        # XLA writes log lines at its first compilation. Compile something here, where they are hidden.
        tf.function(lambda: tf.constant(0.0), jit_compile=True)()
finally:
    gc.enable()

import matplotlib.pyplot as plt

from course_utils import training

gc.freeze()  # the collections at the start of a training then skip these modules, too

# TensorFlow warns of "retracing" when several Keras models are compiled in one session. A lesson that
# compares nets does this on purpose.
tf.get_logger().setLevel("ERROR")

MODES = ("full", "quick")

# How many examples quick mode keeps: enough that a curve moves, few enough for seconds. Both are multiples of
# the usual batch sizes, because a smaller last batch would need another compiled program.
QUICK_TRAIN, QUICK_TEST = 1_024, 256


class Lesson:
    """One run of one lesson: its mode and seed, its data, its figures and its measurements.

    A new `Lesson` sets every random seed and the course's figure style. In a notebook it also shows one line
    about the kind of run.

    Parameters
    ----------
    name : str
        The lesson's file name without its ending, for example ``"05_weight_normalization"``.

    Attributes
    ----------
    mode : {"full", "quick"}
        From ``COURSE_MODE``.
    seed : int
        From ``COURSE_SEED``; 42 by default.
    stack : {"addons", "keras3"}
        The software that this interpreter runs.
    measurements : dict of str to dict
        The recorded measurements of each claim.

    Raises
    ------
    ValueError
        If ``COURSE_MODE`` or ``COURSE_SEED`` has another value than those above.

    Examples
    --------
    >>> lesson = Lesson("05_weight_normalization")  # doctest: +SKIP
    """

    def __init__(self, name: str):
        """Read the environment, set the seeds and show the kind of run."""
        self.name = name
        self.mode = os.environ.get("COURSE_MODE") or "full"
        if self.mode not in MODES:
            raise ValueError(f"COURSE_MODE should be 'full' or 'quick'; it is {self.mode!r}.")
        seed = os.environ.get("COURSE_SEED") or "42"
        if not (seed.isascii() and seed.isdecimal()) or int(seed) >= 2**32:
            raise ValueError(f"COURSE_SEED should be a whole number from 0 to 2**32 - 1; it is {seed!r}.")
        self.seed = int(seed)
        training.quick = self.quick
        self.stack = STACK
        self.measurements = {}
        self._data = {}
        plt.style.use(Path(__file__).with_name("course.mplstyle"))
        self.set_seed()
        self._greet()
        self._keep_record()

    @property
    def quick(self) -> bool:
        """Whether this is a quick run: few examples, few epochs, no verdicts of its own."""
        return self.mode == "quick"

    def _greet(self):
        versions = f"TensorFlow {tf.__version__}, Keras {keras.__version__}"
        lines = [f"**{self.mode.capitalize()} mode** · {self.stack} stack ({versions}) · seed {self.seed}."]
        if self.quick:
            lines.append(
                "This run uses few examples and epochs, so the curves and numbers below mean little. The "
                "verdicts at the end come from full runs."
            )
        notebook.say(" ".join(lines))

    def set_seed(self, seed: int | None = None):
        """Set the random seeds of Python, NumPy and TensorFlow, so that a run can be repeated.

        Call it before you build each of several nets that you compare. Nets of the same architecture then
        start from the same weights and see the batches in the same order.

        Parameters
        ----------
        seed : int, optional
            By default the lesson's own seed.
        """
        keras.utils.set_random_seed(self.seed if seed is None else arguments.seed("seed", seed))

    def seeds(self, n: int) -> list[int]:
        """Give the seeds of a repeated comparison: the lesson's own seed, and others, each 1,000 larger.

        Runs of a lesson with neighbouring seeds (42, 43, …) have no seed in common.

        Parameters
        ----------
        n : int
            How many seeds. Quick mode gives at most two.

        Returns
        -------
        list of int

        Examples
        --------
        >>> lesson.seeds(3)  # doctest: +SKIP
        [42, 1042, 2042]
        """
        n = arguments.whole_number("n", n, at_least=1)
        return [(self.seed + 1000 * i) % 2**32 for i in range(min(n, 2) if self.quick else n)]

    def data(self, images):
        """Use a data set in the lesson: record its origin, and show a note if it is a stand-in.

        Parameters
        ----------
        images : course_utils.data.ImageData
            The result of a loader.

        Returns
        -------
        course_utils.data.ImageData
            The same images. In quick mode the first 1,024 training, 256 validation and 256 test images.
        """
        self._data[images.name] = {"origin": images.origin, "digests": dict(images.digests)}
        self._keep_record()
        if images.notice:
            notebook.say(f"> **Stand-in data.** {images.notice}")
        return images.head(QUICK_TRAIN, QUICK_TEST) if self.quick else images

    def record(self, claim: str, **measures):
        """Record the measurements of a claim. A second call for the same claim replaces the first.

        Parameters
        ----------
        claim : str
            The claim's id, for example ``"S1.c1"``.
        **measures : float, bool or sequence of float
            The measurements, with the names that the claim requires. Numbers of NumPy and TensorFlow are
            accepted.

        Raises
        ------
        ValueError
            If a measurement is not True, False, a finite number or a list of finite numbers.

        Examples
        --------
        >>> lesson.record("S1.c1", val_accuracy=0.61, accuracy=0.69)  # doctest: +SKIP
        """
        plain = {name: _measure(claim, name, value) for name, value in measures.items()}
        self.measurements[claim] = plain
        self._keep_record()

    def _keep_record(self):
        """Write all measurements so far to a file, if COURSE_RECORD names a folder."""
        folder = os.environ.get("COURSE_RECORD")
        if folder:
            record = {
                "lesson": self.name,
                "seed": self.seed,
                "mode": self.mode,
                "stack": self.stack,
                "data": self._data,
                "modules": sorted(name for name in sys.modules if name.split(".")[0] == "course_utils"),
                "measurements": self.measurements,
            }
            write_text(Path(folder) / f"{self.name}.json", to_json(record))

    def verdicts(self, source: str):
        """Return the table of verdicts on one source, from full runs with several seeds.

        Parameters
        ----------
        source : str
            The source's id, for example ``"S1"``, or a lesson's name.

        Returns
        -------
        course_utils.verdicts.Table
            One row for each number or comparison of a claim: the source's number, our result on each stack,
            and the verdict in words. The table is the same in both modes and on both stacks.

        Raises
        ------
        ValueError
            If there is no such source.
        """
        return verdicts.of(source)

    def times(self):
        """Return a table of how long a full run of each lesson took, on each stack."""
        return verdicts.times()

    def save_figure(self, figure, name: str):
        """Save a figure as ``LESSON-NAME.png`` in the folder ``COURSE_FIGURES``, if the variable is set.

        Parameters
        ----------
        figure : matplotlib.figure.Figure
            The figure.
        name : str
            A short name for the file, for example ``"training-curves"``.
        """
        folder = os.environ.get("COURSE_FIGURES")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            figure.savefig(Path(folder) / f"{self.name}-{name}.png", dpi=160)


def _measure(claim, name, value):
    """Convert a measurement to a type that JSON can store."""
    # np.asarray converts NumPy values, TensorFlow tensors and lists of them; float64 holds all of them
    # exactly.
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.dtype == np.bool_ and array.shape == ():
        return bool(array)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or not array.size:
        raise ValueError(
            f"claim {claim}: {name} should be a number or a list of numbers; received {value!r}."
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"claim {claim}: {name} is not finite: {value!r}. Did the training diverge?")
    return array.tolist()
