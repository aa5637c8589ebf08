"""What those who make the course run: lessons become notebooks, runs become results, results become verdicts.

No lesson imports it, and the wheel does not hold it. ``python -m build_tools --help`` lists the commands.
"""


class CourseError(ValueError):
    """Something to put right outside the code: a name, a file, a setting.

    The command line prints its message without a traceback, so the message says what is wrong, with the
    value given, and what to do.
    """
