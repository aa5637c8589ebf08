"""The checks of WeightNormalization on both stacks."""

import keras
import numpy as np

from course_utils import arguments


class CheckedWrapper:
    """A base class of both wrappers. It checks `data_init`, and refuses Bidirectional."""

    def __init__(self, layer, data_init=True, **kwargs):
        if isinstance(data_init, bool | np.bool_):
            data_init = bool(data_init)
        elif not (isinstance(data_init, str) and data_init == "paper"):
            arguments.refuse("data_init", "True, False or 'paper'", data_init)
        if data_init == "paper" and isinstance(layer, keras.layers.RNN):
            arguments.refuse("data_init", "False for a recurrent layer, as the paper advises", data_init)
        # Bidirectional makes its second layer from the configuration of the first one, with this value
        # inverted.
        backwards = kwargs.pop("go_backwards", None)
        if isinstance(layer, keras.layers.Bidirectional) or (
            backwards is not None and backwards != getattr(layer, "go_backwards", None)
        ):
            refuse_bidirectional()
        super().__init__(layer, data_init, **kwargs)

    def get_config(self):
        """Return the configuration. ``from_config`` makes the same wrapper around a new layer from it."""
        config = super().get_config()
        if self.is_rnn:
            config["go_backwards"] = self.layer.go_backwards
        return config

    @property
    def go_backwards(self):
        """Raise an error, because only Bidirectional reads this property."""
        refuse_bidirectional()


def refuse_bidirectional():
    """Raise the error that says what to use instead of Bidirectional."""
    raise ValueError(
        "WeightNormalization and Bidirectional cannot be combined. Wrap two recurrent layers, one of them "
        "with go_backwards=True, and join their outputs: keras.layers.Concatenate()([WeightNormalization("
        "GRU(n), data_init=False)(x), WeightNormalization(GRU(n, go_backwards=True), data_init=False)(x)]). "
        "With return_sequences=True, reverse the second one's outputs in time first: outputs[:, ::-1]."
    )
