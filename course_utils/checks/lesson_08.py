"""Checks of lesson 08: learning-rate schedules."""

import numpy as np

from course_utils.checks.exercise import (
    WrongAnswer,
    as_array,
    as_number,
    assert_close,
    call_answer,
    exercise,
    expect,
    format_value,
)


@exercise
def keras_boundaries(answer):
    """Try epochs with and without a partial batch, and one that is shorter than a batch."""
    for epochs, examples, batch_size in [
        ([5, 15], 55_000, 32),
        ([1, 2, 4], 1_001, 100),
        ([3], 640, 32),
        ([2, 3], 10, 32),
    ]:
        numbered = np.array(epochs)
        steps, whole = -(-examples // batch_size), examples // batch_size
        what = f"for epochs {epochs}, {examples} examples and batches of {batch_size}"
        found = as_array("the boundaries", call_answer(answer, list(epochs), examples, batch_size))
        expect(
            found.shape == numbered.shape,
            f"the boundaries {what}",
            f"a list of {len(epochs)}",
            found,
            "return one boundary for each epoch in which the rate changes",
        )
        mistakes = {
            "you returned epochs; Keras counts steps": numbered,
            "you are one step late: at the boundary Keras still uses the old rate": numbered * steps,
            "you are two steps late: the boundary is the last step with the old rate": (numbered * steps + 1),
            "you rounded down; the smaller last batch of an epoch is a step too": numbered * whole - 1,
            "you rounded down, and then were one step late": numbered * whole,
            "you rounded up once for all epochs; every epoch has its own last batch": (
                -(-numbered * examples // batch_size) - 1
            ),
            "you are one epoch early: epochs count from 0, so epoch 5 begins after five epochs": numbered
            * steps
            - steps
            - 1,
            "you are one epoch late: epochs count from 0, so epoch 5 begins after five epochs": numbered
            * steps
            + steps
            - 1,
            "you counted examples; a step is a batch": numbered * examples - 1,
            "you returned lengths; Keras counts steps from the start of the training": (
                np.diff(numbered, prepend=0) * steps - 1
            ),
        }
        for place, epoch in enumerate(epochs):
            step = float(found[place])
            assert_close(
                f"the boundary before epoch {epoch}, {what}",
                # Keras asks whether step <= boundary, so 4.5 does what 4 does.
                int(np.floor(step)) if np.isfinite(step) else step,
                int(numbered[place] * steps - 1),
                mistakes={cause: int(values[place]) for cause, values in mistakes.items()},
                rtol=0,
            )
    return "With whole epochs, smaller last batches and epochs of one step, the rate changes where it should."


@exercise
def WarmCosine(answer):
    """Compare the rates of three schedules with the formula, then train with one."""
    import tensorflow as tf
    from keras.optimizers import SGD
    from keras.optimizers.schedules import LearningRateSchedule

    for peak, warmup, total in [(0.4, 10, 60), (0.001, 1, 8), (0.05, 1_000, 20_000)]:
        middle = (warmup + total) // 2
        steps = [0, 1, warmup // 2, warmup - 1, warmup, warmup + 1, middle, total - 2, total - 1, total]
        steps = np.unique([*steps, total + 1, total + warmup, 2 * total])
        what = f"`WarmCosine({peak}, {warmup}, {total})`"
        schedule = call_answer(answer, peak, warmup, total, what=what)
        expect(
            isinstance(schedule, LearningRateSchedule),
            what,
            "a LearningRateSchedule",
            format_value(schedule),
            "the class should inherit from `keras.optimizers.schedules.LearningRateSchedule`",
        )
        rates = np.array([_rate(schedule, step, tf) for step in steps])
        expected, mistakes = _warm_cosines(peak, warmup, total, steps)
        off = ~np.isclose(rates, expected, rtol=1e-3, atol=1e-4 * peak)
        if off.any():
            place = np.argmax(off)
            what = f"the rate of {what} in step {steps[place]}"
            # Where the end is wrong as well, the steps before it may tell what else is.
            raise WrongAnswer(
                what,
                expected[place],
                rates[place],
                _cause(rates, mistakes, peak, steps >= 0) or _cause(rates, mistakes, peak, steps <= total),
            )
    _train(call_answer(answer, 0.5, 2, 5), SGD, tf)
    return "Up, down and after the end, the rates are right, in three schedules; and one has trained a unit."


def _cause(rates, mistakes, peak, where):
    for cause, values in mistakes.items():
        if np.allclose(rates[where], values[where], rtol=1e-3, atol=1e-4 * peak):
            return cause
    return ""


def _rate(schedule, step, tf):
    what = f"the rate in step {step}"
    try:
        rate = call_answer(schedule, tf.constant(step, tf.int64), what=what)
    except WrongAnswer as wrong:
        if wrong.__cause__ is None:
            raise
        cause = "the step is an integer tensor; convert it with `tf.cast(step, tf.float32)`"
        kinds = any(word in str(wrong) for word in ("int64", "dtype"))
        raise WrongAnswer(what, "a number", _short(wrong.__cause__), cause if kinds else "") from None
    return as_number(what, rate)


def _short(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:100]}{'…' if len(text) > 100 else ''}"


def _warm_cosines(peak, warmup, total, steps):
    """The right rates, and those of the usual mistakes."""
    rising = steps < warmup
    way = (steps - warmup) / (total - warmup)
    ended = np.clip(way, 0, 1)

    def after(falling, up=steps / warmup):
        return peak * np.where(rising, up, falling)

    def half_cosine(share):
        return (1 + np.cos(np.pi * share)) / 2

    mistakes = {
        "the cosine rises again after its end; limit the step to `total`": after(half_cosine(way)),
        "you are one step early in the warm-up: step 0 has the rate 0": after(
            half_cosine(ended), (steps + 1) / warmup
        ),
        "the cosine should count its steps from the end of the warm-up": after(
            half_cosine(np.clip(steps / total, 0, 1))
        ),
        "the cosine is too long: `total` includes the warm-up, so it has `total - warmup` steps": after(
            half_cosine(np.clip((steps - warmup) / total, 0, 1))
        ),
        "the cosine goes from 1 to -1: add 1 and halve it": after(np.cos(np.pi * ended)),
        "you added 1 to the cosine but did not halve it": after(1 + np.cos(np.pi * ended)),
        "you used a quarter of a wave; use half a wave, from 0 to π": after(np.cos(np.pi / 2 * ended)),
        "you used a whole wave; use half a wave, from 0 to π": after(half_cosine(2 * ended)),
        "the cosine is upside down: it should begin at the peak": after(half_cosine(1 - ended)),
        "you are one step early at the end: the rate becomes 0 in step `total`": after(
            half_cosine(np.clip((steps - warmup) / (total - warmup - 1), 0, 1))
        ),
        "the rate falls in a straight line; use a cosine": after(1 - ended),
        "the warm-up is missing: the first steps have the peak's rate": after(half_cosine(ended), 1.0),
        "you multiplied the warm-up by a cosine over all steps": after(
            half_cosine(np.clip(steps / total, 0, 1)),
            steps / warmup * half_cosine(np.clip(steps / total, 0, 1)),
        ),
        "the rates go up to 1; multiply by `peak`": after(half_cosine(ended)) / peak,
    }
    for first in (0, 1):
        count = np.arange(first, first + len(steps))
        falling = half_cosine(np.clip((count - warmup) / (total - warmup), 0, 1))
        cause = f"you count the calls, from {first}; the rate should depend on `step` only"
        mistakes[cause] = peak * np.where(count < warmup, count / warmup, falling)
    return after(half_cosine(ended)), mistakes


def _train(schedule, SGD, tf):
    """Train inside a tf.function, as `fit` does, and compare the lengths of the steps."""
    import keras

    # Zeros, not random numbers: these would come out of the notebook's own stream.
    unit = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    unit.build((None, 1))
    lengths = []
    try:
        optimizer = SGD(schedule)
        optimizer.build([unit.kernel])
        step = tf.function(
            lambda: optimizer.apply_gradients([(tf.ones((1, 1)), unit.kernel)]), autograph=False
        )
        for _ in range(6):
            before = unit.get_weights()[0].item()
            step()
            lengths.append(before - unit.get_weights()[0].item())
    except Exception as error:
        raise WrongAnswer(
            "a training with `WarmCosine(0.5, 2, 5)`",
            "six steps",
            f"an error ({type(error).__name__})",
            "in a compiled training the step is a tensor without a value, so `if` and NumPy do not work; "
            "use `tf.where` and `tf.cos`",
        ) from error
    assert_close(
        "the rates of six steps of a training with `WarmCosine(0.5, 2, 5)`",
        lengths,
        [0, 0.25, 0.5, 0.375, 0.125, 0],
        cause="the rate should depend on the step only, not on when it is called",
        atol=1e-4,
    )
