"""The pieces of TensorFlow Addons that the course's sources use, on both stacks.

Beside Keras 2 they are TensorFlow Addons' own classes; beside Keras 3, where TensorFlow Addons no longer
imports, they are ours: the same names, arguments and numbers (``tests/golden/`` holds the record they are
compared to).

>>> from course_utils.addons import WeightNormalization
"""

from course_utils.addons._stack import require_tensorflow_backend
from course_utils.stack import STACK

if STACK == "addons":
    from course_utils.addons._tfa import WeightNormalization
    from course_utils.addons._tfa_conditional_gradient import ConditionalGradient
    from course_utils.addons._tfa_normalization import GroupNormalization, InstanceNormalization
else:
    require_tensorflow_backend()
    from course_utils.addons.conditional_gradient import ConditionalGradient
    from course_utils.addons.group_normalization import GroupNormalization, InstanceNormalization
    from course_utils.addons.weight_normalization import WeightNormalization

__all__ = [
    "ConditionalGradient",
    "GroupNormalization",
    "InstanceNormalization",
    "WeightNormalization",
]
