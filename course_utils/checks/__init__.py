"""Checks for the exercises. Each runs in seconds and answers with a short message.

>>> from course_utils.checks import check
>>> check("dead_share", {})
Still open. `dead_share` is not filled in yet: write it in the cell above, run that cell, then this one.

In a notebook, ``check("dead_share")`` calls the learner's `dead_share` with its own test inputs. The message
says whether the answer is right. If it is not, the message says what was expected, what was found, and the
likely cause. Checks compare results, never code, so every correct solution is right.

``lesson_NN.py`` contains the checks of lesson NN, one function each. They use the helpers in `exercise`.
"""

import importlib
import pkgutil

from course_utils.checks.exercise import EXERCISES, Answer, check, open_answer

# Importing a lesson's module registers its checks. None imports TensorFlow, so all imports together take 0.1
# s.
for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = ["EXERCISES", "Answer", "check", "open_answer"]
