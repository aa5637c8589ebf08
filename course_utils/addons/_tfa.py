"""TensorFlow Addons' own layers, for the stack that has them."""

from __future__ import annotations

import keras
import tensorflow as tf

from course_utils.addons._stack import import_addons

tfa = import_addons()

_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)


@keras.saving.register_keras_serializable(package="course_utils")
class WeightNormalization(tfa.layers.WeightNormalization):
    """TensorFlow Addons' ``WeightNormalization``, with the paper's initialisation added.

    With ``data_init`` ``True`` or ``False`` this *is* ``tfa.layers.WeightNormalization``, with all its
    behaviour: nothing is overridden. ``data_init="paper"`` adds the initialisation of the paper's section 3,
    which normalises v before it takes the moments: with ``t = v·x / ‖v‖`` over the first batch, g = 1/σ[t]
    and b = −μ[t]/σ[t]. So the layer's pre-activations over that batch have mean 0 and standard deviation 1,
    which those of ``data_init=True`` only have when ‖v‖ happens to be 1.

    Args:
        layer: a ``keras.layers.Layer`` with a ``kernel`` (or a recurrent layer).
        data_init: ``True`` (default), ``False`` or ``"paper"``.
        **kwargs: passed to ``tfa.layers.WeightNormalization`` (``name``, ``trainable``, ``dtype``).

    Returns:
        The wrapper; its outputs have the shape of the wrapped layer's.

    Raises:
        ValueError: if ``data_init`` is none of the three; or if it is ``"paper"`` and the layer is recurrent
            (the paper has no such initialisation there) or a transposed convolution (TensorFlow Addons
            normalises that one per *input* channel, for which there are no pre-activations to take moments
            of).

    Example:
        >>> layer = WeightNormalization(keras.layers.Dense(4), data_init="paper")
        >>> layer(tf.random.normal((32, 8))).shape
        TensorShape([32, 4])

    Reference:
        Salimans & Kingma 2016, *Weight Normalization: A Simple Reparameterization to Accelerate Training of
        Deep Neural Networks*, https://arxiv.org/abs/1602.07868
    """

    def __init__(self, layer, data_init=True, **kwargs):
        if not (isinstance(data_init, bool) or (isinstance(data_init, str) and data_init == "paper")):
            raise ValueError(f"`data_init` should be True, False or 'paper', received: {data_init!r}")
        if data_init == "paper":
            if isinstance(layer, keras.layers.RNN):
                raise ValueError(
                    "data_init='paper' is not defined for recurrent layers, received "
                    f"{layer.name!r} ({type(layer).__name__}). Use data_init=False, as the paper advises."
                )
            if isinstance(layer, _TRANSPOSED):
                raise ValueError(
                    "data_init='paper' needs one norm per output channel, and TensorFlow Addons normalises "
                    f"{layer.name!r} ({type(layer).__name__}) per input channel. Use data_init=False here, "
                    "or the keras3 stack, where transposed convolutions are normalised per output channel."
                )
        # Addons checks the type of data_init, so it gets its bool first.
        super().__init__(layer, data_init=bool(data_init), **kwargs)
        self.data_init = data_init

    def _data_dep_init(self, inputs):
        if self.data_init != "paper":
            return super()._data_dep_init(inputs)
        # Addons' clone of the layer has no activation; give it v / ‖v‖ and no bias, and it computes t.
        # Assigning (rather than replacing the attributes) keeps the list of the wrapper's weights as it is.
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
