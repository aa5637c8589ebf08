"""The pieces of TensorFlow Addons that the course's sources use, on both stacks.

Beside Keras 2 they are TensorFlow Addons' own classes; beside Keras 3, where TensorFlow Addons no longer
imports, they are ours: the same names, arguments and numbers (``tests/golden/`` holds the record they are
compared to). On both stacks bad arguments are refused with a message that says what to do.

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
