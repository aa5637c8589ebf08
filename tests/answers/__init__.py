"""Answers to the exercises, as learners give them: right ones that differ from ours, and wrong ones.

A module for each lesson. A right answer has to pass its check; a wrong one has to be told what is likely
wrong with it, in words that no other wrong answer to the same exercise gets.

    @right("dead_share")
    def by_the_largest(activations):
        return (activations.max(axis=0) == 0).mean()

    @wrong("dead_share", says="wrong axis")
    def over_images(activations):
        return np.mean(np.all(activations == 0, axis=1))

``right("name")(value)`` does the same for an answer that is no function.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Given:
    """One answer: to which exercise, what it is called here, and what the check has to say of it."""

    exercise: str
    label: str
    value: object
    says: str = ""


RIGHT, WRONG = [], []


def right(exercise):
    """Register an answer that solves the exercise."""

    def register(answer):
        RIGHT.append(Given(exercise, f"{exercise}: {_label(answer)}", answer))
        return answer

    return register


def wrong(exercise, says):
    """Register an answer that a check has to reject, with words that the rejection contains."""

    def register(answer):
        WRONG.append(Given(exercise, f"{exercise}: {says}", answer, says))
        return answer

    return register


def _label(answer):
    return getattr(answer, "__name__", type(answer).__name__)
