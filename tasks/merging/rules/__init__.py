"""The rules by which functions of torch use merged weights for a whole batch, one file a kind of layer.

A rule takes the function, the first merged tensor among its arguments, and the arguments as torch names them. It
returns the outputs of every sample's own weights, or raises `UncoveredLayer` for a use that it does not cover. A new
rule is a function in one of these files, or in a new one, and its line in `RULES`.
"""

from typing import Any

import torch
from torch.nn import functional

from tasks.merging.merged_tensor import Rule
from tasks.merging.rules.attention import attention, biased_attention
from tasks.merging.rules.elementwise import cat, elementwise, pad
from tasks.merging.rules.norms import batch_norm, group_norm, layer_norm, rms_norm
from tasks.merging.rules.products import conv2d, linear, matmul

_T = torch.Tensor
RULES: dict[Any, Rule] = {
    functional.linear: linear,
    functional.conv2d: conv2d,
    functional.layer_norm: layer_norm,
    torch.layer_norm: layer_norm,
    functional.rms_norm: rms_norm,
    functional.group_norm: group_norm,
    functional.batch_norm: batch_norm,
    functional.pad: pad,
    functional.multi_head_attention_forward: attention,
    functional.scaled_dot_product_attention: biased_attention,
    **dict.fromkeys((torch.matmul, _T.matmul, _T.__matmul__, torch.mm, _T.mm), matmul),
    **dict.fromkeys((torch.cat, torch.concat), cat),
    **dict.fromkeys(
        (
            torch.add, _T.add, _T.add_, _T.__add__, _T.__radd__, _T.__iadd__,
            torch.sub, _T.sub, _T.__sub__, _T.__rsub__,
            torch.mul, _T.mul, _T.mul_, _T.__mul__, _T.__rmul__, _T.__imul__,
            torch.div, _T.div, _T.__truediv__, torch.addcmul, _T.addcmul,
        ),
        elementwise,
    ),
}  # fmt: skip
"""Function of torch to the rule that covers it."""
