"""The conditional gradient optimizer, with the semantics of TensorFlow Addons 0.23.

On the addons stack Addons' own class takes the steps, on keras3 ours does. Deliberate differences from
``tensorflow_addons/optimizers/conditional_gradient.py`` (release 0.23.0), on both stacks:

- a gradient of zero shrinks the variable and does no more. With ``ord="nuclear"`` Addons takes a full step
  there, into the corner of the matrix;
- with ``ord="nuclear"``, kernels of more than two axes are taken as matrices, where Addons fails;
- the learning rate and λ may be schedules, which Addons says but fails at;
- ``epsilon=0`` is 0, where Addons takes 1e-7;
- a function given as learning rate or λ is saved if it can be found again, else saving fails. Addons saves
  its value of the moment;
- the top singular vectors are found without a singular value decomposition (``_top_singular.py``). Where
  several singular values are the largest, the step is the mean of theirs; Addons takes any one of them;
- bad arguments are refused.
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
    """Frank–Wolfe's method: every step goes some way from the old weights to a point on a ball's surface.

    **`learning_rate` is η, the share of the old weights that is kept.** So a larger one means a *smaller*
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

    Of an embedding, whose gradient is sparse, only the rows in the batch are updated, with the norm of the
    whole gradient, as in Addons. Each row stays inside the ball; the whole matrix need not.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or function without arguments
        η, from 0 to 1.
    lambda_ : float, LearningRateSchedule or function without arguments, default=0.01
        λ, the radius of the ball. Above 0. The default is that of Addons; weights of common nets need more.
    epsilon : float, default=1e-7
        ε; 0 or more. Not used with ``ord="nuclear"``.
    ord : {"fro", "nuclear"}, default="fro"
        The norm that the ball is made of. The nuclear norm, the sum of the singular values, favours weights
        of low rank. For it a variable of more than two axes is taken as a matrix of shape ``(-1, last
        axis)``, one column per output channel of a convolution; for vectors both norms are the Euclidean.
    name : str, default="ConditionalGradient"
        The optimizer's name.
    **kwargs
        Other arguments of Keras' optimizers: ``clipnorm``, ``clipvalue``, ``global_clipnorm``; on keras3 also
        ``use_ema`` and so on. Not ``weight_decay``: η already is one.

    Attributes
    ----------
    learning_rate, lambda_
        The current η and λ. Each may be set to another number, if it was given as one.

    Raises
    ------
    ValueError
        If an argument is not as said. What a schedule or function returns is not checked. Later, from
        ``get_config`` and saving, if η or λ is a function that is not registered with
        ``keras.saving.register_keras_serializable``: it could not be loaded.
    TypeError
        If η or λ is set, and was given as a schedule or a function, or shall become one.

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
        """Check a learning rate or λ that is set after the start."""
        checks = {"learning_rate": _learning_rate, "lr": _learning_rate, "lambda_": _lambda}
        if name in checks:
            value = checks[name](value)
            if callable(value) or {"lr": "learning_rate"}.get(name, name) in self._computed:
                raise TypeError(
                    f"`{name}` can be changed from one number to another only; received {value!r}. Make a "
                    "new ConditionalGradient to change to or from a schedule or a function."
                )
        super().__setattr__(name, value)

    def get_config(self):
        """Return the configuration, from which ``from_config`` makes the same optimizer, without its state.

        Raises
        ------
        ValueError
            If the learning rate or λ is a function that Keras could not find again.
        """
        computed = {name: _serialized(name, rate) for name, rate in self._computed.items()}
        return {**super().get_config(), **computed}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Make an optimizer, without any state, from what ``get_config`` returned."""
        for name in ("learning_rate", "lambda_"):
            if isinstance(config[name], dict):
                rate = keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
                config = {**config, name: rate}
        return cls(**config)


def _learning_rate(value):
    kept = " (the share of the old weights that is kept)" + _OR_COMPUTED
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
                "a function that Keras finds again when it loads the optimizer",
                rate,
                "Use a number or a LearningRateSchedule, or decorate the function with "
                "@keras.saving.register_keras_serializable().",
            )
    return keras.saving.serialize_keras_object(rate)
