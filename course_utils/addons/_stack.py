"""TensorFlow Addons without its farewell, and a check of Keras' backend."""

import warnings

import keras


def import_addons():
    """Import TensorFlow Addons, without the warning that it has ended.

    The lessons say so, once and with what it means. The same text in front of every notebook would only teach
    to skip warnings. No other warning is touched.
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


def require_tensorflow_backend():
    """Refuse a Keras 3 that does not run on TensorFlow; it chooses its backend once, when it is imported."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"course_utils.addons needs Keras on TensorFlow, but its backend is {backend!r}. Set the "
            "environment variable KERAS_BACKEND=tensorflow (or remove it) before Keras is first imported, "
            "and restart Python."
        )
