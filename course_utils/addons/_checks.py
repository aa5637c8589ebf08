"""What the arguments of the optimizer and the normalization layers may be: the same on both stacks.

Every check raises a ``ValueError`` that says what should be, what was received and what to do, and none
changes anything.
"""

from __future__ import annotations

import math
import numbers

import keras


def checked_number(name, value, should_be, accepts):
    """Return a number as a float if `accepts` takes it. True and False are no numbers here."""
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    if not (number and accepts(float(value))):
        raise ValueError(f"`{name}` should be {should_be}, received: {value!r}")
    return float(value)


def checked_epsilon(value):
    """Return an epsilon as a float."""
    return checked_number("epsilon", value, "a finite number ≥ 0", lambda e: 0 <= e < math.inf)


# -- the optimizer -------------------------------------------------------------------------------------------


def checked_learning_rate(value):
    """Return a learning rate of ConditionalGradient; what is computed in each step cannot be checked here."""
    if callable(value):
        return value
    return checked_number(
        "learning_rate",
        value,
        "a number in [0, 1] (the share of the old weights that is kept), a LearningRateSchedule or a "
        "function without arguments",
        lambda rate: 0 <= rate <= 1,
    )


def checked_lambda(value):
    """Return a radius of ConditionalGradient's ball, unless it is computed in each step."""
    if callable(value):
        return value
    return checked_number(
        "lambda_",
        value,
        "a finite number > 0, a LearningRateSchedule or a function without arguments",
        lambda radius: 0 < radius < math.inf,
    )


def checked_ord(value):
    """Return the name of a norm."""
    if not (isinstance(value, str) and value in ("fro", "nuclear")):
        raise ValueError(f"`ord` should be 'fro' or 'nuclear', received: {value!r}")
    return value


def check_not_given(options):
    """Refuse the options of other optimizers that mean nothing to ConditionalGradient."""
    remedies = {
        "weight_decay": "Each step already shrinks the weights, by 1 - learning_rate.",
        "decay": "Give `learning_rate` a LearningRateSchedule.",
        "lr": "Use `learning_rate`.",
    }
    for name, remedy in remedies.items():
        if options.get(name) is not None:
            raise ValueError(
                f"`{name}` should not be given to ConditionalGradient, received: {options[name]!r}. {remedy}"
            )


def serialized(name, value):
    """Return what a configuration says of a schedule or a registered function."""
    if not isinstance(value, keras.optimizers.schedules.LearningRateSchedule):
        registered = keras.saving.get_registered_object(keras.saving.get_registered_name(value))
        if registered is not value:
            raise ValueError(
                f"`{name}` is a function that Keras cannot find again when it loads the optimizer, received: "
                f"{value!r}. Use a number or a LearningRateSchedule, or decorate the function with "
                "@keras.saving.register_keras_serializable()."
            )
    return keras.saving.serialize_keras_object(value)


def deserialized(config, custom_objects=None):
    """Return an optimizer's configuration with the learning rate and λ that `serialized` described."""
    return {
        name: keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
        if name in ("learning_rate", "lambda_") and isinstance(value, dict)
        else value
        for name, value in config.items()
    }


# -- the layers ----------------------------------------------------------------------------------------------


class CheckedGroups:
    """Addons' signature of GroupNormalization, checked, in front of the class that computes."""

    def __init__(
        self,
        groups=32,
        axis=-1,
        epsilon=1e-3,
        center=True,
        scale=True,
        beta_initializer="zeros",
        gamma_initializer="ones",
        beta_regularizer=None,
        gamma_regularizer=None,
        beta_constraint=None,
        gamma_constraint=None,
        **kwargs,
    ):
        """Check the arguments that need no input; the weights are made in ``build``."""
        groups = _checked_integer("groups", groups, "a whole number ≥ 1, or -1 for one group per channel")
        if groups < 1 and groups != -1:
            raise ValueError(
                f"`groups` should be ≥ 1, or -1 for one group per channel, received: groups={groups}"
            )
        axis = _checked_integer("axis", axis, "the whole number of one axis")
        if axis == 0:
            raise ValueError(
                "`axis` should be that of the channels, received: axis=0, which is the batch's. Use "
                "keras.layers.BatchNormalization to normalise over the batch."
            )
        super().__init__(
            groups=groups,
            axis=axis,
            epsilon=checked_epsilon(epsilon),
            center=center,
            scale=scale,
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            **kwargs,
        )

    def build(self, input_shape):
        """Check that the channels can be split into the groups, and create γ and β.

        Args:
            input_shape: shape of the inputs, batch axis included.

        Raises:
            ValueError: if the inputs have no such axis, or it is the batch axis, or its size is not known or
                not a multiple of ``groups``.
        """
        shape = tuple(input_shape)
        rank = len(shape)
        if not -rank < self.axis < rank:
            raise ValueError(
                f"`axis` of {self.name!r} should be an axis of its inputs other than the first, which is the "
                f"batch's: from {1 - rank} to {rank - 1} for inputs of shape {shape}. Received: "
                f"axis={self.axis}"
            )
        channels = shape[self.axis]
        if channels is None:
            raise ValueError(
                f"{self.name!r} needs to know how many channels its inputs have, but axis {self.axis} of "
                f"{shape} is open. Give that axis a size in keras.Input."
            )
        if self.groups != -1 and channels % self.groups:
            raise ValueError(
                f"`groups` of {self.name!r} should divide {channels} channels (axis {self.axis} of inputs "
                f"of shape {shape}), received: groups={self.groups}. Possible here: {_divisors(channels)}."
            )
        super().build(input_shape)


class OneGroupPerChannel:
    """What makes InstanceNormalization of GroupNormalization."""

    def __init__(self, axis=-1, epsilon=1e-3, **kwargs):
        """Check the arguments that need no input; the weights are made in ``build``."""
        if "groups" in kwargs:
            raise ValueError(
                "`groups` should not be given to InstanceNormalization, which has one group per channel, "
                f"received: groups={kwargs['groups']!r}. Use GroupNormalization."
            )
        super().__init__(groups=-1, axis=axis, epsilon=epsilon, **kwargs)

    def get_config(self):
        """Return the configuration, from which ``from_config`` makes the same layer."""
        config = super().get_config()
        del config["groups"]
        return config


def _checked_integer(name, value, should_be):
    if not isinstance(value, numbers.Integral) or isinstance(value, bool):
        raise ValueError(f"`{name}` should be {should_be}, received: {value!r}")
    return int(value)


def _divisors(number):
    return ", ".join(str(d) for d in range(1, number + 1) if number % d == 0)
