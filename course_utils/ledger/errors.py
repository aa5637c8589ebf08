"""The one exception for what the person at the keyboard can put right."""


class CourseError(ValueError):
    """Something to put right outside the code: a name, a file, a setting.

    The command line prints its message without a traceback, so the message says what is wrong, with the
    value given, and what to do.

    Examples
    --------
    >>> raise CourseError("no lesson matches '99'")
    Traceback (most recent call last):
    course_utils.ledger.errors.CourseError: no lesson matches '99'
    """
