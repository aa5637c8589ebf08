"""A course of one small lesson in a folder of its own, to run and break without TensorFlow."""

import json

from course_utils.data import DIGESTS
from course_utils.stack import STACK

PROJECT = """\
[project.urls]
Repository = "https://github.com/someone/small"

[tool.course]
revision = "main"
"""

CLAIMS = """\
[[source]]
id = "S9"
title = "A | source_with signs"
year = 2020
url = "https://example.org/s9"
lesson = "01_tiny"

[[claim]]
id = "S9.c1"
lesson = "01_tiny"
section = "Measure"
kind = "value"
text = "The number is 1.50."
values = [{ measure = "number", printed = 1.50 }]

[[claim]]
id = "S9.c2"
lesson = "01_tiny"
section = "Measure"
kind = "ordering"
text = "More is more, both times."
greater = "more"
less = "less"

[[claim]]
id = "S9.c3"
lesson = "01_tiny"
section = "Measure"
kind = "property"
text = "It always holds."
"""

#: What `course_utils.lesson.Lesson` does for a record, without TensorFlow, which takes five seconds to load.
SETUP = """\
# what every lesson sets up
import json
import os
import random
import sys
from pathlib import Path

from course_utils.data import DIGESTS


class Lesson:
    def __init__(self, name):
        self.name, self.measurements = name, {}
        self.seed, self.mode = int(os.environ["COURSE_SEED"]), os.environ["COURSE_MODE"]
        self.origin = os.environ.get("COURSE_TINY_ORIGIN", "real")

    def record(self, claim, **measures):
        from course_utils.stack import STACK

        self.measurements[claim] = measures
        data = {"mnist": {"origin": self.origin, "digests": DIGESTS["mnist"]}}
        modules = sorted(name for name in sys.modules if name.split(".")[0] == "course_utils")
        record = {"lesson": self.name, "seed": self.seed, "mode": self.mode, "stack": STACK, "data": data}
        record |= {"modules": modules, "measurements": self.measurements}
        folder = Path(os.environ["COURSE_RECORD"])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.name}.json").write_text(json.dumps(record))

    def verdicts(self, source):
        return f"verdicts on {source}"


lesson = Lesson("01_tiny")
number = 1.5 + random.Random(lesson.seed).gauss(0, 0.1)
"""

TINY = f"""\
# %% [markdown]
# # Tiny
#
# A lesson.

# %%
{SETUP}
# %% [markdown]
# ## Measure

# %%
lesson.record("S9.c1", number=number)
lesson.record("S9.c2", more=[number + 1, 3.0], less=[0.5, 2.0])
lesson.record("S9.c3", holds=True, worst=0.001)
print("measured")

# %% tags=["figure"]
print("a drawing")

# %% tags=["verdicts"]
lesson.verdicts("S9")
"""


#: An exercise of lesson 00, whose check needs no TensorFlow.
EXERCISES = '''
# %% [markdown]
# ## Exercises

# %% tags=["given"]
from course_utils.checks import check

# %% [markdown] tags=["exercise"]
# ### 1 · Steps and calls

# %% tags=["exercise"]
def steps_and_calls(images, batch_size, epochs, steps_per_execution):
    """Steps, and calls."""
    ...


# %% tags=["solution"]
def steps_and_calls(images, batch_size, epochs, steps_per_execution):
    """Steps, and calls."""
    steps = -(-images // batch_size)
    return epochs * steps, epochs * -(-steps // steps_per_execution)


# %% tags=["check"]
check("steps_and_calls")

# %% tags=["uses-answer"]
print("a hundred images:", steps_and_calls(100, 32, 2, 3))

# %% [markdown] tags=["solution"]
# The last batch counts as well.
'''

#: The lesson where the solution is what the claims are measured by.
MEASURING = TINY.replace('# %%\nlesson.record("S9.c1"', '# %% tags=["solution"]\nlesson.record("S9.c1"')


def make(folder, **lessons):
    """Lay out a course; more lessons by stem, as ``_02_bad="..."``."""
    for name in ("lessons", "ledger"):
        (folder / name).mkdir(parents=True)
    (folder / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "ledger" / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    write_lesson(folder, TINY)
    for name, text in lessons.items():
        write_lesson(folder, text, name.removeprefix("_"))
    return folder


def write_lesson(folder, text, name="01_tiny"):
    (folder / "lessons" / f"{name}.py").write_text(text, encoding="utf-8")


def a_record(lesson, seed, *, number, modules, stack=None):
    """What a full run of the tiny lesson would leave in results/, without running it."""
    stack = stack or STACK
    versions = {"python": "3.12.1", "numpy": "2.0.0"}
    return {
        "lesson": lesson.name,
        "seed": seed,
        "mode": "full",
        "stack": stack,
        "data": {"mnist": {"origin": "real", "digests": DIGESTS["mnist"]}},
        "versions": versions,
        "cpu": "a processor",
        "threads": {"cores": 2, "intra_op": 1, "inter_op": 1, "omp": 1},
        "measurements": {
            "S9.c1": {"number": number},
            "S9.c2": {"more": [number + 1, 3.0], "less": [0.5, 2.0]},
            "S9.c3": {"holds": True, "worst": 0.001},
        },
        "code": lesson.code,
        "modules": modules,
        "seconds": 10.0 + seed,
        "revision": "0123456789ab",
        "date": "2026-11-23",
    }


def store(folder, record):
    path = folder / "results" / record["stack"] / record["lesson"] / f"seed{record['seed']}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record), encoding="utf-8")
    return path
