"""Checks of lesson 08: learning-rate schedules."""

import numpy as np

from course_utils.checks.exercise import WrongAnswer, as_array, assert_close, call_answer, exercise, expect


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
            "there is one boundary for each epoch in which the rate changes",
        )
        mistakes = {
            "Keras counts steps; you give epochs": numbered,
            "Keras keeps the old rate at the boundary; name the last step that has it": numbered * steps,
            "the first step with the new rate is the one after Keras' boundary; you are two late": (
                numbered * steps + 1
            ),
            "the last batch of an epoch is a step even where it is smaller": numbered * whole - 1,
            "round up for the smaller last batch, and name the last step with the old rate": numbered * whole,
            "every epoch ends with a smaller batch of its own; round up before you multiply": (
                -(-numbered * examples // batch_size) - 1
            ),
            "epochs count from 0: epoch 5 begins after five whole ones, not four": numbered * steps
            - steps
            - 1,
            "epochs count from 0: epoch 5 begins after five whole ones, not six": numbered * steps
            + steps
            - 1,
            "a step is a batch, not an example": numbered * examples - 1,
            "you give lengths; Keras wants the steps counted from the start of the training": (
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
            schedule,
            "derive the class from `keras.optimizers.schedules.LearningRateSchedule`",
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
        cause = (
            "the step is a tensor of whole numbers; `tf.cast(step, tf.float32)` makes it one to reckon with"
        )
        kinds = any(word in str(wrong) for word in ("int64", "dtype"))
        raise WrongAnswer(what, "a number", _short(wrong.__cause__), cause if kinds else "") from None
    return float(np.squeeze(as_array(what, rate)))


def _short(error):
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:100]}{'…' if len(text) > 100 else ''}"


def _warm_cosines(peak, warmup, total, steps):
    """The right rates, and what mistakes make of them."""
    rising = steps < warmup
    way = (steps - warmup) / (total - warmup)
    ended = np.clip(way, 0, 1)

    def after(falling, up=steps / warmup):
        return peak * np.where(rising, up, falling)

    def half_cosine(share):
        return (1 + np.cos(np.pi * share)) / 2

    mistakes = {
        "the cosine goes up again after its end; let the step not grow beyond `total`": after(
            half_cosine(way)
        ),
        "step 0 has the rate 0, so that the peak is reached in step `warmup`": after(
            half_cosine(ended), (steps + 1) / warmup
        ),
        "the cosine begins when the warm-up is over; count its steps from there": after(
            half_cosine(np.clip(steps / total, 0, 1))
        ),
        "`total` includes the warm-up; the cosine has `total - warmup` steps": after(
            half_cosine(np.clip((steps - warmup) / total, 0, 1))
        ),
        "a cosine goes from 1 to -1: add one and halve": after(np.cos(np.pi * ended)),
        "add one to the cosine, and halve it": after(1 + np.cos(np.pi * ended)),
        "that is a quarter of a cosine, which ends steeply; half a wave ends level": after(
            np.cos(np.pi / 2 * ended)
        ),
        "that is a whole wave; half of one goes from the top to the bottom": after(half_cosine(2 * ended)),
        "the wave is upside down: it has to begin at the top": after(half_cosine(1 - ended)),
        "the rate is zero in step `total`, and you are there one step early": after(
            half_cosine(np.clip((steps - warmup) / (total - warmup - 1), 0, 1))
        ),
        "you go down in a straight line": after(1 - ended),
        "there is no way up: the first steps have the peak's rate": after(half_cosine(ended), 1.0),
        "you multiplied the way up with a cosine over all steps": after(
            half_cosine(np.clip(steps / total, 0, 1)),
            steps / warmup * half_cosine(np.clip(steps / total, 0, 1)),
        ),
        "the rates are shares of one; multiply by `peak`": after(half_cosine(ended)) / peak,
    }
    for first in (0, 1):
        count = np.arange(first, first + len(steps))
        falling = half_cosine(np.clip((count - warmup) / (total - warmup), 0, 1))
        cause = f"the rate follows from `step` alone; you count how often you are asked, from {first}"
        mistakes[cause] = peak * np.where(count < warmup, count / warmup, falling)
    return after(half_cosine(ended)), mistakes


def _train(schedule, SGD, tf):
    """Take steps of length rate inside TensorFlow's program, as `fit` does, and look at their lengths."""
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
            "a training with it",
            "six steps",
            f"an error ({type(error).__name__})",
            "in TensorFlow's program a step has no value yet, so neither `if` nor NumPy can look at it; "
            "`tf.where` takes one of two rates, and `tf.cos` is a cosine",
        ) from error
    assert_close(
        "the rates of six steps of a training with `WarmCosine(0.5, 2, 5)`",
        lengths,
        [0, 0.25, 0.5, 0.375, 0.125, 0],
        cause="the rate has to be the same for the same step, whenever it is asked for",
        atol=1e-4,
    )


@exercise
def batch_losses(answer):
    """Try batches of one size, a smaller last one, sizes that change, one batch, and losses below zero."""
    rng = np.random.default_rng(8)
    for sizes in [[32, 32, 32, 32, 32, 7], [16] * 40, [5, 1, 9, 3], [20]]:
        sizes = np.array(sizes)
        seen = np.cumsum(sizes)
        losses = np.linspace(2, -0.5, len(sizes)) + rng.uniform(0, 0.3, len(sizes))
        means = np.cumsum(losses * sizes) / seen
        count = np.arange(1, len(sizes) + 1)
        sums = means * seen
        assert_close(
            f"the losses of batches of {', '.join(map(str, sizes[:6]))}{', …' * (len(sizes) > 6)} examples",
            call_answer(answer, means, sizes),
            losses,
            mistakes={
                "those are the running means as they came": means,
                "a mean is a sum divided by a count; make sums of the means before you subtract": np.diff(
                    means, prepend=0
                ),
                "those are differences of means without the first; make sums of them first": np.diff(means),
                "you counted batches; a smaller batch weighs less": np.diff(means * count, prepend=0),
                "the first batch is missing: the sum before it is zero": np.diff(sums) / sizes[1:],
                "the first batch is missing, and the batches weigh as many examples as they have": np.diff(
                    means * count
                ),
                "those are sums over the examples of a batch; divide by its size": np.diff(sums, prepend=0),
                "divide by the size of the batch, not by all examples so far": np.diff(sums, prepend=0)
                / seen,
                "multiply each mean by all examples so far, not by those of its batch": (
                    np.diff(means * sizes, prepend=0) / sizes
                ),
                "the sum before it is over one batch less; you counted both sums alike": (
                    means * count - np.r_[0, means[:-1]] * count
                ),
                "those are sums of all losses so far; subtract the one before": sums,
                "you averaged once more, where the average has to be undone": np.cumsum(means * sizes) / seen,
            },
        )
    return (
        "With batches of one size, a smaller last one and sizes that change: every batch's own loss is back."
    )
