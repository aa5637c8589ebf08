"""The conditions of a measurement: versions, processor, threads and revision, without TensorFlow."""

import importlib.metadata
import os
import platform
import subprocess
import sys

# TensorFlow is published under several names. The installed one is the TensorFlow that runs.
_DISTRIBUTIONS = {
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tensorflow-intel"),
    "keras": ("keras",),
    "numpy": ("numpy",),
    "tensorflow-addons": ("tensorflow-addons",),
}


def versions():
    """Give the versions that can change a measurement: Python's, and those of installed packages, by name."""
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
    """Say whether two tables of versions count as the same software.

    A patch release of Python does not change arithmetic, so 3.12.1 and 3.12.11 count as the same.

    >>> same_versions({"python": "3.12.1", "keras": "3.10.0"}, {"python": "3.12.11", "keras": "3.10.0"})
    True
    >>> same_versions({"python": "3.12.1", "keras": "3.10.0"}, {"python": "3.12.1", "keras": "3.11.0"})
    False
    """

    def minor(table):
        return {**table, "python": ".".join(table.get("python", "").split(".")[:2])}

    return minor(one) == minor(other)


def cpu_model():
    """Name the processor as the operating system does; on Linux also its family, model and stepping.

    The name alone is not enough. Servers call processors of several generations "Intel(R) Xeon(R) Processor".
    For each the libraries choose other code, which rounds differently.
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
    """Give the name, family, model and stepping of the first processor, as far as the text contains them."""
    fields = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    name = fields.get("model name", "")
    numbers = {"family": "cpu family", "model": "model", "stepping": "stepping"}
    known = ", ".join(f"{word} {fields[key]}" for word, key in numbers.items() if fields.get(key))
    return f"{name} ({known})" if name and known else name


def same_cpu(then, now):
    """Say whether a record may come from this processor. Older records have only the processor's name.

    >>> same_cpu("AMD EPYC", "AMD EPYC (family 25, model 1)"), same_cpu("AMD EPYC (family 23)", "AMD EPYC")
    (True, False)
    """
    return then == now or now.startswith(f"{then} (")


def threads():
    """Give the thread settings that TensorFlow and OpenMP read, and the number of processors."""
    names = {
        "intra_op": "TF_NUM_INTRAOP_THREADS",
        "inter_op": "TF_NUM_INTEROP_THREADS",
        "omp": "OMP_NUM_THREADS",
    }
    found = {key: os.environ.get(name) for key, name in names.items()}
    settings = {key: int(value) if value and value.isdecimal() else "default" for key, value in found.items()}
    return {**settings, "cores": os.cpu_count()}


def revision(root):
    """Give the commit of the lessons and the package, with a "+" if they have changed since."""
    # verdicts.json is made from the measurements. If it counted, every report would look like a change of the
    # package.
    measured = ["lessons", "course_utils", ":!course_utils/verdicts.json"]
    try:
        commit = _git(root, "rev-parse", "--short=12", "HEAD")
        return commit + "+" * bool(_git(root, "status", "--porcelain", "--", *measured))
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(root, *arguments):
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
