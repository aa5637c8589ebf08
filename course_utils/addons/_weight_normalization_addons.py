"""TensorFlow Addons' weight normalization, for the addons stack."""

import keras
import tensorflow as tf

from course_utils import arguments
from course_utils.addons._checked_wrapper import CheckedWrapper
from course_utils.addons._stack import import_addons

_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)


class _AddonsWrapper(import_addons().layers.WeightNormalization):
    """Addons' class. It checks the type of `data_init`, so it gets a bool."""

    def __init__(self, layer, data_init, **kwargs):
        super().__init__(layer, data_init=bool(data_init), **kwargs)
        self.data_init = data_init


@keras.saving.register_keras_serializable(package="course_utils")
class WeightNormalization(CheckedWrapper, _AddonsWrapper):
    """TensorFlow Addons' ``WeightNormalization``, with the paper's initialization added.

    It writes a layer's weights as w = g · v / ‖v‖, with the lengths g and the directions v, and trains g and
    v. If `data_init` is ``True`` or ``False``, it computes what Addons' class computes. ``"paper"`` adds the
    initialization of the paper's section 3, which normalises v before it computes the moments. With ``t = v·x
    / ‖v‖`` over the first batch, g = 1/σ[t] and b = −μ[t]/σ[t]. So the layer's pre-activations over that
    batch have mean 0 and standard deviation 1. With ``data_init=True`` this is so only if ‖v‖ happens to be
    1.

    Parameters
    ----------
    layer : keras.layers.Layer
        A layer with a ``kernel``, or a recurrent layer.
    data_init : bool or "paper", default=True
        How g and the bias are initialized.
    **kwargs
        ``name``, ``trainable``, ``dtype``.

    Raises
    ------
    ValueError
        If `data_init` is not one of the three; if it is ``"paper"`` and the layer is recurrent (the paper has
        no such initialization) or a transposed convolution (Addons normalises it per *input* channel, which
        has no pre-activations); or if the layer is a ``Bidirectional``, or the wrapper is used inside one.

    Examples
    --------
    >>> layer = WeightNormalization(keras.layers.Dense(4), data_init="paper")
    >>> layer(tf.random.normal((32, 8))).shape
    TensorShape([32, 4])

    References
    ----------
    Salimans & Kingma 2016, *Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep
    Neural Networks*, https://arxiv.org/abs/1602.07868
    """

    def __init__(self, layer, data_init=True, **kwargs):
        """Check the arguments."""
        if data_init == "paper" and isinstance(layer, _TRANSPOSED):
            arguments.refuse(
                "data_init",
                "True or False for a transposed convolution, because TensorFlow Addons normalises it per "
                "input channel",
                data_init,
                "The keras3 stack normalises it per output channel.",
            )
        super().__init__(layer, data_init=data_init, **kwargs)

    def _data_dep_init(self, inputs):
        if self.data_init != "paper":
            return super()._data_dep_init(inputs)
        # Addons' clone of the layer has no activation. With v / ‖v‖ as weights and no bias, it computes t.
        # Assigning values (rather than replacing attributes) does not change the list of the wrapper's
        # weights.
        clone = self._naked_clone_layer
        bias = getattr(self.layer, "bias", None)
        settled = [clone.kernel.assign(tf.nn.l2_normalize(self.v, axis=self.kernel_norm_axes))]
        if bias is not None:
            settled.append(clone.bias.assign(tf.zeros_like(clone.bias)))
        with tf.control_dependencies(settled):
            t = tf.cast(clone(inputs), tf.float32)
        mean, variance = tf.nn.moments(t, list(range(t.shape.rank - 1)))
        scale = 1.0 / tf.sqrt(variance + 1e-10)
        assigned = [self.g.assign(tf.cast(scale, self.g.dtype))]
        if bias is not None:
            assigned.append(bias.assign(tf.cast(-mean * scale, bias.dtype)))
        return assigned
