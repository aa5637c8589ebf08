"""TensorFlow Addons' own conditional gradient optimizer, behaving as that of the other stack."""

from __future__ import annotations

import keras
import tensorflow as tf

from course_utils.addons import _checks
from course_utils.addons._tfa import tfa
from course_utils.addons._top_singular import top_singular_product


@keras.saving.register_keras_serializable(package="course_utils")
class ConditionalGradient(tfa.optimizers.ConditionalGradient):
    """TensorFlow Addons' ``ConditionalGradient``: w ← η w − (1 − η) λ s, for every variable by itself.

    **``learning_rate`` is η, the share of the old weights that is kept.** So a larger one means a *smaller*
    step: 1 changes nothing, and useful values lie just below 1.

    s is ∇ / (‖∇‖ + ε) with ``ord="fro"``, and with ``ord="nuclear"`` u vᵀ, the outer product of the singular
    vectors of ∇ for its largest singular value. A variable that starts inside the ball of radius λ stays
    inside. Of an embedding only the rows in the batch are updated.

    Beside checks, this adds to Addons' class what it lacks: a gradient of zero shrinks the variable and does
    no more; kernels of more than two axes work with ``ord="nuclear"`` (as matrices of shape ``(-1, last
    axis)``); η and λ may be schedules; ``epsilon=0`` is 0; and u vᵀ is found without a singular value
    decomposition, which with XLA takes seconds.

    Args:
        learning_rate: η, a number in [0, 1], a ``LearningRateSchedule`` or a function without arguments.
        lambda_: λ, the radius of the ball: a number > 0, a ``LearningRateSchedule`` or a function without
            arguments. 0.01 by default; weights of common nets need far more.
        epsilon: a small number ≥ 0, 1e-7 by default. Not used with ``ord="nuclear"``.
        ord: the norm that the ball is made of: ``"fro"`` (default) or ``"nuclear"``.
        name: the optimizer's name.
        **kwargs: ``clipnorm``, ``clipvalue`` or ``global_clipnorm``. Not ``weight_decay``: η already is one.

    Raises:
        ValueError: if an argument is none of the above. What a schedule or function returns is not checked.
            Later, from ``get_config`` and saving, if a learning rate or λ is a function that is not
            registered with ``keras.saving.register_keras_serializable``: it could not be loaded.

    Example:
        >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
        >>> model.compile(ConditionalGradient(learning_rate=0.99, lambda_=10.0), loss="mse")
        >>> history = model.fit(tf.ones((64, 8)), tf.ones((64, 2)), epochs=5, verbose=0)
        >>> bool(tf.norm(model.layers[0].kernel) < 10)
        True

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
        epsilon = _checks.checked_epsilon(epsilon)
        ord = _checks.checked_ord(ord)
        _checks.check_not_given(kwargs)
        super().__init__(
            _checks.checked_learning_rate(learning_rate),
            _checks.checked_lambda(lambda_),
            epsilon,
            ord,
            name,
            **kwargs,
        )
        self.epsilon = epsilon  # Addons makes 1e-7 of 0

    def _set_hyper(self, name, value):
        # Here also what is set later, as in optimizer.learning_rate = 0.9, passes.
        check = {"learning_rate": _checks.checked_learning_rate, "lambda_": _checks.checked_lambda}[name]
        super()._set_hyper(name, check(value))

    def _get_hyper(self, name, dtype=None):
        value = super()._get_hyper(name, dtype)
        # Only where a step asks, with a dtype: optimizer.learning_rate still is the schedule.
        if dtype is not None and isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
            value = tf.cast(value(tf.cast(self.iterations, dtype)), dtype)
        return value

    def _serialize_hyperparameter(self, hyperparameter_name):
        value = self._hyper[hyperparameter_name]
        if callable(value):
            return _checks.serialized(hyperparameter_name, value)
        return super()._serialize_hyperparameter(hyperparameter_name)

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

    def _frobenius_norm(self, m):
        norm = super()._frobenius_norm(m)
        if self.epsilon < 1e-37:  # which is zero in single precision
            norm = tf.where(norm > 0, norm, tf.ones_like(norm))  # so that 0 / 0 is 0 / 1
        return norm

    @staticmethod
    def _top_singular_vector(m):
        return top_singular_product(m)
