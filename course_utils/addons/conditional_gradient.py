"""The conditional gradient optimizer, with the semantics of TensorFlow Addons 0.23.

On the addons stack, Addons' class computes the steps; on keras3, our code does. Deliberate differences from
``tensorflow_addons/optimizers/conditional_gradient.py`` (release 0.23.0), on both stacks:

- if the gradient is zero, the variable only shrinks. With ``ord="nuclear"`` Addons takes a full step there,
  in the direction of the first matrix element;
- with ``ord="nuclear"``, kernels with more than two axes count as matrices. Addons raises an error;
- the learning rate and λ can be schedules. Addons' documentation allows this, but its code fails;
- ``epsilon=0`` means 0. Addons uses 1e-7;
- if the learning rate or λ is a function, it is saved with the optimizer if it can be found again; otherwise
  saving fails. Addons saves the function's current value;
- the top singular vectors are computed without a singular value decomposition (``_top_singular.py``). If
  several singular values are largest, the step is the mean of their steps; Addons takes one of them;
- wrong arguments are refused.
"""

import keras

from course_utils import arguments
from course_utils.stack import STACK

if STACK == "addons":
    from course_utils.addons._conditional_gradient_addons import Steps
else:
    from course_utils.addons._conditional_gradient_keras3 import Steps

_OR_COMPUTED = ", a LearningRateSchedule or a function without arguments"
_REMEDIES = {
    "weight_decay": "Each step already shrinks the weights, by 1 - learning_rate.",
    "decay": "Give `learning_rate` a LearningRateSchedule.",
    "lr": "Use `learning_rate`.",
}


@keras.saving.register_keras_serializable(package="course_utils")
class ConditionalGradient(Steps):
    """The Frank–Wolfe method: a step goes part of the way from the weights to a point on a ball's surface.

    **`learning_rate` is η, the fraction of the old weights that is kept.** So a larger value means a
    *smaller* step: 1 changes nothing, and useful values are just below 1.

    For every variable w separately, also for biases, with gradient ∇::

        w ← η w − (1 − η) λ s,     s = ∇ / (‖∇‖ + ε)     with ord="fro"
                                   s = u vᵀ              with ord="nuclear"

    Here ‖∇‖ is the Frobenius norm, and u and v are the singular vectors of ∇ for its largest singular value.
    −λ s is the point of the ball of radius λ in which the linearised loss is smallest. So w moves on a
    straight line between two points of the ball: a variable that starts inside stays inside, without a
    projection. This has consequences:

    - only the direction of a gradient matters, so ``clipnorm``, ``global_clipnorm`` and loss scaling change
      almost nothing;
    - a step from w = 0 has length (1 − η) λ, however small the gradient is;
    - if the gradient is zero, only the shrinkage remains: w ← η w.

    The gradient of an embedding is sparse. Only the rows in the batch are updated, with the norm of the whole
    gradient, as in Addons. Each row stays inside the ball, but the whole matrix may leave it.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function without arguments
        η, from 0 to 1.
    lambda_ : float, LearningRateSchedule or function without arguments, default=0.01
        λ, the radius of the ball. Above 0. The default is that of Addons; most nets need a larger value.
    epsilon : float, default=1e-7
        ε; 0 or more. Not used with ``ord="nuclear"``.
    ord : {"fro", "nuclear"}, default="fro"
        The norm that defines the ball. The nuclear norm is the sum of the singular values; it favours weights
        of low rank. With it, a variable with more than two axes counts as a matrix of shape ``(-1, last
        axis)``, with one column per output channel of a convolution. For vectors both norms are the Euclidean
        norm.
    name : str, default="ConditionalGradient"
        The optimizer's name.
    **kwargs
        Other arguments of Keras' optimizers: ``clipnorm``, ``clipvalue``, ``global_clipnorm``; on keras3 also
        ``use_ema`` and so on. ``weight_decay`` is refused, because η already shrinks the weights.

    Attributes
    ----------
    learning_rate, lambda_
        The current η and λ. If one was given as a number, it can be set to another number.

    Raises
    ------
    ValueError
        If an argument is wrong. The results of a schedule or function are not checked. Also from
        ``get_config`` and from saving: if η or λ is a function that is not registered with
        ``keras.saving.register_keras_serializable``, because it could not be loaded.
    TypeError
        If η or λ is set although it was given as a schedule or a function, or if it is set to one.

    Examples
    --------
    >>> import numpy as np
    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(2)])
    >>> model.compile(ConditionalGradient(learning_rate=0.99, lambda_=10.0), loss="mse")
    >>> history = model.fit(np.ones((64, 8)), np.ones((64, 2)), epochs=5, verbose=0)
    >>> bool(np.linalg.norm(model.get_weights()[0]) < 10)
    True

    References
    ----------
    Frank & Wolfe 1956, *An algorithm for quadratic programming*, https://doi.org/10.1002/nav.3800030109;
    Jaggi 2013, *Revisiting Frank-Wolfe: Projection-Free Sparse Convex Optimization*,
    https://proceedings.mlr.press/v28/jaggi13.html; Ravi et al. 2018, *Constrained Deep Learning using
    Conditional Gradient and Applications in Computer Vision*, https://arxiv.org/abs/1803.06453
    """

    def __init__(
        self, learning_rate, lambda_=0.01, epsilon=1e-7, ord="fro", name="ConditionalGradient", **kwargs
    ):
        """Check the arguments."""
        rates = {"learning_rate": _learning_rate(learning_rate), "lambda_": _lambda(lambda_)}
        epsilon = arguments.number("epsilon", epsilon, at_least=0)
        ord = arguments.one_of("ord", ord, ("fro", "nuclear"))
        for option, remedy in _REMEDIES.items():
            if kwargs.get(option) is not None:
                arguments.refuse(option, "left out of ConditionalGradient", kwargs[option], remedy)
        super().__init__(*rates.values(), epsilon, ord, name, **kwargs)
        self._computed = {name: rate for name, rate in rates.items() if callable(rate)}

    def __setattr__(self, name, value):
        """Check a learning rate or λ that is set later."""
        checks = {"learning_rate": _learning_rate, "lr": _learning_rate, "lambda_": _lambda}
        if name in checks:
            value = checks[name](value)
            if callable(value) or {"lr": "learning_rate"}.get(name, name) in self._computed:
                raise TypeError(
                    f"`{name}` can only be changed from one number to another; received {value!r}. To change "
                    "to or from a schedule or a function, make a new ConditionalGradient."
                )
        super().__setattr__(name, value)

    def get_config(self):
        """Return the configuration. ``from_config`` makes the same optimizer from it, without its state.

        Raises
        ------
        ValueError
            If the learning rate or λ is a function that Keras cannot find again.
        """
        computed = {name: _serialized(name, rate) for name, rate in self._computed.items()}
        return {**super().get_config(), **computed}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make an optimizer, without state, from the result of ``get_config``."""
        for name in ("learning_rate", "lambda_"):
            if isinstance(config[name], dict):
                rate = keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
                config = {**config, name: rate}
        return cls(**config)


def _learning_rate(value):
    kept = " (the fraction of the old weights that is kept)" + _OR_COMPUTED
    return (
        value
        if callable(value)
        else arguments.number("learning_rate", value, at_least=0, at_most=1, also=kept)
    )


def _lambda(value):
    return value if callable(value) else arguments.number("lambda_", value, above=0, also=_OR_COMPUTED)


def _serialized(name, rate):
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        registered = keras.saving.get_registered_object(keras.saving.get_registered_name(rate))
        if registered is not rate:
            arguments.refuse(
                name,
                "a function that Keras can find again when it loads the optimizer",
                rate,
                "Use a number or a LearningRateSchedule, or decorate the function with "
                "@keras.saving.register_keras_serializable().",
            )
    return keras.saving.serialize_keras_object(rate)
