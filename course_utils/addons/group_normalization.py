"""Group and instance normalization, with the arguments and numbers of TensorFlow Addons 0.23.

On the addons stack the layers are Addons' own, on keras3 they are Keras' ``GroupNormalization``, made faster
(see ``call``). Deliberate differences from ``tensorflow_addons/layers/normalizations.py`` (release 0.23.0):

- an ``axis`` below -1 with one channel per group normalises over all axes but that one, as every other does.
  Addons takes the wrong axes there;
- ``InstanceNormalization`` has no ``groups``, where Addons accepts it, overwrites it and says so in a log;
- half precision, and inputs on their way to it, are normalised in single precision;
- bad arguments are refused earlier.
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
    one example: its channels at all positions. So an example's outputs do not depend on the batch it is in,
    and the layer does the same in training and in inference. γ and β are trained, one of each per channel.

    With ``groups=1`` all activations of an example share their moments, as in layer normalization over all
    axes but the batch's (which has a γ and β per activation). With as many groups as channels it is instance
    normalization.

    Inputs have any rank from two on, the batch axis first; outputs have the same shape, in the layer's
    compute dtype.

    Parameters
    ----------
    groups : int, default=32
        Into how many groups the channels are split; has to divide their number. -1: one group per channel.
    axis : int, default=-1
        The axis of the channels. One number, and never the batch axis.
    epsilon : float, default=1e-3
        Added to the variance. 0 or more.
    center, scale : bool, default=True
        Whether there is a β, and a γ.
    beta_initializer, gamma_initializer : str or keras.initializers.Initializer
        How β and γ begin; "zeros" and "ones" by default.
    beta_regularizer, gamma_regularizer : str or keras.regularizers.Regularizer, optional
        Penalties on β and γ.
    beta_constraint, gamma_constraint : str or keras.constraints.Constraint, optional
        Applied to β and γ after each step.
    **kwargs
        ``name``, ``trainable``, ``dtype``.

    Attributes
    ----------
    gamma, beta : variable of shape (channels,), or None

    Raises
    ------
    ValueError
        If an argument is not as said; and, once the inputs are known, if they have no such axis or `groups`
        does not divide their channels.

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
        """Check the arguments that need no input; the weights are made in ``build``."""
        should_be = " ≥ 1, or -1 for one group per channel"
        groups = arguments.whole_number("groups", groups, also=should_be)
        if groups < 1 and groups != -1:
            arguments.refuse("groups", f"a whole number{should_be}", groups)
        axis = arguments.whole_number("axis", axis, also=", that of the channels")
        if axis == 0:
            remedy = "Use BatchNormalization to normalise over the batch."
            arguments.refuse("axis", "that of the channels, and 0 is the batch's", axis, remedy)
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
            autocast=False,  # of the inputs, which half precision may not hold; `call` casts
            **kwargs,
        )

    def build(self, input_shape):
        """Check that the channels can be split into the groups, and create γ and β."""
        shape = tuple(input_shape)
        rank = len(shape)
        if not -rank < self.axis < rank:
            arguments.refuse(
                "axis",
                f"from {1 - rank} to {rank - 1} for inputs of shape {shape}, and not the batch's",
                self.axis,
            )
        channels = shape[self.axis]
        if channels is None:
            raise ValueError(
                f"{self.name!r} needs to know how many channels its inputs have, but axis {self.axis} of "
                f"{shape} is open. Give that axis a size in keras.Input."
            )
        if self.groups != -1 and channels % self.groups:
            divisors = ", ".join(str(d) for d in range(1, channels + 1) if channels % d == 0)
            where = f"(axis {self.axis} of {shape})"
            should_be = f"a divisor of the {channels} channels that {self.name!r} takes {where}: {divisors}"
            arguments.refuse("groups", should_be, self.groups)
        super().build(input_shape)
        if _ADDONS and self.axis < -1:  # which Addons' call mistakes when every group is one channel
            self.axis += rank

    if _ADDONS:

        def call(self, inputs):
            """Normalise the inputs, in single precision at least."""
            outputs = super().call(tf.cast(inputs, _at_least_single(self.compute_dtype)))
            return tf.cast(outputs, self.compute_dtype)

        def _get_reshaped_weights(self, input_shape):
            dtype = _at_least_single(self.compute_dtype)
            weights = super()._get_reshaped_weights(input_shape)
            return [None if weight is None else tf.cast(weight, dtype) for weight in weights]

    else:

        def call(self, inputs):
            """Normalise the inputs, in single precision at least.

            The moments are taken per channel first, and those of a group's channels averaged, which is the
            same as taking them over the group. It leaves the inputs in their shape: reducing a tensor that is
            split into groups, whose channels then lie on two axes, takes about twice as long.
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
    """Normalises every channel of every example by itself: y = γ (x − μ) / √(σ² + ε) + β.

    This is ``GroupNormalization`` with one group per channel: μ and σ² are the mean and variance over the
    positions of one channel of one example. So it takes away each channel's contrast and brightness, which
    style transfer wants. Inputs without positions, of shape ``(batch, channels)``, all become β.

    Parameters
    ----------
    axis : int, default=-1
        The axis of the channels. One number, and never the batch axis.
    epsilon : float, default=1e-3
        Added to the variance. 0 or more.
    **kwargs
        The other arguments of ``GroupNormalization`` but `groups`.

    Raises
    ------
    ValueError
        If an argument is not as said, or `groups` is given; and, once the inputs are known, if they have no
        such axis.

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
        """Check the arguments that need no input; the weights are made in ``build``."""
        if "groups" in kwargs:
            arguments.refuse(
                "groups",
                "left out: InstanceNormalization has one group per channel",
                kwargs["groups"],
                "Use GroupNormalization.",
            )
        super().__init__(groups=-1, axis=axis, epsilon=epsilon, **kwargs)

    def get_config(self):
        """Return the configuration, from which ``from_config`` makes the same layer."""
        config = super().get_config()
        del config["groups"]
        return config
