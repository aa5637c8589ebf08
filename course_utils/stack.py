"""Decides which of the two software stacks this interpreter runs. No other module decides it.

``"addons"`` is TensorFlow 2.15 with Keras 2 and TensorFlow Addons. ``"keras3"`` is current TensorFlow with
Keras 3. This module imports neither.
"""

import importlib.metadata
import sys

STACKS = ("addons", "keras3")


def _stack():
    """Decide by the installed Keras; if there is none, by the Python version, as in pyproject.toml."""
    try:
        return "addons" if importlib.metadata.version("keras").startswith("2.") else "keras3"
    except importlib.metadata.PackageNotFoundError:
        return "addons" if sys.version_info < (3, 12) else "keras3"


#: The stack of this interpreter.
STACK = _stack()
