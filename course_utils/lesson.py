"""What every lesson starts with: its mode and seed, its data, what it measures, and the verdicts.

>>> from course_utils.lesson import Lesson
>>> lesson = Lesson("05_weight_normalization")             # doctest: +SKIP
>>> cifar10 = lesson.data(load_cifar10())                  # doctest: +SKIP

The environment says what kind of run this is. It is read when a `Lesson` is made; an empty variable counts
as one that is not set.

=================  ==========================================================================
``COURSE_MODE``    ``full`` (default): the source's own setting; ``quick``: few examples and
                   epochs, so that any lesson finishes in seconds
``COURSE_SEED``    the seed, 42 by default, as in the sources
``COURSE_FIGURES`` a folder; figures that a lesson saves go there as PNG
``COURSE_RECORD``  a folder; what a lesson measures goes there as JSON (for those who make
                   the course)
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

# Before TensorFlow loads: it reads these once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# oneDNN's convolutions on every x86 processor: TensorFlow by itself uses them only where it finds AVX-512.
# Its others are two to four times slower, and would give other last digits.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

# Loading four thousand modules leaves no garbage, but Python would stop to look for some again and again.
gc.disable()
try:
    with notebook.native_stderr_kept_back():
        import keras
        import tensorflow as tf

        # XLA announces its first compilation; let that be this one.
        tf.function(lambda: tf.constant(0.0), jit_compile=True)()
finally:
    gc.enable()

import matplotlib.pyplot as plt

from course_utils import training

gc.freeze()  # nor need it look through them whenever a training begins by freeing what the last one left

# TensorFlow suspects a mistake when several Keras models are compiled in one session, and warns of
# "retracing". A lesson that compares nets does just that, on purpose.
tf.get_logger().setLevel("ERROR")

MODES = ("full", "quick")

# How many examples quick mode keeps: enough for a curve to move, few enough for seconds. Whole batches: a
# last batch of another size would be one more program to build.
QUICK_TRAIN, QUICK_TEST = 1_024, 256


class Lesson:
    """One run of one lesson: its mode and seed, its data, its figures and its measurements.

    Making one sets every random seed and the course's figure style and, in a notebook, says in one line what
    kind of run this is.

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
        What has been recorded, by claim.

    Raises
    ------
    ValueError
        If ``COURSE_MODE`` or ``COURSE_SEED`` holds something else than the above.

    Examples
    --------
    >>> lesson = Lesson("05_weight_normalization")  # doctest: +SKIP
    """

    def __init__(self, name: str):
        """Read the environment, set the seeds and greet the reader."""
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
                "A few examples and epochs only, to see everything move: the curves and numbers below mean "
                "little. The verdicts at the end come from full runs."
            )
        notebook.say(" ".join(lines))

    def set_seed(self, seed: int | None = None):
        """Set Python's, NumPy's and TensorFlow's random seeds, so that what follows can be repeated.

        Call it before building each net that is compared with another: both then start from the same
        weights and see the batches in the same order.

        Parameters
        ----------
        seed : int, optional
            The lesson's own seed by default.
        """
        keras.utils.set_random_seed(self.seed if seed is None else arguments.seed("seed", seed))

    def seeds(self, n: int) -> list[int]:
        """Give the seeds of a comparison that is repeated: the lesson's own, and others a thousand apart.

        Lessons that are run from neighbouring seeds (42, 43, …) share none of them.

        Parameters
        ----------
        n : int
            How many. In quick mode there are two at most.

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
        """Take a data set into the lesson: note where it comes from, and say so if it is a stand-in.

        Parameters
        ----------
        images : course_utils.data.ImageData
            What a loader returned.

        Returns
        -------
        course_utils.data.ImageData
            The same images; in quick mode the first 1,024 of them (and 256 to test on).
        """
        self._data[images.name] = {"origin": images.origin, "digests": dict(images.digests)}
        self._keep_record()
        if images.notice:
            notebook.say(f"> **Stand-in data.** {images.notice}")
        return images.head(QUICK_TRAIN, QUICK_TEST) if self.quick else images

    def record(self, claim: str, **measures):
        """Note what was measured under a claim's id; a second call replaces the first.

        Parameters
        ----------
        claim : str
            The claim's id, for example ``"S1.c1"``.
        **measures : float, bool or sequence of float
            What was measured, under the names that the claim asks for. NumPy's and TensorFlow's numbers are
            taken too.

        Raises
        ------
        ValueError
            If a measure is neither True or False nor a finite number, nor a list of finite numbers.

        Examples
        --------
        >>> lesson.record("S1.c1", val_accuracy=0.61, accuracy=0.69)  # doctest: +SKIP
        """
        plain = {name: _measure(claim, name, value) for name, value in measures.items()}
        self.measurements[claim] = plain
        self._keep_record()

    def _keep_record(self):
        """Write what has been measured so far, whole, if someone wants it."""
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
        """Return the table of verdicts on one source, from the full runs over several seeds.

        Parameters
        ----------
        source : str
            The source's id, for example ``"S1"``, or a lesson's name.

        Returns
        -------
        course_utils.verdicts.Table
            Claims with the source's number, ours on each stack, and the verdict in words. It is the same in
            quick mode as in full, and on both stacks.

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
        """Write a figure as ``LESSON-NAME.png`` into the folder ``COURSE_FIGURES``; without one, do nothing.

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
    """A measure as JSON holds it."""
    # np.asarray reads NumPy values, TensorFlow tensors and lists of either; float64 holds them all exactly.
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
