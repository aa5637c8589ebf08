"""What every test run shares: notebooks in quick mode, reproducible hypothesis, no stray environment."""

import os
import signal

import hypothesis
import matplotlib
import pytest

# Before any kernel starts: nbval's kernels inherit it.
os.environ["COURSE_MODE"] = "quick"
for name in ("COURSE_SEED", "COURSE_FIGURES", "COURSE_RECORD_TO"):
    os.environ.pop(name, None)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell's background job ignores Ctrl-C, and so do its children; some tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

matplotlib.use("agg")  # here only: a kernel keeps its inline figures
hypothesis.settings.register_profile("course", deadline=None, derandomize=True, print_blob=True)
hypothesis.settings.load_profile("course")


@pytest.fixture(autouse=True)
def figures_closed():
    """Close what a test drew, so that figures do not pile up."""
    yield
    plt = __import__("sys").modules.get("matplotlib.pyplot")
    if plt:
        plt.close("all")
