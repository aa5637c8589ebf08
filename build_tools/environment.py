"""Where a measurement was made: the stack, versions, processor and threads, without importing TensorFlow."""

import importlib.metadata
import os
import platform
import subprocess
import sys

from course_utils.stack import STACK

# TensorFlow is published under several names; whichever is installed is the TensorFlow that runs.
_DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "tensorflow-addons": ("tensorflow-addons",),
}


def current_stack():
    """The stack of this interpreter."""
    return STACK


def versions():
    """Give the versions that can change a measurement.

    Returns
    -------
    dict of str to str
        ``python`` and each of TensorFlow, Keras, NumPy and TensorFlow Addons that is installed.

    Examples
    --------
    >>> {"python", "numpy"} <= set(versions())
    True
    """
    found = {"python": platform.python_version()}
    for name, candidates in _DISTRIBUTIONS.items():
        for candidate in candidates:
            try:
                found[name] = importlib.metadata.version(candidate)
                break
            except importlib.metadata.PackageNotFoundError:
                continue
    return found


def same_versions(one, other):
    """Say whether two version tables belong to the same software, as far as results go.

    A patch release of Python changes no arithmetic, so 3.12.1 and 3.12.11 count as the same.

    Parameters
    ----------
    one, other : dict of str to str
        As from `versions`.

    Returns
    -------
    bool

    Examples
    --------
    >>> same_versions({"python": "3.12.1", "keras": "3.10.0"}, {"python": "3.12.11", "keras": "3.10.0"})
    True
    >>> same_versions({"python": "3.12.1", "keras": "3.10.0"}, {"python": "3.12.1", "keras": "3.11.0"})
    False
    """

    def minor(table):
        return {**table, "python": ".".join(table.get("python", "").split(".")[:2])}

    return minor(one) == minor(other)


def cpu_model():
    """Name the processor, as the operating system names it, and on Linux with its numbers.

    The name alone does not tell: servers call processors of several generations "Intel(R) Xeon(R) Processor",
    and the libraries choose other kernels for each, which round otherwise.

    Returns
    -------
    str

    Examples
    --------
    >>> bool(cpu_model())
    True
    """
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = _from_cpuinfo(file.read())
        if found:
            return found
    except OSError:
        pass
    if sys.platform == "darwin":
        answer = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False
        )
        if answer.stdout.strip():
            return answer.stdout.strip()
    return platform.processor() or platform.machine()


def _from_cpuinfo(text):
    """Give the first processor's name with family, model and stepping, as far as the text has them."""
    fields = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    name = fields.get("model name", "")
    numbers = {"family": "cpu family", "model": "model", "stepping": "stepping"}
    known = ", ".join(f"{word} {fields[key]}" for word, key in numbers.items() if fields.get(key))
    return f"{name} ({known})" if name and known else name


def threads():
    """Give the thread settings that TensorFlow and OpenMP read, and the number of processors.

    Returns
    -------
    dict
        ``intra_op``, ``inter_op`` and ``omp``: a number, or ``"default"`` where nothing is set; ``cores``.

    Examples
    --------
    >>> sorted(threads())
    ['cores', 'inter_op', 'intra_op', 'omp']
    """
    names = {
        "intra_op": "TF_NUM_INTRAOP_THREADS",
        "inter_op": "TF_NUM_INTEROP_THREADS",
        "omp": "OMP_NUM_THREADS",
    }
    found = {key: os.environ.get(name) for key, name in names.items()}
    settings = {key: int(value) if value and value.isdigit() else "default" for key, value in found.items()}
    return {**settings, "cores": os.cpu_count()}
