"""Group and instance normalization for Keras 3, with the arguments and numbers of TensorFlow Addons 0.23.

The class is Keras' own ``GroupNormalization``; what differs is the order in which it computes, which makes a
training step faster (see ``call``). Deliberate differences from
``tensorflow_addons/layers/normalizations.py`` (release 0.23.0):

- an ``axis`` below -1 with one channel per group normalises over all axes but that one, as every other does.
  Addons takes the wrong axes there;
- ``InstanceNormalization`` has no ``groups``, where Addons accepts it, overwrites it and says so in a log;
- half precision is normalised in single precision, as in Keras 3;
- bad arguments are refused earlier, with what to do about them.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from course_utils.addons._checks import CheckedGroups, OneGroupPerChannel


@keras.saving.register_keras_serializable(package="course_utils")
class GroupNormalization(CheckedGroups, keras.layers.GroupNormalization):
    """Normalises every example within groups of its channels: y = γ (x − μ) / √(σ² + ε) + β.

    The channels are split into ``groups`` of neighbours. μ and σ² are the mean and variance over one group of
    one example: its channels at all positions. So an example's outputs do not depend on the batch it is in,
    and the layer does the same in training and in inference. γ and β are trained, one of each per channel.

    With ``groups=1`` all activations of an example share their moments, as in layer normalization over all
    axes but the batch's (which has a γ and β per activation). With as many groups as channels it is instance
    normalization.

    Args:
        groups: into how many groups the channels are split; has to divide their number. -1 means one group
            per channel. 32 by default.
        axis: the axis of the channels; -1, the last, by default. One number, and never the batch axis.
        epsilon: a small number ≥ 0 that is added to the variance; 1e-3 by default.
        center: whether there is a β.
        scale: whether there is a γ.
        beta_initializer: how β begins; zeros by default.
        gamma_initializer: how γ begins; ones by default.
        beta_regularizer: a penalty on β; none by default.
        gamma_regularizer: a penalty on γ; none by default.
        beta_constraint: a constraint on β after each step; none by default.
        gamma_constraint: a constraint on γ after each step; none by default.
        **kwargs: ``name``, ``trainable``, ``dtype``.

    Attributes:
        gamma: γ, a variable of shape ``(channels,)``, or ``None``.
        beta: β, a variable of shape ``(channels,)``, or ``None``.

    Returns:
        The layer. Inputs of any rank from two on, batch axis first; outputs of the same shape.

    Raises:
        ValueError: if ``groups``, ``axis`` or ``epsilon`` is none of the above; and, once the inputs are
            known, if they have no such axis or ``groups`` does not divide their channels.

    Example:
        >>> import keras
        >>> images = keras.random.normal((8, 26, 26, 10))
        >>> layer = GroupNormalization(groups=5, axis=3)
        >>> layer(images).shape
        TensorShape([8, 26, 26, 10])
        >>> layer.count_params()  # γ and β
        20

    Reference:
        Wu & He 2018, *Group Normalization*, https://arxiv.org/abs/1803.08494
    """

    def call(self, inputs):
        """Normalise the inputs.

        The moments are taken per channel first, and those of a group's channels averaged, which is the same
        as taking them over the group. It leaves the inputs in their shape: reducing a tensor that is split
        into groups, whose channels then lie on two axes, takes about twice as long.

        Args:
            inputs: a tensor of the shape that the layer was built for, but for the size of the batch.

        Returns:
            A tensor of the same shape, in the layer's compute dtype.
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

        # At least single precision: the squares of half precision overflow.
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


@keras.saving.register_keras_serializable(package="course_utils")
class InstanceNormalization(OneGroupPerChannel, GroupNormalization):
    """Normalises every channel of every example by itself: y = γ (x − μ) / √(σ² + ε) + β.

    This is ``GroupNormalization`` with one group per channel: μ and σ² are the mean and variance over the
    positions of one channel of one example. So it takes away each channel's contrast and brightness, which
    style transfer wants. Inputs without positions, of shape ``(batch, channels)``, all become β.

    Args:
        axis: the axis of the channels; -1, the last, by default. One number, and never the batch axis.
        epsilon: a small number ≥ 0 that is added to the variance; 1e-3 by default.
        **kwargs: ``center``, ``scale``, the initializers, regularizers and constraints of γ and β, ``name``,
            ``trainable`` and ``dtype``, as in ``GroupNormalization``.

    Returns:
        The layer. Inputs of any rank from two on, batch axis first; outputs of the same shape.

    Raises:
        ValueError: if ``axis`` or ``epsilon`` is none of the above, or ``groups`` is given; and, once the
            inputs are known, if they have no such axis.

    Example:
        >>> import keras
        >>> images = keras.random.normal((8, 26, 26, 10))
        >>> InstanceNormalization(axis=3, gamma_initializer="random_uniform")(images).shape
        TensorShape([8, 26, 26, 10])

    Reference:
        Ulyanov, Vedaldi & Lempitsky 2016, *Instance Normalization: The Missing Ingredient for Fast
        Stylization*, https://arxiv.org/abs/1607.08022
    """
