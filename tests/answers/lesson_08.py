"""Answers to lesson 08's exercises."""

import math

import numpy as np

from answers import right, wrong

# --- keras_boundaries -------------------------------------------------------------------------------------


@right("keras_boundaries")
def by_counting_batches(epochs, examples, batch_size):
    steps = len(range(0, examples, batch_size))
    return np.array([steps * epoch - 1 for epoch in epochs])


@right("keras_boundaries")
def between_two_steps(epochs, examples, batch_size):
    return [math.ceil(examples / batch_size) * epoch - 0.5 for epoch in epochs]


@wrong("keras_boundaries", says="you are one step late")
def the_first_with_the_new_rate(epochs, examples, batch_size):
    return [math.ceil(examples / batch_size) * epoch for epoch in epochs]


@wrong("keras_boundaries", says="the smaller last batch of an epoch is a step too")
def whole_batches_only(epochs, examples, batch_size):
    return [examples // batch_size * epoch - 1 for epoch in epochs]


@wrong("keras_boundaries", says="and then were one step late")
def both(epochs, examples, batch_size):
    return [examples // batch_size * epoch for epoch in epochs]


@wrong("keras_boundaries", says="you rounded up once for all epochs")
def rounded_at_the_end(epochs, examples, batch_size):
    return [math.ceil(epoch * examples / batch_size) - 1 for epoch in epochs]


@wrong("keras_boundaries", says="you are one epoch early")
def epochs_from_one(epochs, examples, batch_size):
    return [math.ceil(examples / batch_size) * (epoch - 1) - 1 for epoch in epochs]


@wrong("keras_boundaries", says="you are two steps late")
def to_the_wrong_side(epochs, examples, batch_size):
    return [math.ceil(examples / batch_size) * epoch + 1 for epoch in epochs]


@wrong("keras_boundaries", says="you returned epochs")
def unchanged(epochs, examples, batch_size):
    return epochs


# --- WarmCosine -------------------------------------------------------------------------------------------


def schedule(rate):
    """Make a learner's class from its ``__call__``. TensorFlow is loaded when it is used, and not before."""

    def make(peak, warmup, total):
        import tensorflow as tf
        from keras.optimizers.schedules import LearningRateSchedule

        class Schedule(LearningRateSchedule):
            def __call__(self, step):
                return rate(tf, step, peak, warmup, total)

        return Schedule()

    make.__name__ = rate.__name__
    return make


@right("WarmCosine")
def by_keras_own(peak, warmup, total):
    from keras.optimizers.schedules import CosineDecay

    return CosineDecay(0.0, total - warmup, warmup_target=peak, warmup_steps=warmup)


@right("WarmCosine")
@schedule
def the_smaller_of_two(tf, step, peak, warmup, total):
    step = tf.minimum(tf.cast(tf.convert_to_tensor(step), tf.float32), float(total))
    way = tf.maximum(step - warmup, 0) / (total - warmup)
    return peak * tf.minimum(step / warmup, tf.cos(way * np.pi / 2) ** 2)


@right("WarmCosine")
@schedule
def in_double_precision_by_cond(tf, step, peak, warmup, total):
    step = tf.cast(step, tf.float64)
    way = tf.clip_by_value((step - warmup) / (total - warmup), 0, 1)
    return tf.cond(step < warmup, lambda: peak * step / warmup, lambda: peak * (1 + tf.cos(np.pi * way)) / 2)


def half(tf, way):
    return (1 + tf.cos(math.pi * way)) / 2


def up_and_down(tf, step, warmup, total, up=None, way=None, down=half):
    """The right shares of the peak, but for what is given."""
    step = tf.cast(step, tf.float32)
    up = up or (lambda step: step / warmup)
    way = way or (lambda step: tf.minimum((step - warmup) / (total - warmup), 1))
    return tf.where(step < warmup, up(step), down(tf, way(step)))


@wrong("WarmCosine", says="the cosine rises again after its end")
@schedule
def without_an_end(tf, step, peak, warmup, total):
    return peak * up_and_down(tf, step, warmup, total, way=lambda t: (t - warmup) / (total - warmup))


@wrong("WarmCosine", says="step 0 has the rate 0")
@schedule
def not_from_zero(tf, step, peak, warmup, total):
    return peak * up_and_down(tf, step, warmup, total, up=lambda t: (t + 1) / warmup)


@wrong("WarmCosine", says="the cosine should count its steps from the end of the")
@schedule
def from_the_start(tf, step, peak, warmup, total):
    return peak * up_and_down(tf, step, warmup, total, way=lambda t: tf.minimum(t / total, 1))


@wrong("WarmCosine", says="`total` includes the warm-up")
@schedule
def too_long(tf, step, peak, warmup, total):
    return peak * up_and_down(tf, step, warmup, total, way=lambda t: tf.minimum((t - warmup) / total, 1))


@wrong("WarmCosine", says="you are one step early at the end")
@schedule
def too_short(tf, step, peak, warmup, total):
    return peak * up_and_down(
        tf, step, warmup, total, way=lambda t: tf.minimum((t - warmup) / (total - 1 - warmup), 1)
    )


@wrong("WarmCosine", says="from 1 to -1")
@schedule
def below_zero(tf, step, peak, warmup, total):
    return peak * up_and_down(tf, step, warmup, total, down=lambda tf, way: tf.cos(math.pi * way))


@wrong("WarmCosine", says="you used a quarter of a wave")
@schedule
def a_quarter(tf, step, peak, warmup, total):
    # And without an end, besides.
    return peak * up_and_down(
        tf,
        step,
        warmup,
        total,
        way=lambda t: (t - warmup) / (total - warmup),
        down=lambda tf, way: tf.cos(math.pi / 2 * way),
    )


@wrong("WarmCosine", says="a whole wave")
@schedule
def a_whole_wave(tf, step, peak, warmup, total):
    return peak * up_and_down(tf, step, warmup, total, down=lambda tf, way: half(tf, 2 * way))


@wrong("WarmCosine", says="multiply by `peak`")
@schedule
def shares(tf, step, peak, warmup, total):
    return up_and_down(tf, step, warmup, total)


@wrong("WarmCosine", says="the step is an integer tensor")
@schedule
def not_cast(tf, step, peak, warmup, total):
    return tf.where(step < warmup, peak * step / warmup, peak * half(tf, (step - warmup) / (total - warmup)))


@wrong("WarmCosine", says="in a compiled training the step is a tensor without a")
@schedule
def with_an_if(tf, step, peak, warmup, total):
    step = tf.cast(step, tf.float32)
    if step < warmup:
        return peak * step / warmup
    return peak * (1 + tf.cos(math.pi * min(1, (step - warmup) / (total - warmup)))) / 2


@wrong("WarmCosine", says="in a compiled training the step is a tensor without a")
@schedule
def in_numpy(tf, step, peak, warmup, total):
    way = np.clip((step - warmup) / (total - warmup), 0, 1)
    return peak * np.where(step < warmup, step / warmup, (1 + np.cos(np.pi * way)) / 2)


@wrong("WarmCosine", says="you count the calls")
def with_a_count(peak, warmup, total):
    calls = []

    @schedule
    def counting(tf, step, peak, warmup, total):
        calls.append(step)
        return peak * up_and_down(tf, len(calls) - 1, warmup, total)

    return counting(peak, warmup, total)


@wrong("WarmCosine", says="the class should inherit from")
class NoSchedule:
    def __init__(self, peak, warmup, total):
        self.settings = peak, warmup, total

    def __call__(self, step):
        return the_smaller_of_two(*self.settings)(step)
