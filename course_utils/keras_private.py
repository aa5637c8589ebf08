"""Every private name of Keras and TensorFlow that the course uses, and the public way where one is as good.

Private names may change with any release. So they stand here and nowhere else, and
``tests/test_keras_private.py`` says what broke. A scheduled job of CI tries the newest releases.
"""


def count_steps(net, kind, steps):
    """Count steps of "train" or "test" where Keras does: Keras 2, whose callbacks read the number."""
    counter = getattr(net, f"_{kind}_counter", None)
    if counter is not None:
        counter.assign_add(steps)
