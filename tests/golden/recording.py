"""What the recording scripts here share: only TensorFlow Addons is recorded, and a record says its origin."""

from __future__ import annotations

import datetime
import json
import pathlib
import platform
import sys

import keras
import numpy as np
import tensorflow as tf


def import_addons():
    """Import TensorFlow Addons 0.23, or end the script: a record of anything else would prove nothing."""
    if int(keras.__version__.split(".")[0]) >= 3:
        sys.exit(
            "This records TensorFlow Addons, which does not run beside Keras "
            f"{keras.__version__}. Use the addons stack: Python 3.10 or 3.11 with the locked requirements."
        )
    import tensorflow_addons as tfa

    if not tfa.__version__.startswith("0.23"):
        sys.exit(f"The record is of TensorFlow Addons 0.23; found {tfa.__version__}.")
    return tfa


def record(recorder, source, addons_version, what):
    """Replay every case of a recorder's module with Addons' classes and write the arrays to its record."""
    arrays = {}
    for name in dict.fromkeys(case[0] for case in recorder.CASES):
        inputs = recorder.make_inputs(name)
        arrays.update({f"{name}/{key}": value for key, value in inputs.items()})
        for case in recorder.CASES:
            if case[0] == name:
                outputs = recorder.replay(source, *case, inputs)
                arrays.update({f"{recorder.case_id(*case)}/{key}": value for key, value in outputs.items()})
    about = {
        "what": what,
        "script": f"tests/golden/{pathlib.Path(recorder.__file__).name}",
        "date": datetime.date.today().isoformat(),
        "python": platform.python_version(),
        "tensorflow_addons": addons_version,
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
        "machine": platform.machine(),
    }
    arrays["about"] = np.array(json.dumps(about))
    path = recorder.RECORD
    np.savez_compressed(path, **arrays)
    print(f"{path.name}: {len(recorder.CASES)} cases, {path.stat().st_size / 1024:.0f} kB")
