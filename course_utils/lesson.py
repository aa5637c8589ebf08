"""What every lesson starts with: mode, seed, stack, speed settings, progress, figures and the ledger.

>>> from course_utils.lesson import FAST, Lesson
>>> lesson = Lesson("00_start_here")                       # doctest: +SKIP
>>> fashion = lesson.data(load_fashion_mnist())            # doctest: +SKIP
>>> model.compile("nadam", "mse", **FAST)                  # doctest: +SKIP
>>> model.fit(x, y, epochs=lesson.epochs(10), verbose=0,
...           callbacks=[lesson.progress("my net")])       # doctest: +SKIP

The environment chooses what a run is:

=================  ==========================================================================
``COURSE_MODE``    ``full`` (default): the source's own setting; ``quick``: few examples and
                   epochs, so that any lesson finishes in seconds
``COURSE_SEED``    the seed, 42 by default, as in the sources
``COURSE_FIGURES`` a folder; figures that a lesson saves go there as PNG
=================  ==========================================================================
"""

from __future__ import annotations

import os
from pathlib import Path

from course_utils import ledger, notebook

# Before TensorFlow loads: it reads these once.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
# oneDNN's convolutions on every x86 processor. Left to itself, TensorFlow uses them only where it finds
# AVX-512, and elsewhere others that are two to four times slower; and the same kernels, the same numbers.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"

with notebook.native_stderr_kept_back():
    import keras
    import tensorflow as tf

    # XLA announces its first compilation; let that be this one.
    tf.function(lambda: tf.constant(0.0), jit_compile=True)()

import matplotlib.pyplot as plt

# TensorFlow suspects a mistake when several Keras models are compiled in one session, and warns of
# "retracing". A lesson that compares nets does just that, on purpose.
tf.get_logger().setLevel("ERROR")

# A loop over fifty steps saves much in a long training. A quick run takes longer to build it than to run it.
_STEPS = 1 if os.environ.get("COURSE_MODE") == "quick" else 50

#: ``compile(**FAST)`` for dense nets: TensorFlow runs 50 steps per Python call, and XLA compiles them into
#: one program. Measured in benchmarks/; explained in lesson 00. In quick mode one step per call.
FAST = {"steps_per_execution": _STEPS, "jit_compile": True}

#: ``compile(**FAST_CONV)`` for convolutions: the same without XLA, whose CPU convolutions are slower than
#: TensorFlow's own.
FAST_CONV = {"steps_per_execution": _STEPS, "jit_compile": False}

#: The software this interpreter runs: "addons" (TensorFlow 2.15, Keras 2, TensorFlow Addons) or "keras3".
STACK = "addons" if keras.__version__.startswith("2.") else "keras3"

MODES = ("full", "quick")

# How many examples quick mode keeps: enough for a curve to move, few enough for seconds. Whole batches: XLA
# compiles once more for a last batch of another size.
QUICK_TRAIN, QUICK_TEST = 1_024, 256


class Lesson:
    """One run of one lesson: its mode and seed, its data, its figures, and its entries in the ledger.

    Making one fixes every random seed, sets the course's figure style and, in a notebook, says in one line
    what kind of run this is.

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
        The software this interpreter runs.

    Raises
    ------
    ValueError
        If ``COURSE_MODE`` or ``COURSE_SEED`` holds something else than the above.

    Examples
    --------
    >>> lesson = Lesson("05_weight_normalization")  # doctest: +SKIP
    """

    def __init__(self, name: str):
        """Read the environment, fix the seeds and greet the reader."""
        self.name = name
        self.mode = os.environ.get("COURSE_MODE", "full")
        if self.mode not in MODES:
            raise ValueError(f"COURSE_MODE is {self.mode!r}; it can be 'full' or 'quick'.")
        seed = os.environ.get("COURSE_SEED", "42")
        if not seed.isdecimal() or int(seed) >= 2**32:
            raise ValueError(f"COURSE_SEED is {seed!r}; it has to be a whole number from 0 to 2**32 - 1.")
        self.seed = int(seed)
        self.stack = STACK
        self._recorder = ledger.Recorder(name, seed=self.seed, mode=self.mode, stack=self.stack)
        plt.style.use(Path(__file__).with_name("course.mplstyle"))
        self.set_seed()
        self._greet()

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
        """Fix Python's, NumPy's and TensorFlow's random numbers, so that what follows can be repeated.

        Call it before building each net that is compared with another: both then start from the same
        weights and see the batches in the same order.

        Parameters
        ----------
        seed : int, optional
            The lesson's own seed by default.
        """
        keras.utils.set_random_seed(self.seed if seed is None else seed)

    def epochs(self, full: int, quick: int = 2) -> int:
        """How many epochs to train: `full` of them, or `quick` in quick mode."""
        return quick if self.quick else full

    def data(self, images):
        """Take a data set into the lesson: note its origin in the ledger, and say so if it is a stand-in.

        Parameters
        ----------
        images : course_utils.data.ImageData
            What a loader returned.

        Returns
        -------
        course_utils.data.ImageData
            The same images; in quick mode the first 1,024 of them (and 256 to test on).
        """
        self._recorder.data(images)
        if images.notice:
            notebook.say(f"> **Stand-in data.** {images.notice}")
        return images.head(QUICK_TRAIN, QUICK_TEST) if self.quick else images

    def record(self, claim: str, **measures):
        """Enter a measurement under a claim's id (see ``course_utils/ledger/claims.toml``).

        Only full runs on real data count; in other runs the call still checks that the claim exists and
        that the measures are the ones it needs.

        Parameters
        ----------
        claim : str
            The claim's id, for example ``"S1.c1"``.
        **measures : float, bool or sequence of float
            What was measured, under the names the claim asks for.

        Raises
        ------
        ValueError
            If the claim is unknown or not this lesson's, or a measure is missing, unknown or not finite.

        Examples
        --------
        >>> lesson.record("S1.c1", val_accuracy=0.61, accuracy=0.69)  # doctest: +SKIP
        """
        self._recorder.record(claim, **measures)

    def verdicts(self, source: str):
        """Return the ledger's table of verdicts on one source, from the full runs over several seeds."""
        return ledger.verdicts(source)

    def progress(self, label: str):
        """Return a Keras callback that shows one progress bar over the epochs, and one line at the end.

        Parameters
        ----------
        label : str
            What is being trained, in a few words.
        """
        return notebook.training_bar(label)

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
