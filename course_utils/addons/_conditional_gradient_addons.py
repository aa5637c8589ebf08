"""TensorFlow Addons' conditional gradient optimizer, changed to behave like that of the keras3 stack."""

import keras
import tensorflow as tf

from course_utils.addons._stack import import_addons
from course_utils.addons._top_singular import top_singular_product


class Steps(import_addons().optimizers.ConditionalGradient):
    """Addons' optimizer with schedules, with ε = 0 allowed, and with nuclear steps that are fast under
    XLA."""

    def __init__(self, learning_rate, lambda_, epsilon, ord, name, **kwargs):
        super().__init__(self._at_step(learning_rate), self._at_step(lambda_), epsilon, ord, name, **kwargs)
        self.epsilon = epsilon  # Addons replaces 0 by 1e-7

    def _at_step(self, rate):
        """Convert a schedule to a function without arguments; return anything else unchanged."""
        if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return rate
        return lambda: rate(tf.cast(self.iterations, tf.float32))

    # The next two methods override those of Addons' class. Its release 0.23 is the last.

    def _frobenius_norm(self, m):
        norm = super()._frobenius_norm(m)
        if self.epsilon < 1e-37:  # which is zero in single precision
            norm = tf.where(norm > 0, norm, tf.ones_like(norm))  # so that 0 / 0 is 0 / 1
        return norm

    @staticmethod
    def _top_singular_vector(m):
        return top_singular_product(m)
