"""Which of the two stacks this interpreter runs, and TensorFlow Addons without its farewell.

Kept apart from ``__init__`` so that every layer of this subpackage can ask without importing the others.
"""

from __future__ import annotations

import warnings
from types import ModuleType

import keras


def import_addons() -> ModuleType:
    """Import TensorFlow Addons, without the warning that it has ended.

    The learner is told so in the lessons, once and with what it means; the same text in front of every
    notebook and every worker process would only teach to skip warnings. No other warning is touched.

    Returns
    -------
    module
        ``tensorflow_addons``.

    Raises
    ------
    ImportError
        If it is not installed or does not import; the message says what to install.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=r"\s*TensorFlow Addons \(TFA\) has ended development", category=UserWarning
            )
            import tensorflow_addons
    except ImportError as error:
        raise ImportError(
            "course_utils.addons uses TensorFlow Addons itself beside Keras 2 (found Keras "
            f"{keras.__version__}), and it does not import here ({error}). Install it with `pip install "
            "tensorflow-addons==0.23.0` (wheels exist up to Python 3.11), or use Keras 3 (`pip install "
            "'keras>=3.10' 'tensorflow>=2.19'`), beside which the course brings its own layers."
        ) from error
    return tensorflow_addons


def require_tensorflow_backend() -> None:
    """Refuse a Keras 3 that does not run on TensorFlow.

    Raises
    ------
    ImportError
        If the backend is another one. Keras chooses its backend when it is first imported, so nothing can be
        repaired afterwards.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"course_utils.addons needs Keras on TensorFlow, but its backend is {backend!r}. Set the "
            "environment variable KERAS_BACKEND=tensorflow (or remove it) before Keras is first imported, "
            "and restart Python."
        )
