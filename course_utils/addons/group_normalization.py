"""Group and instance normalization, with the arguments and numbers of TensorFlow Addons 0.23.

On the addons stack the layers use Addons' code, on keras3 Keras' ``GroupNormalization``, made faster (see
``call``). Deliberate differences from ``tensorflow_addons/layers/normalizations.py`` (release 0.23.0):

- with an ``axis`` below -1 and one channel per group, the layer normalises over all axes but that one, as
  with any other axis. Addons takes the wrong axes;
- ``InstanceNormalization`` has no ``groups``. Addons accepts the argument, overwrites it and logs this;
- half precision, and inputs that will be cast to it, are normalised in single precision;
- wrong arguments are refused earlier.
"""

import keras
import tensorflow as tf

from course_utils import arguments
from course_utils.addons._stack import import_addons
from course_utils.stack import STACK

_ADDONS = STACK == "addons"
_GroupNormalization = (import_addons() if _ADDONS else keras).layers.GroupNormalization


@keras.saving.register_keras_serializable(package="course_utils")
class GroupNormalization(_GroupNormalization):
    """Normalises every example within groups of its channels: y = γ (x − μ) / √(σ² + ε) + β.

    The channels are split into `groups` of neighbours. μ and σ² are the mean and variance over one group of
    one example: its channels at all positions. So the outputs of an example do not depend on its batch, and
    the layer does the same in training and in inference. γ and β are trained, with one value per channel.

    With ``groups=1`` all activations of an example share their moments, as in layer normalization over all
    axes except the batch axis (which has a γ and β per activation). With as many groups as channels, it is
    instance normalization.

    Inputs have rank two or more, and the batch axis comes first. Outputs have the same shape, in the layer's
    compute dtype.

    Parameters
    ----------
    groups : int, default=32
        The number of groups. It has to divide the number of channels. -1 means one group per channel.
    axis : int, default=-1
        The axis of the channels: one number, not that of the batch axis.
    epsilon : float, default=1e-3
        Added to the variance. 0 or more.
    center, scale : bool, default=True
        Whether the layer has a β (`center`) and a γ (`scale`).
    beta_initializer, gamma_initializer : str or keras.initializers.Initializer
        The initial β and γ; "zeros" and "ones" by default.
    beta_regularizer, gamma_regularizer : str or keras.regularizers.Regularizer, optional
        Penalties on β and γ.
    beta_constraint, gamma_constraint : str or keras.constraints.Constraint, optional
        Constraints that are applied to β and γ after each step.
    **kwargs
        ``name``, ``trainable``, ``dtype``.

    Attributes
    ----------
    gamma, beta : variable of shape (channels,), or None

    Raises
    ------
    ValueError
        If an argument is wrong. When the inputs are known: if they do not have this axis, or `groups` does
        not divide their channels.

    Examples
    --------
    >>> layer = GroupNormalization(groups=5, axis=3)
    >>> layer(tf.random.normal((8, 26, 26, 10))).shape
    TensorShape([8, 26, 26, 10])
    >>> layer.count_params()  # γ and β
    20

    References
    ----------
    Wu & He 2018, *Group Normalization*, https://arxiv.org/abs/1803.08494
    """

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
        """Check the arguments that need no input. ``build`` makes the weights."""
        should_be = " ≥ 1, or -1 for one group per channel"
        groups = arguments.whole_number("groups", groups, also=should_be)
        if groups < 1 and groups != -1:
            arguments.refuse("groups", f"a whole number{should_be}", groups)
        axis = arguments.whole_number("axis", axis, also=", that of the channels")
        if axis == 0:
            remedy = "Use BatchNormalization to normalise over the batch."
            arguments.refuse("axis", "that of the channels; 0 is that of the batch", axis, remedy)
        super().__init__(
            groups=groups,
            axis=axis,
            epsilon=arguments.number("epsilon", epsilon, at_least=0),
            center=arguments.flag("center", center),
            scale=arguments.flag("scale", scale),
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
            autocast=False,  # half precision may not hold the inputs; `call` casts
            **kwargs,
        )

    def build(self, input_shape):
        """Check that the groups divide the channels, and create γ and β."""
        shape = tuple(input_shape)
        rank = len(shape)
        if not -rank < self.axis < rank:
            arguments.refuse(
                "axis",
                f"from {1 - rank} to {rank - 1} for inputs of shape {shape}, and not the batch axis",
                self.axis,
            )
        channels = shape[self.axis]
        if channels is None:
            raise ValueError(
                f"{self.name!r} needs the number of channels of its inputs, but axis {self.axis} of {shape} "
                "has no size. Give that axis a size in keras.Input."
            )
        if self.groups != -1 and channels % self.groups:
            divisors = ", ".join(str(d) for d in range(1, channels + 1) if channels % d == 0)
            where = f"(axis {self.axis} of {shape})"
            should_be = f"a divisor of the {channels} channels that {self.name!r} takes {where}: {divisors}"
            arguments.refuse("groups", should_be, self.groups)
        super().build(input_shape)
        if _ADDONS and self.axis < -1:  # Addons' call takes the wrong axes if every group is one channel
            self.axis += rank

    if _ADDONS:

        def call(self, inputs):
            """Normalise the inputs, at least in single precision."""
            outputs = super().call(tf.cast(inputs, _at_least_single(self.compute_dtype)))
            return tf.cast(outputs, self.compute_dtype)

        def _get_reshaped_weights(self, input_shape):
            dtype = _at_least_single(self.compute_dtype)
            weights = super()._get_reshaped_weights(input_shape)
            return [None if weight is None else tf.cast(weight, dtype) for weight in weights]

    else:

        def call(self, inputs):
            """Normalise the inputs, at least in single precision.

            The moments are computed per channel first, then averaged over the channels of a group. The result
            is the same as over the whole group. So the inputs keep their shape. Reducing a tensor that is
            split into groups, with the channels on two axes, takes about twice as long.
            """
            axis = self.axis % len(inputs.shape)
            positions = [a for a in range(1, len(inputs.shape)) if a != axis]
            channels = inputs.shape[axis]
            per_channel = [1] * len(inputs.shape)
            per_channel[axis] = channels

            def group_mean(tensor):
                means = tf.reduce_mean(tensor, positions)
                if self.groups != channels:
                    grouped = tf.reshape(means, (-1, self.groups, channels // self.groups))
                    means = tf.repeat(tf.reduce_mean(grouped, 2), channels // self.groups, axis=1)
                return tf.reshape(means, (-1, *per_channel[1:]))

            dtype = keras.backend.result_type(inputs.dtype, "float32")
            inputs = tf.cast(inputs, dtype)
            centred = inputs - group_mean(inputs)
            factor = tf.math.rsqrt(group_mean(tf.square(centred)) + self.epsilon)
            if self.scale:
                factor *= tf.cast(tf.reshape(self.gamma, per_channel), dtype)
            outputs = centred * factor
            if self.center:
                outputs += tf.cast(tf.reshape(self.beta, per_channel), dtype)
            return tf.cast(outputs, self.compute_dtype)


def _at_least_single(dtype):
    return "float64" if dtype == "float64" else "float32"


@keras.saving.register_keras_serializable(package="course_utils")
class InstanceNormalization(GroupNormalization):
    """Normalises every channel of every example separately: y = γ (x − μ) / √(σ² + ε) + β.

    This is ``GroupNormalization`` with one group per channel: μ and σ² are the mean and variance over the
    positions of one channel of one example. So it removes the brightness and contrast of each channel, which
    is useful for style transfer. Inputs without positions, of shape ``(batch, channels)``, all become β.

    Parameters
    ----------
    axis : int, default=-1
        The axis of the channels: one number, not that of the batch axis.
    epsilon : float, default=1e-3
        Added to the variance. 0 or more.
    **kwargs
        The other arguments of ``GroupNormalization``, except `groups`.

    Raises
    ------
    ValueError
        If an argument is wrong, or `groups` is given. When the inputs are known: if they do not have this
        axis.

    Examples
    --------
    >>> layer = InstanceNormalization(axis=3, gamma_initializer="random_uniform")
    >>> layer(tf.random.normal((8, 26, 26, 10))).shape
    TensorShape([8, 26, 26, 10])

    References
    ----------
    Ulyanov, Vedaldi & Lempitsky 2016, *Instance Normalization: The Missing Ingredient for Fast Stylization*,
    https://arxiv.org/abs/1607.08022
    """

    def __init__(self, axis=-1, epsilon=1e-3, **kwargs):
        """Check the arguments that need no input. ``build`` makes the weights."""
        if "groups" in kwargs:
            arguments.refuse(
                "groups",
                "left out: InstanceNormalization has one group per channel",
                kwargs["groups"],
                "Use GroupNormalization.",
            )
        super().__init__(groups=-1, axis=axis, epsilon=epsilon, **kwargs)

    def get_config(self):
        """Return the configuration. ``from_config`` makes the same layer from it."""
        config = super().get_config()
        del config["groups"]
        return config
