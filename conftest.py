"""What every test run shares: notebooks in quick mode, reproducible hypothesis, no stray environment."""

import os
import signal
import sys
from pathlib import Path

import hypothesis
import matplotlib
import pytest

from course_utils.stack import STACK

# Before any kernel starts: nbval's kernels inherit it.
for name in [
    name for name in os.environ if name.startswith("COURSE_") and not name.startswith("COURSE_DATA")
]:
    del os.environ[name]
os.environ["COURSE_MODE"] = "quick"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# One thread a process: the tests run a process on each core, and the last bits depend on the threads.
os.environ |= {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}

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
    os.environ["COURSE_RECORD"] = str(RECORDS) if measures else ""


@pytest.fixture(autouse=True)
def figures_closed():
    """Close what a test drew, so that figures do not pile up."""
    yield
    plt = sys.modules.get("matplotlib.pyplot")
    if plt:
        plt.close("all")
