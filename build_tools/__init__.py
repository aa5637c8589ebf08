"""Tools for authors: run lessons, build notebooks, measure claims, write the report.

No lesson imports this package, and the wheel does not contain it. ``python -m build_tools --help`` lists the
commands.
"""


class CourseError(ValueError):
    """An error that the user can fix: a wrong name, file or setting.

    The command line prints its message without a traceback. So the message says what is wrong, the value
    given, and what to do.
    """
