"""Checks for the exercises: they run at once and answer in a sentence.

>>> from course_utils.checks import check
>>> check("dead_share", {})
Still open. `dead_share` is not filled in yet: write it in the cell above, run that cell, then this one.

In a notebook ``check("dead_share")`` finds what the learner called ``dead_share``, tries it on inputs that
stand nowhere in the notebook, and says whether it is right; if not, what was expected, what was found, and
what the likely cause is. Any solution that behaves as the card asks is right; none of ours is looked at.

The checks of lesson NN stand in ``lesson_NN.py``, a function each. `course_utils.checks.exercise` has what
they are written with.
"""

import importlib
import pkgutil

from course_utils.checks.exercise import EXERCISES, Answer, check, open_answer

# Each lesson's checks enter EXERCISES as their module is loaded.
for _module in pkgutil.iter_modules(__path__, f"{__name__}."):
    importlib.import_module(_module.name)

__all__ = ["EXERCISES", "Answer", "check", "open_answer"]
