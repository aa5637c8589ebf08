"""TensorFlow Addons' own conditional gradient optimizer, made to behave as that of the other stack."""

import keras
import tensorflow as tf

from course_utils.addons._stack import import_addons
from course_utils.addons._top_singular import top_singular_product


class Steps(import_addons().optimizers.ConditionalGradient):
    """Addons' optimizer, with schedules, an ε of 0, and nuclear steps that XLA makes a fast program of."""

    def __init__(self, learning_rate, lambda_, epsilon, ord, name, **kwargs):
        super().__init__(self._at_step(learning_rate), self._at_step(lambda_), epsilon, ord, name, **kwargs)
        self.epsilon = epsilon  # Addons makes 1e-7 of 0

    def _at_step(self, rate):
        """A schedule as a function without arguments; everything else as it is."""
        if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return rate
        return lambda: rate(tf.cast(self.iterations, tf.float32))

    # Two hooks of Addons' class; its release 0.23 is the last.

    def _frobenius_norm(self, m):
        norm = super()._frobenius_norm(m)
        if self.epsilon < 1e-37:  # which is zero in single precision
            norm = tf.where(norm > 0, norm, tf.ones_like(norm))  # so that 0 / 0 is 0 / 1
        return norm

    @staticmethod
    def _top_singular_vector(m):
        return top_singular_product(m)
