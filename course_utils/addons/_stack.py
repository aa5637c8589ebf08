"""The import of TensorFlow Addons, and a check of Keras' backend."""

import warnings

import keras


def import_addons():
    """Import TensorFlow Addons, without the warning that its development has ended.

    The lessons say and explain this once. The same warning in every notebook would teach readers to ignore
    warnings. All other warnings stay.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=r"\s*TensorFlow Addons \(TFA\) has ended development", category=UserWarning
            )
            import tensorflow_addons
    except ImportError as error:
        raise ImportError(
            "With Keras 2, course_utils.addons needs TensorFlow Addons (found Keras "
            f"{keras.__version__}), but it cannot be imported ({error}). Install it with `pip install "
            "tensorflow-addons==0.23.0` (wheels exist up to Python 3.11), or use Keras 3 (`pip install "
            "'keras>=3.10' 'tensorflow>=2.19'`), for which the course has its own layers."
        ) from error
    return tensorflow_addons


def require_tensorflow_backend():
    """Raise an error if Keras 3 does not run on TensorFlow. Keras chooses its backend when it is imported."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"course_utils.addons needs Keras on TensorFlow, but its backend is {backend!r}. Set the "
            "environment variable KERAS_BACKEND=tensorflow (or remove it) before Keras is first imported, "
            "and restart Python."
        )
