"""The conditional gradient optimizer for Keras 3, with the semantics of TensorFlow Addons 0.23.

Ported from the behaviour of ``tensorflow_addons/optimizers/conditional_gradient.py`` (release 0.23.0), not
from its text. Deliberate differences:

- a gradient of zero shrinks the variable and does no more. With ``ord="nuclear"`` Addons takes a full step
  there, into the corner of the matrix;
- with ``ord="nuclear"``, kernels of more than two axes are taken as matrices, where Addons fails;
- learning rate and λ may be schedules, which Addons says but fails at;
- ``epsilon=0`` is 0, where Addons takes 1e-7;
- a function given as learning rate or λ is saved if it can be found again, else saving fails. Addons saves
  its value of the moment;
- the top singular vectors are found without a singular value decomposition (``_top_singular.py``). Where
  several singular values are the largest, the step is the mean of theirs; Addons takes any one of them;
- bad arguments are refused.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from course_utils.addons import _checks
from course_utils.addons._top_singular import top_singular_product


@keras.saving.register_keras_serializable(package="course_utils")
class ConditionalGradient(keras.optimizers.Optimizer):
    """Frank–Wolfe's method: every step goes some way from the old weights to a point on a ball's surface.

    **``learning_rate`` is η, the share of the old weights that is kept.** So a larger one means a *smaller*
    step: 1 changes nothing, and useful values lie just below 1.

    For every variable w by itself, biases too, with gradient ∇::

        w ← η w − (1 − η) λ s,     s = ∇ / (‖∇‖ + ε)     with ord="fro"
                                   s = u vᵀ              with ord="nuclear"

    where ‖∇‖ is the Frobenius norm, and u and v are the singular vectors of ∇ for its largest singular value.
    −λ s is the point of the ball of radius λ in which the linearised loss is smallest, so w moves on a
    straight line between two points of the ball: a variable that starts inside stays inside, without a
    projection. What this means:

    - only the direction of a gradient counts, so ``clipnorm``, ``global_clipnorm`` and loss scaling change
      next to nothing;
    - from w = 0 a step is (1 − η) λ long, however small the gradient is;
    - a gradient of zero leaves the shrinkage: w ← η w.

    Args:
        learning_rate: η, a number in [0, 1], a ``LearningRateSchedule`` or a function without arguments.
        lambda_: λ, the radius of the ball: a number > 0, a ``LearningRateSchedule`` or a function without
            arguments. 0.01 by default, as in Addons; weights of common nets need far more.
        epsilon: a small number ≥ 0, 1e-7 by default. Not used with ``ord="nuclear"``.
        ord: the norm that the ball is made of: ``"fro"`` (default) or ``"nuclear"``, the sum of the singular
            values, which favours weights of low rank. For ``"nuclear"`` a variable of more than two axes is
            taken as a matrix of shape ``(-1, last axis)``, one column per output channel of a convolution;
            for vectors and scalars both norms are the Euclidean.
        name: the optimizer's name.
        **kwargs: other arguments of ``keras.optimizers.Optimizer``: ``clipnorm``, ``clipvalue``,
            ``global_clipnorm``, ``use_ema`` and so on. Not ``weight_decay``: η already is one.

    Attributes:
        learning_rate: the current η.
        lambda_: the current λ. Both may be set to another number, if they were given as one.

    Raises:
        ValueError: if an argument is none of the above. What a schedule or function returns is not checked.
            Later, from ``get_config`` and saving, if a learning rate or λ is a function that is not
            registered with ``keras.saving.register_keras_serializable``: it could not be loaded.

    Example:
        >>> import keras
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> model.compile(ConditionalGradient(learning_rate=0.99, lambda_=10.0), loss="mse")
        >>> x, y = keras.random.normal((64, 8)), keras.random.normal((64, 2))
        >>> history = model.fit(x, y, epochs=5, verbose=0)
        >>> bool(keras.ops.norm(model.layers[0].kernel) < 10)
        True

    Note:
        Of an embedding, whose gradient is sparse, only the rows in the batch are updated, with the norm of
        the whole gradient, as in Addons. Each row stays inside the ball; the whole matrix need not.

    Reference:
        Frank & Wolfe 1956, *An algorithm for quadratic programming*, https://doi.org/10.1002/nav.3800030109;
        Jaggi 2013, *Revisiting Frank-Wolfe: Projection-Free Sparse Convex Optimization*,
        https://proceedings.mlr.press/v28/jaggi13.html; Ravi et al. 2018, *Constrained Deep Learning using
        Conditional Gradient and Applications in Computer Vision*, https://arxiv.org/abs/1803.06453
    """

    def __init__(
        self, learning_rate, lambda_=0.01, epsilon=1e-7, ord="fro", name="ConditionalGradient", **kwargs
    ):
        """Check the arguments."""
        learning_rate = _checks.checked_learning_rate(learning_rate)
        lambda_ = _checks.checked_lambda(lambda_)
        epsilon = _checks.checked_epsilon(epsilon)
        ord = _checks.checked_ord(ord)
        _checks.check_not_given(kwargs)
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.epsilon = epsilon
        self.ord = ord
        self._lambda = lambda_
        if not callable(lambda_):
            # A variable, like a learning rate that is a number: a step already traced follows when it is set.
            radius = keras.initializers.Constant(lambda_)
            self._lambda = self.add_variable(shape=(), initializer=radius, name="lambda")

    @property
    def learning_rate(self):
        """η, the share of the old weights that a step keeps."""
        return super().learning_rate

    @learning_rate.setter
    def learning_rate(self, value):
        keras.optimizers.Optimizer.learning_rate.fset(self, _checks.checked_learning_rate(value))

    @property
    def lambda_(self):
        """λ, the radius of the ball."""
        if isinstance(self._lambda, keras.optimizers.schedules.LearningRateSchedule):
            return self._lambda(self._iterations)
        return self._lambda() if callable(self._lambda) else self._lambda

    @lambda_.setter
    def lambda_(self, value):
        value = _checks.checked_lambda(value)
        if callable(value) or callable(self._lambda):
            raise TypeError(
                "`lambda_` can be changed from one number to another only. Make a new ConditionalGradient to "
                f"change to or from a schedule or a function. Received: {value!r}"
            )
        self._lambda.assign(value)

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable.

        Args:
            gradient: its gradient; ``tf.IndexedSlices`` where only these rows are to be updated.
            variable: the variable.
            learning_rate: η.
        """
        # Half precision has no room for the squares, nor for 1 - η.
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
            # A row that is looked up several times comes several times.
            rows, places = tf.unique(gradient.indices)
            gradient = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
            variable.scatter_update(tf.IndexedSlices(updated(tf.gather(variable, rows), gradient), rows))
        else:
            variable.assign(updated(variable, gradient))

    def get_config(self):
        """Return the configuration, from which ``from_config`` makes the same optimizer, without its state.

        Raises:
            ValueError: if a learning rate or λ is a function that Keras could not find again.
        """
        rates = {
            name: _checks.serialized(name, value) if callable(value) else float(value.numpy())
            for name, value in [("learning_rate", self._learning_rate), ("lambda_", self._lambda)]
        }
        return {**super().get_config(), **rates, "epsilon": self.epsilon, "ord": self.ord}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make an optimizer from what ``get_config`` returned.

        Args:
            config: the configuration.
            custom_objects: classes and functions by name, beside those that are registered.

        Returns:
            The optimizer, without any state.
        """
        return cls(**_checks.deserialized(config, custom_objects))


def _frobenius_norm(tensor):
    """The norm of a tensor as one long vector, by way of its columns.

    XLA adds a long row of squares one after the other, and makes one row of two sums in succession. With a
    root between the two it adds the columns side by side, in a quarter of the time.
    """
    if tensor.shape.rank > 1:
        tensor = tf.norm(tf.reshape(tensor, (-1, tensor.shape[-1])), axis=0)
    return tf.norm(tensor)
