"""What a lesson shows while it works: no chatter of the libraries, one bar per training, a line at its end.

Nothing here computes a result, so changing it leaves stored measurements valid.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import io
import os
import shlex
import sys
import tempfile
import time
import warnings

from IPython import get_ipython
from IPython.display import Markdown, display
from tqdm import tqdm

# Keras 3 warns that it will not shuffle a tf.data.Dataset because `shuffle=True` was passed; nobody did,
# it is fit's default. (Why the lessons shuffle themselves: course_utils.batches.)
warnings.filterwarnings(
    "ignore", message="`shuffle=True` was passed, but will be ignored", category=UserWarning
)


@contextlib.contextmanager
def native_stderr_kept_back():
    """Keep what native code writes to file descriptor 2 out of the notebook; show it if the block fails.

    TensorFlow greets every import, and XLA its first compilation, with log lines from C++ that come before
    TensorFlow's own log level counts. A learner can do nothing about them.

    Examples
    --------
    >>> with native_stderr_kept_back():
    ...     _ = os.write(2, b"chatter")
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(saved, 2)
            kept.seek(0)
            sys.stderr.write(kept.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def say(text: str):
    """Show a line of Markdown below the cell.

    Parameters
    ----------
    text : str
        The line.
    """
    display(Markdown(text))


class _Bar(tqdm):
    """A tqdm bar inside a notebook output that is redrawn in place, without widgets or stderr."""

    def __init__(self, **kwargs):
        self._handle = display(Markdown(""), display_id=True)
        super().__init__(file=io.StringIO(), ncols=90, **kwargs)

    def display(self, msg=None, pos=None):
        # tqdm calls this whenever the bar should be drawn; an empty message would erase it
        if msg is None or msg:
            self.say(f"`{self}`")

    def say(self, text: str):
        self._handle.update(Markdown(text))


def training_bar(label: str):
    """Return a Keras callback that shows one bar over the epochs, and at the end a line with the time.

    What earlier trainings have left behind is freed first.

    Parameters
    ----------
    label : str
        What is being trained, in a few words.

    Returns
    -------
    keras.callbacks.Callback
    """
    import keras

    # A tf.data pipeline holds a copy of its images in a cycle of references, which Python finds when it
    # happens to look. Twelve trainings on CIFAR-10 came to 5.6 GB without this line, and to 2.7 with it.
    gc.collect()

    class TrainingBar(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            bar = _Bar if get_ipython() else tqdm
            self.bar = bar(total=self.params["epochs"], desc=label, unit="epoch", leave=False)

        def on_epoch_end(self, epoch, logs=None):
            shown = {name: f"{value:.3f}" for name, value in (logs or {}).items() if "accuracy" in name}
            self.bar.set_postfix(shown, refresh=False)
            self.bar.update()

        def on_train_end(self, logs=None):
            self.bar.close()
            if isinstance(self.bar, _Bar):
                elapsed = tqdm.format_interval(self.bar.format_dict["elapsed"])
                epochs = f"{self.bar.n} epoch{'s' * (self.bar.n != 1)}"
                self.bar.say(f"Trained *{label}*: {epochs} in {elapsed}.")

    return TrainingBar()


def progress_bar(iterable, label: str, unit: str = "run"):
    """Go through an iterable under one bar, and leave a line with the time; for loops over many trainings.

    Parameters
    ----------
    iterable : sequence
        What to go through; it needs a length.
    label : str
        What is being done, in a few words.
    unit : str, default="run"
        What one element is.

    Yields
    ------
    object
        The elements.

    Examples
    --------
    >>> list(progress_bar([1, 2], "two numbers"))
    [1, 2]
    """
    in_notebook = get_ipython() is not None
    with (_Bar if in_notebook else tqdm)(total=len(iterable), desc=label, unit=unit, leave=False) as bar:
        for element in iterable:
            started = time.monotonic()
            yield element
            bar.update()
            # As for one training; but where hundreds take a moment each, looking would take longer.
            if time.monotonic() - started > 2:
                gc.collect()
    if in_notebook:
        elapsed = tqdm.format_interval(bar.format_dict["elapsed"])
        bar.say(f"Done *{label}*: {bar.n} {unit}{'s' * (bar.n != 1)} in {elapsed}.")


def tensorboard(logdir):
    """Open TensorBoard below the cell, as ``%tensorboard --logdir`` does; where it cannot be, say so.

    Parameters
    ----------
    logdir : path-like
        The folder whose logs are shown, with those of the folders in it.

    Examples
    --------
    >>> tensorboard("runs")
    TensorBoard opens in a notebook; in a shell, run: tensorboard --logdir runs
    """
    shell = get_ipython()
    if shell is None:
        folder = shlex.quote(str(logdir))
        print(f"TensorBoard opens in a notebook; in a shell, run: tensorboard --logdir {folder}")
    elif importlib.util.find_spec("tensorboard") is None:
        say("TensorBoard is not installed here: `%pip install tensorboard`, then run this cell again.")
    else:
        shell.run_line_magic("load_ext", "tensorboard")
        shell.run_line_magic("tensorboard", f"--logdir {shlex.quote(str(logdir))}")
