"""Checks for the exercises: they run in seconds and answer in a sentence.

>>> from course_utils.checks import check
>>> check("dead_share", {})
Still open. `dead_share` is not filled in yet: write it in the cell above, run that cell, then this one.

In a notebook, ``check("dead_share")`` calls the learner's `dead_share` with test inputs of its own.
The message says whether the answer is right; if not, what was expected, what was found, and the likely
cause. Checks compare results, never code: every solution that does what the exercise asks is right.

``lesson_NN.py`` holds the checks of lesson NN, one function each, written with the helpers in `exercise`.
"""

import importlib
import pkgutil

from course_utils.checks.exercise import EXERCISES, Answer, check, open_answer

# Importing a lesson's module registers its checks. None of them imports TensorFlow: all take 0.1 s together.
for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = ["EXERCISES", "Answer", "check", "open_answer"]
