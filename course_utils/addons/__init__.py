"""The parts of TensorFlow Addons that the course's sources use, on both stacks.

On the addons stack they build on the classes of TensorFlow Addons. TensorFlow Addons does not work with Keras
3, so on the keras3 stack they are our own code, with the same names, arguments and numbers. (Tests compare
the numbers with a record in ``tests/golden/``.) On both stacks, the message about a wrong argument says what
to do.

>>> from course_utils.addons import WeightNormalization
"""

from course_utils.addons._stack import require_tensorflow_backend
from course_utils.stack import STACK

if STACK == "addons":
    from course_utils.addons._weight_normalization_addons import WeightNormalization
else:
    require_tensorflow_backend()
    from course_utils.addons.weight_normalization import WeightNormalization
from course_utils.addons.conditional_gradient import ConditionalGradient
from course_utils.addons.group_normalization import GroupNormalization, InstanceNormalization

__all__ = [
    "ConditionalGradient",
    "GroupNormalization",
    "InstanceNormalization",
    "WeightNormalization",
]
