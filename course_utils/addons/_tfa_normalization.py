"""TensorFlow Addons' own group and instance normalization, their arguments checked as on the other stack."""

from __future__ import annotations

import keras

from course_utils.addons._checks import CheckedGroups, OneGroupPerChannel
from course_utils.addons._tfa import tfa


@keras.saving.register_keras_serializable(package="course_utils")
class GroupNormalization(CheckedGroups, tfa.layers.GroupNormalization):
    """TensorFlow Addons' ``GroupNormalization``: y = γ (x − μ) / √(σ² + ε) + β.

    μ and σ² are the mean and variance over one of ``groups`` groups of neighbouring channels of one example,
    at all its positions. Two things differ from Addons: bad arguments are refused with a message that says
    what to do, and an ``axis`` below -1 means the same as the positive one even with one channel per group,
    where Addons takes the wrong axes.

    Args:
        groups: into how many groups the channels are split; has to divide their number. -1 means one group
            per channel. 32 by default.
        axis: the axis of the channels; -1, the last, by default. One number, and never the batch axis.
        epsilon: a small number ≥ 0 that is added to the variance; 1e-3 by default.
        center: whether there is a β, a variable of shape ``(channels,)``.
        scale: whether there is a γ, a variable of shape ``(channels,)``.
        beta_initializer: how β begins; zeros by default. ``beta_regularizer`` and ``beta_constraint`` are
            none by default.
        gamma_initializer: how γ begins; ones by default. ``gamma_regularizer`` and ``gamma_constraint`` are
            none by default.
        **kwargs: ``name``, ``trainable``, ``dtype``.

    Returns:
        The layer. Inputs of any rank from two on, batch axis first; outputs of the same shape.

    Raises:
        ValueError: if ``groups``, ``axis`` or ``epsilon`` is none of the above; and, once the inputs are
            known, if they have no such axis or ``groups`` does not divide their channels.

    Example:
        >>> layer = GroupNormalization(groups=5, axis=3)
        >>> layer(keras.backend.ones((8, 26, 26, 10))).shape
        TensorShape([8, 26, 26, 10])

    Reference:
        Wu & He 2018, *Group Normalization*, https://arxiv.org/abs/1803.08494
    """

    def build(self, input_shape):
        """Create γ and β; see ``CheckedGroups.build`` for what is refused."""
        super().build(input_shape)
        if self.axis < -1:  # which Addons' call mistakes when every group is one channel
            self.axis += len(input_shape)


@keras.saving.register_keras_serializable(package="course_utils")
class InstanceNormalization(OneGroupPerChannel, GroupNormalization):
    """TensorFlow Addons' ``InstanceNormalization``: group normalization with one group per channel.

    μ and σ² are the mean and variance over the positions of one channel of one example. Inputs without
    positions, of shape ``(batch, channels)``, all become β.

    Args:
        axis: the axis of the channels; -1, the last, by default. One number, and never the batch axis.
        epsilon: a small number ≥ 0 that is added to the variance; 1e-3 by default.
        **kwargs: the other arguments of ``GroupNormalization`` but ``groups``.

    Returns:
        The layer. Inputs of any rank from two on, batch axis first; outputs of the same shape.

    Raises:
        ValueError: if ``axis`` or ``epsilon`` is none of the above, or ``groups`` is given; and, once the
            inputs are known, if they have no such axis.

    Example:
        >>> layer = InstanceNormalization(axis=3, gamma_initializer="random_uniform")
        >>> layer(keras.backend.ones((8, 26, 26, 10))).shape
        TensorShape([8, 26, 26, 10])

    Reference:
        Ulyanov, Vedaldi & Lempitsky 2016, *Instance Normalization: The Missing Ingredient for Fast
        Stylization*, https://arxiv.org/abs/1607.08022
    """
