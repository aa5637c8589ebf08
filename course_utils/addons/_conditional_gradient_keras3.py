"""The steps of the conditional gradient optimizer for Keras 3.

Ported from the behaviour of ``tensorflow_addons/optimizers/conditional_gradient.py`` (release 0.23.0), not
from its code.
"""

import keras
import tensorflow as tf

from course_utils.addons._top_singular import top_singular_product


class Steps(keras.optimizers.Optimizer):
    """Computes the steps that ``ConditionalGradient`` describes, which also checks the arguments."""

    def __init__(self, learning_rate, lambda_, epsilon, ord, name, **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.epsilon = epsilon
        self.ord = ord
        self._lambda = lambda_
        if not callable(lambda_):
            # A variable, like a numeric learning rate: a traced step then uses the new value when it is set.
            radius = keras.initializers.Constant(lambda_)
            self._lambda = self.add_variable(shape=(), initializer=radius, name="lambda")

    @property
    def lambda_(self):
        """λ, the radius of the ball."""
        if isinstance(self._lambda, keras.optimizers.schedules.LearningRateSchedule):
            return self._lambda(self.iterations)
        return self._lambda() if callable(self._lambda) else self._lambda

    @lambda_.setter
    def lambda_(self, value):
        self._lambda.assign(value)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable. If its gradient is ``tf.IndexedSlices``, update only these rows."""
        # Half precision cannot represent the squares, nor 1 - η.
        dtype = tf.float32 if variable.dtype.size < 4 else variable.dtype
        keep = tf.cast(learning_rate, dtype)
        length = (1 - keep) * tf.cast(self.lambda_, dtype)

        def updated(old, gradient):
            gradient = tf.cast(gradient, dtype)
            if self.ord == "nuclear":
                step = length * top_singular_product(gradient)
            else:
                norm = _frobenius_norm(gradient)
                step = tf.math.divide_no_nan(length, norm + self.epsilon) * gradient
            return tf.cast(keep * tf.cast(old, dtype) - step, variable.dtype)

        if isinstance(gradient, tf.IndexedSlices):
            # A row that was looked up several times occurs several times.
            rows, places = tf.unique(gradient.indices)
            gradient = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
            variable.scatter_update(tf.IndexedSlices(updated(tf.gather(variable, rows), gradient), rows))
        else:
            variable.assign(updated(variable, gradient))

    def get_config(self):
        """Return the settings. A computed rate is replaced by its current value."""
        rates = {"learning_rate": float(self.learning_rate), "lambda_": float(self.lambda_)}
        return {**super().get_config(), **rates, "epsilon": self.epsilon, "ord": self.ord}


def _frobenius_norm(tensor):
    """The norm of a tensor as one long vector, computed by columns.

    XLA adds a long row of squares one after the other, and it merges two successive sums into one such row. A
    square root between the two sums prevents that. Then XLA adds the columns in parallel, in a quarter of the
    time.
    """
    if tensor.shape.rank > 1:
        tensor = tf.norm(tf.reshape(tensor, (-1, tensor.shape[-1])), axis=0)
    return tf.norm(tensor)
