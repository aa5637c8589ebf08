"""Weight normalization for Keras 3, with the semantics of TensorFlow Addons 0.23.

Ported from the behaviour of ``tensorflow_addons/layers/wrappers.py`` (release 0.23.0), not from its code.
Deliberate differences:

- transposed convolutions are normalised per output channel, as in the paper. Addons always uses the last
  kernel axis, which in this case is that of the inputs;
- with ``data_format="channels_first"``, the moments are still computed per channel;
- ``data_init="paper"`` exists;
- the initialization is part of the first training step only (see ``_settle``);
- ``remove()`` raises an error while there are no weights yet, and a shared kernel is refused.
"""

import gc
import warnings
import weakref

import keras
import tensorflow as tf

from course_utils import arguments, keras_private
from course_utils.addons._checked_wrapper import CheckedWrapper

_TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)
_DEPTHWISE = (keras.layers.DepthwiseConv1D, keras.layers.DepthwiseConv2D)

# Every wrapper in use, to detect two wrappers of one kernel. The references are weak: they keep nothing
# alive.
_wrappers = weakref.WeakSet()


class _Wrapper(keras.layers.Wrapper):
    """Keras' wrapper, with the dtype of the wrapped layer."""

    def __init__(self, layer, data_init, **kwargs):
        if isinstance(layer, keras.layers.Layer):
            _check_layer(layer)
            dtype = kwargs.pop("dtype", None)
            if dtype is not None and keras.dtype_policies.get(dtype) != layer.dtype_policy:
                should_be = f"left out: it is that of the wrapped layer ({layer.dtype_policy.name})"
                arguments.refuse("dtype", should_be, dtype, f"Set it on {layer.name!r} instead.")
            # The weights are computed in the precision of the variables, also under a mixed policy. Only the
            # wrapped layer rounds them (and the inputs) to a lower precision.
            kwargs.update(dtype=layer.variable_dtype, autocast=False)
        super().__init__(layer, **kwargs)  # raises an error if it is not a layer
        self.data_init = data_init
        self.is_rnn = isinstance(layer, keras.layers.RNN)
        self.input_spec = layer.input_spec
        self.supports_masking = layer.supports_masking
        if data_init and self.is_rnn:
            warnings.warn(
                f"data-dependent initialization of the recurrent layer {layer.name!r}: the paper advises "
                "against it. Use data_init=False.",
                stacklevel=3,
            )
        _wrappers.add(self)

    def get_config(self):
        config = super().get_config()
        del config["dtype"]  # that of the wrapped layer, in whose configuration it is
        return {**config, "data_init": self.data_init}


@keras.saving.register_keras_serializable(package="course_utils")
class WeightNormalization(CheckedWrapper, _Wrapper):
    """Writes a layer's weights as w = g · v / ‖v‖, with lengths g and directions v, and trains g and v.

    There is one g and one norm per output channel. v is the kernel variable of the wrapped layer, so its
    initializer, regularizer and constraint act on v. In recurrent layers (``SimpleRNN``, ``GRU``, ``LSTM``)
    the recurrent kernel is normalised.

    The first batch initializes the layer, in ``fit``, ``evaluate``, ``predict`` or a direct call. It is never
    initialized again, not even after loading. So the first batch should be a real training batch: with
    data-dependent initialization, a single example has no spread, and g becomes huge.

    ``fit``, ``evaluate`` and ``predict`` trace the first step twice: once with the initialization, once
    without. In your own ``tf.function`` the check for the first batch stays in every step. The results are
    right, but a step takes 20 to 40 % longer. To avoid this, call the model once on a batch before tracing. A
    step also makes a few passes over each kernel. For a convolution they cost little; for a wide dense layer
    and a small batch they cost more (``benchmarks/weight_normalization.py`` measures both).

    Parameters
    ----------
    layer : keras.layers.Layer
        The layer to wrap: ``Dense``, ``EinsumDense``, a convolution, a transposed convolution, a recurrent
        layer, or another layer with a ``kernel`` whose last axis is its output channels. The layer may be
        built and trained already.
    data_init : bool or "paper", default=True
        How g and the bias are initialized:

        - ``True``, as in TensorFlow Addons: g = 1/σ and bias = −μ/σ. μ and σ² are the mean and variance of
          the layer's outputs before the activation, computed with the *raw kernel v*, per channel over the
          first batch. For a recurrent layer, the moments of its outputs are repeated for each gate, and the
          bias does not change. The paper advises against this, and a warning says so.
        - ``"paper"``: the same, but with v / ‖v‖ in place of v and without the bias, as in the paper's
          section 3. Then the pre-activations of the first batch have mean 0 and standard deviation 1. (A
          layer without bias keeps its mean.) Not for recurrent layers.
        - ``False``: g = ‖v‖, so the layer starts with the same weights as the plain one.
    **kwargs
        ``name``, ``trainable`` and the other arguments of ``keras.layers.Layer``. A ``dtype`` has to be that
        of the wrapped layer.

    Attributes
    ----------
    g : variable of shape (output channels,)
        The lengths.
    v : variable
        The directions: the wrapped layer's kernel.
    initialized : variable of shape (), bool
        Whether g is initialized.
    layer : keras.layers.Layer
        The wrapped layer.

    Raises
    ------
    ValueError
        If `layer` is not a layer, has no kernel of its own, or shares it with another layer; or if
        `data_init` is not one of the three, or is ``"paper"`` for a recurrent layer. Some layers have a
        kernel only after they are built, so the error can come with the first call.

    Examples
    --------
    >>> model = keras.Sequential([
    ...     keras.Input((8,)),
    ...     WeightNormalization(keras.layers.Dense(4, activation="relu")),
    ...     WeightNormalization(keras.layers.Dense(1)),
    ... ])
    >>> model(keras.random.normal((32, 8))).shape
    TensorShape([32, 1])

    References
    ----------
    Salimans & Kingma 2016, *Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep
    Neural Networks*, https://arxiv.org/abs/1602.07868
    """

    @property
    def v(self):
        """The directions: the kernel variable of the wrapped layer."""
        return _kernel_of(self.layer)

    def build(self, input_shape=None):
        """Build the wrapped layer, check its kernel and create g."""
        super().build(input_shape)
        self.input_spec = self.layer.input_spec
        kernel = _checked_kernel(self)
        self._kernel_channel_axis = len(kernel.shape) - (2 if isinstance(self.layer, _TRANSPOSED) else 1)
        depth = kernel.shape[self._kernel_channel_axis]
        bias = self._bias()
        if self.data_init and bias is not None and tuple(bias.shape) != (depth,):
            raise ValueError(
                f"Data-dependent initialization sets one bias per output channel, but {self.layer.name!r} "
                f"({type(self.layer).__name__}) has a bias of shape {tuple(bias.shape)} beside {depth} "
                "channels. Use data_init=False."
            )
        dtype = self.layer.variable_dtype
        self.g = self.add_weight(name="g", shape=(depth,), initializer="ones", dtype=dtype)
        self.initialized = self.add_weight(
            name="initialized", shape=(), initializer="zeros", dtype="bool", trainable=False
        )

    def call(self, inputs, **kwargs):
        """Return the outputs of the wrapped layer with the weights g · v / ‖v‖."""
        self._settle(inputs, kwargs)
        if _is_plain_dense(self.layer) and kwargs.keys() <= {"training"}:
            return self._call_dense(inputs)
        return self._call_layer(inputs, kwargs, [(self.v, self._weights())])

    def compute_output_shape(self, input_shape):
        """Return the wrapped layer's output shape for ``input_shape``."""
        return self.layer.compute_output_shape(input_shape)

    def compute_output_spec(self, inputs, **kwargs):
        """Return the wrapped layer's symbolic outputs. Building a model initializes nothing."""
        return self.layer.compute_output_spec(inputs, **kwargs)

    def compute_mask(self, inputs, previous_mask=None):
        """Return the wrapped layer's output mask."""
        return self.layer.compute_mask(inputs, previous_mask)

    def remove(self):
        """Write the weights g · v / ‖v‖ into the layer, and return it without the wrapper.

        The result is the wrapped layer itself, not a copy. If the wrapper is still used, its outputs stay the
        same (v becomes the weights, and g their norms). The layer can be wrapped again.

        Returns
        -------
        keras.layers.Layer
            The wrapped layer, whose outputs are now those of the wrapper.

        Raises
        ------
        ValueError
            If the wrapper is not built, or has not seen its first batch: then there are no weights yet.

        Examples
        --------
        >>> layer = WeightNormalization(keras.layers.Dense(4), data_init=False)
        >>> outputs = layer(keras.random.normal((2, 8)))
        >>> plain = layer.remove()
        """
        if not self.built:
            raise ValueError(
                f"{self.name!r} is not built, so it has no weights yet: call it on inputs first, or use the "
                f"plain layer {self.layer.name!r}."
            )
        if not bool(self.initialized.value):
            if self.data_init:
                raise ValueError(
                    f"{self.name!r} has not seen data yet (data_init={self.data_init!r}), so g has no "
                    "value: call it on a batch first, or load its weights."
                )
            self._initialize()
        weights = self._weights()
        self.v.assign(weights)
        # Not |g|: if ‖v‖ was below the bound in _scale, the weights are shorter than |g|.
        self.g.assign(self._norms(weights))
        _wrappers.discard(self)
        return self.layer

    # -- the weights -----------------------------------------------------------------------------------------

    def _norm_axes(self):
        return [axis for axis in range(len(self.v.shape)) if axis != self._kernel_channel_axis]

    def _norms(self, kernel):
        squares = tf.square(_at_least_float32(kernel))
        return tf.cast(tf.sqrt(tf.reduce_sum(squares, self._norm_axes())), self.layer.variable_dtype)

    def _scale(self, lengths):
        """Return lengths / ‖v‖, at least in single precision. As in Addons, 1e-12 avoids a division by
        zero."""
        squares = tf.reduce_sum(tf.square(_at_least_float32(self.v.value)), self._norm_axes())
        return _at_least_float32(lengths) * tf.math.rsqrt(tf.maximum(squares, 1e-12))

    def _scaled(self, lengths):
        """Return v · lengths / ‖v‖."""
        per_channel = [1] * len(self.v.shape)
        per_channel[self._kernel_channel_axis] = -1
        # Compute one factor per channel first. This saves a pass over the kernel here and three in the
        # gradient.
        scaled = _at_least_float32(self.v.value) * tf.reshape(self._scale(lengths), per_channel)
        return tf.cast(scaled, self.layer.variable_dtype)

    def _weights(self):
        return self._scaled(self.g.value)

    def _bias(self):
        # The bias of a recurrent layer is in its cell. Addons does not change it.
        return None if self.is_rnn else getattr(self.layer, "bias", None)

    def _call_dense(self, inputs):
        """Compute a dense layer by scaling its outputs instead of its weights: x · (s v) = s (x · v).

        A dense layer uses each weight once per example. With small batches there are many more weights than
        outputs, and every pass over the weights takes noticeable time. Scaling the outputs halves the extra
        cost.
        """
        ops, layer = keras.ops, self.layer
        scale = ops.cast(self._scale(self.g.value), layer.compute_dtype)
        outputs = ops.matmul(ops.cast(inputs, layer.compute_dtype), self.v) * scale
        if layer.bias is not None:
            outputs = outputs + layer.bias
        return outputs if layer.activation is None else layer.activation(outputs)

    def _call_layer(self, inputs, kwargs, values, keep_updates=True):
        """Call the wrapped layer with other values for its variables.

        So gradients flow through ``values``, and no variable changes. Updates by the layer itself (the seed
        of a dropout, running statistics) are applied afterwards, unless `keep_updates` is False.
        """
        with keras_private.values_replaced(values) as kept_back:
            outputs = self.layer(inputs, **kwargs)
        if keep_updates:
            updates, losses = kept_back(self.layer.variables)
            for variable, value in updates:
                variable.assign(value)
            for loss in losses:
                self.add_loss(loss)
        return outputs

    # -- the initialization ----------------------------------------------------------------------------------

    def _settle(self, inputs, kwargs):
        """Initialize g (and the bias) if this is the first batch.

        A check inside every training step would cost 20 to 40 % of it. So an eager call checks eagerly. A
        traced call checks during tracing. If g is initialized by then, nothing goes into the graph. If not,
        the check goes into this graph, and the functions of the models being traced are made again. The next
        step is then traced again, without the check. If the first step fails, g is still not initialized, and
        all this repeats.
        """
        eager, stateless = tf.executing_eagerly(), keras_private.in_stateless_scope()
        if eager or not stateless:
            # init_scope leaves the traced graph and any gradient tape.
            with tf.init_scope():
                if bool(self.initialized.value):
                    return
                if eager or not self.data_init:
                    self._initialize(inputs, kwargs)
                    return
        targets = self._targets()
        values = tf.cond(
            self.initialized.value,
            lambda: [tf.convert_to_tensor(target.value) for target in targets],
            lambda: self._initial_values(inputs, kwargs),
        )
        for target, value in zip(targets, values, strict=True):
            target.assign(value)
        self.initialized.assign(True)
        if not stateless:
            keras_private.renew_functions_being_traced()

    def _initialize(self, inputs=None, kwargs=None):
        for target, value in zip(self._targets(), self._initial_values(inputs, kwargs), strict=True):
            target.assign(value)
        self.initialized.assign(True)

    def _targets(self):
        """The variables that the initialization sets."""
        bias = self._bias()
        return [self.g] if bias is None or not self.data_init else [self.g, bias]

    def _initial_values(self, inputs, kwargs):
        """The values of these variables for this batch."""
        if not self.data_init:
            return [self._norms(self.v.value)]
        bias = self._bias()
        values = []
        if self.data_init == "paper":
            values.append((self.v, self._scaled(tf.ones(self.g.shape))))
            if bias is not None:
                values.append((bias, tf.zeros(bias.shape, self.layer.variable_dtype)))
        outputs = self._outputs_before_activation(inputs, kwargs, values)

        channel_axis = outputs.shape.rank - 1
        if not self.is_rnn and getattr(self.layer, "data_format", None) == "channels_first":
            channel_axis = 1
        mean, variance = tf.nn.moments(outputs, [a for a in range(outputs.shape.rank) if a != channel_axis])
        scale = 1.0 / tf.sqrt(variance + 1e-10)
        g_scale = scale
        depth, channels = self.g.shape[0], outputs.shape[channel_axis]
        if self.is_rnn and depth % channels == 0:
            g_scale = tf.tile(scale, [depth // channels])  # the gates are side by side in one kernel
        elif depth != channels:
            raise ValueError(
                f"Data-dependent initialization needs one output channel per column of the kernel, but "
                f"{self.layer.name!r} ({type(self.layer).__name__}) has {channels} beside {depth}. Use "
                "data_init=False."
            )
        g = g_scale if self.data_init == "paper" else _at_least_float32(self.g.value) * g_scale
        return [
            tf.cast(value, self.layer.variable_dtype)
            for value in ([g] if bias is None else [g, -mean * scale])
        ]

    def _outputs_before_activation(self, inputs, kwargs, values):
        layer = self.layer
        plain = (
            self.is_rnn or getattr(layer, "activation", None) is None
        )  # Addons keeps the activations of a cell
        activation = None if plain else layer.activation
        try:
            if not plain:
                layer.activation = keras.activations.linear
            outputs = self._call_layer(inputs, kwargs, values, keep_updates=False)
        finally:
            if not plain:
                layer.activation = activation
        if isinstance(outputs, list | tuple):  # a recurrent layer that also returns its states
            outputs = outputs[0]
        return _at_least_float32(outputs)


def _is_plain_dense(layer):
    """Whether ``_call_dense`` does all that the layer does."""
    return (
        type(layer) is keras.layers.Dense
        and layer.compute_dtype == layer.variable_dtype
        and layer.quantization_mode is None
        and layer.activity_regularizer is None
    )


def _at_least_float32(tensor):
    """Convert to at least float32: in half precision, sums of squares overflow and 1e-12 becomes 0."""
    tensor = tf.convert_to_tensor(tensor)
    return tf.cast(tensor, tf.float32) if tensor.dtype.size < 4 else tensor


# -- which layers can be wrapped -----------------------------------------------------------------------------


def _describe(layer):
    return f"{layer.name!r} ({type(layer).__name__})"


def _no_kernel(layer):
    if isinstance(layer, keras.layers.Wrapper):
        inside = f"WeightNormalization({type(layer.layer).__name__}(...))"
        remedy = f"Wrap the layer inside it: {type(layer).__name__}({inside})."
    elif isinstance(layer, keras.Model):
        remedy = "Wrap the layers inside it."
    elif isinstance(layer, keras.layers.RNN):
        remedy = (
            "Stack recurrent layers, each wrapped, instead of cells."
            if hasattr(layer.cell, "cells")
            else (f"Its cell, {type(layer.cell).__name__}, should have a `recurrent_kernel` variable.")
        )
    elif hasattr(layer, "state_size"):
        remedy = "Wrap the recurrent layer (LSTM, GRU, SimpleRNN, RNN) rather than its cell."
    else:
        remedy = "Do not wrap it; wrap layers such as Dense, a convolution or an LSTM."
    return ValueError(
        "`layer` should have its own `kernel` variable, with one slice per output channel; "
        f"received {_describe(layer)}. {remedy}"
    )


def _shared(layer, with_whom):
    return ValueError(
        f"The kernel of {_describe(layer)} is shared with {with_whom}, and weight normalization would "
        "change it for only one of the two. Give each its own layer; to use one normalised layer in "
        "several places, call the same wrapper there."
    )


def _check_layer(layer):
    """Raise an error if the layer cannot be wrapped, as far as this is known before it is built."""
    is_rnn = isinstance(layer, keras.layers.RNN)
    # A wrapper, a depthwise convolution or a cell has a `kernel`, but not one that can be normalised here.
    if isinstance(layer, (keras.layers.Wrapper, keras.Model, *_DEPTHWISE)) or (
        hasattr(layer, "state_size") and not is_rnn
    ):
        raise _no_kernel(layer)
    if is_rnn and hasattr(layer.cell, "cells"):
        raise _no_kernel(layer)
    if layer.built:
        _kernel_of(layer)
    other = _other_wrapper(lambda wrapper: wrapper.layer is layer)
    if other is not None:
        raise _shared(layer, f"the wrapper {other.name!r}, which wraps the same layer")


def _find_kernel(layer):
    owner, name = (
        (layer.cell, "recurrent_kernel") if isinstance(layer, keras.layers.RNN) else (layer, "kernel")
    )
    kernel = getattr(owner, name, None)
    # A tensor computed from other variables (LoRA, quantization) is not a kernel that can be trained as v.
    return kernel if isinstance(kernel, keras.Variable) and len(kernel.shape) > 1 else None


def _kernel_of(layer):
    kernel = _find_kernel(layer)
    if kernel is None:
        raise _no_kernel(layer)
    return kernel


def _checked_kernel(wrapper):
    layer = wrapper.layer
    kernel = _kernel_of(layer)
    # A variable's path ends in "<the layer that made it>/<its name>".
    owner = layer.cell if wrapper.is_rnn else layer
    maker = kernel.path.split("/")[-2:-1]
    if maker and maker[0] != owner.name:
        raise _shared(layer, f"the layer {maker[0]!r}, which made it")
    other = _other_wrapper(lambda one: one is not wrapper and one.built and _find_kernel(one.layer) is kernel)
    if other is not None:
        raise _shared(layer, f"{_describe(other.layer)}, which {other.name!r} wraps")
    return kernel


def _other_wrapper(matches):
    """Return a wrapper in use that matches, or None."""
    if any(matches(wrapper) for wrapper in list(_wrappers)):
        # Layers are part of reference cycles. An unused layer (from a notebook cell that was run again) may
        # still wait for the garbage collector.
        gc.collect()
    return next((wrapper for wrapper in list(_wrappers) if matches(wrapper)), None)
