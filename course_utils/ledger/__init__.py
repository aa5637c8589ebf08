"""The ledger: what the sources claim, what our runs measured, and what follows.

A lesson records with `Recorder` and ends with `verdicts`. Importing this loads NumPy and nothing
heavier. Running and reproducing live in `course_utils.running` and `course_utils.ledger.evidence`,
which need the package's ``dev`` extra.
"""

from course_utils.ledger.claims import load_claims
from course_utils.ledger.environment import current_stack
from course_utils.ledger.errors import CourseError
from course_utils.ledger.record import Recorder
from course_utils.ledger.table import seconds, times, verdicts

__all__ = ["CourseError", "Recorder", "current_stack", "load_claims", "seconds", "times", "verdicts"]
