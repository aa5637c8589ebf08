"""What every test run shares: notebooks in quick mode, reproducible hypothesis, no stray environment."""

import os
import signal
import sys
from pathlib import Path

import hypothesis
import matplotlib
import pytest

from build_tools.execute import ONE_THREAD
from course_utils.stack import STACK

# Before any kernel starts: nbval's kernels inherit it.
for name in [
    name for name in os.environ if name.startswith("COURSE_") and not name.startswith("COURSE_DATA")
]:
    del os.environ[name]
os.environ["COURSE_MODE"] = "quick"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# One thread a process: the tests run a process on each core, and the last bits depend on the threads. With
# the settings of `build_tools.execute`, a notebook here is the first of the two runs of `repeat --quick`.
os.environ |= {**ONE_THREAD, "PYTHONHASHSEED": "0", "KERAS_BACKEND": "tensorflow"}

# A shell's background job ignores Ctrl-C, and so do its children; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

matplotlib.use("agg")  # here only: a kernel keeps its inline figures
hypothesis.settings.register_profile("course", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("course")

RECORDS = Path(__file__).parent / "build" / "records" / STACK


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Keep what a notebook measures: ``repeat --quick`` compares a second run to it."""
    measures = item.path.suffix == ".ipynb" and "lesson.record(" in item.path.read_text(encoding="utf-8")
    folder = RECORDS / "solutions" if item.path.parent.name == "solutions" else RECORDS
    os.environ["COURSE_RECORD"] = str(folder) if measures else ""


@pytest.fixture(autouse=True)
def figures_closed():
    """Close what a test drew, so that figures do not pile up."""
    yield
    plt = sys.modules.get("matplotlib.pyplot")
    if plt:
        plt.close("all")
