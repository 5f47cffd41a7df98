"""Writes shape.json: pooling, pixel shuffle and resizing as PyTorch does them, with gradients, for cuda/shape_test.go.

    python cuda/testdata/gen_shape.py        # PyTorch 2.x, CPU

Tensors are NHWC lists. dx is the gradient of sum(y * dy)."""
import json
import os

import torch
import torch.nn.functional as F

torch.manual_seed(0)
cases = []


def nhwc(t):
    return [round(v, 7) for v in t.permute(0, 2, 3, 1).flatten().tolist()]


def shape(t):
    n, c, h, w = t.shape
    return [n, h, w, c]


def case(name, op, size, f, decimals=2, **options):
    # few decimals make equal values, of which a maximum takes the first
    x = torch.round(torch.randn(size), decimals=decimals).requires_grad_()
    y = f(x)
    dy = torch.round(torch.randn(y.shape), decimals=2)
    y.backward(dy)
    cases.append(dict(name=name, op=op, options=options, x_shape=shape(x), x=nhwc(x), y_shape=shape(y), y=nhwc(y), dy=nhwc(dy), dx=nhwc(x.grad)))


for r, s, stride, top, left in [(3, 3, 2, 1, 1), (2, 2, 2, 0, 0), (3, 2, 1, 1, 0)]:
    window = dict(r=r, s=s, stride=stride, top=top, left=left)
    case(f"max {r}x{s}", "pool", (2, 3, 7, 6), lambda x: F.max_pool2d(x, (r, s), stride, (top, left)), decimals=0, max=True, **window)
    for pad in [False, True]:
        case(f"average {r}x{s} {pad}", "pool", (2, 3, 7, 6), lambda x: F.avg_pool2d(x, (r, s), stride, (top, left), count_include_pad=pad), count_pad=pad, **window)
for b in [2, 3]:
    case(f"pixel shuffle {b}", "shuffle", (2, 2 * b * b, 2, 3), lambda x: F.pixel_shuffle(x, b), block=b)
for h, w in [(8, 15), (7, 3), (2, 9), (4, 5)]:
    size = dict(size=(h, w))
    case(f"nearest {h}x{w}", "resize", (1, 3, 4, 5), lambda x: F.interpolate(x, mode="nearest", **size), mode="nearest", coordinates="asymmetric", floor=True)
    for mode, name in [("bilinear", "linear"), ("bicubic", "cubic")]:
        for align in [False, True]:
            case(f"{mode} {h}x{w} {align}", "resize", (1, 3, 4, 5), lambda x: F.interpolate(x, mode=mode, align_corners=align, **size), mode=name,
                 coordinates="align corners" if align else "half pixel")

with open(os.path.join(os.path.dirname(__file__), "shape.json"), "w") as f:
    f.write('{"torch": %s, "cases": [\n%s\n]}\n' % (json.dumps(torch.__version__), ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases)))
