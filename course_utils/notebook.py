"""What a notebook shows besides its results: lines of Markdown. It hides the libraries' log lines."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile

from IPython.display import Markdown, display


@contextlib.contextmanager
def native_stderr_kept_back():
    """Hide what native code writes to file descriptor 2; show it if the block fails.

    TensorFlow's C++ code writes log lines at every import, before TensorFlow's log level has an effect. XLA
    does the same at its first compilation. A learner does not need them.

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
