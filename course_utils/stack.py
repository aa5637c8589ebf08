"""The one place that decides which of the two software stacks this interpreter runs.

``"addons"`` is TensorFlow 2.15 with Keras 2 and TensorFlow Addons, ``"keras3"`` is today's TensorFlow with
Keras 3. Asking loads neither.
"""

import importlib.metadata
import sys

STACKS = ("addons", "keras3")


def _stack():
    """By the Keras that is installed; without one, by the rule of pyproject.toml's environment markers."""
    try:
        return "addons" if importlib.metadata.version("keras").startswith("2.") else "keras3"
    except importlib.metadata.PackageNotFoundError:
        return "addons" if sys.version_info < (3, 12) else "keras3"


#: The stack of this interpreter.
STACK = _stack()
