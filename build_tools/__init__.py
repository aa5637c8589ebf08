"""Tools for authors: run lessons, build notebooks, measure claims, write the report.

No lesson imports it, and the wheel does not hold it. ``python -m build_tools --help`` lists the commands.
"""


class CourseError(ValueError):
    """An error that the user can fix: a wrong name, file or setting.

    The command line prints its message without a traceback, so the message says what is wrong, with the
    value given, and what to do.
    """
