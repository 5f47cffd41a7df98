"""Writes nets.json: what torchvision's, timm's and plain PyTorch's nets make of tensors that both sides compute by hash().

  python gen_nets.py        (PyTorch 2.15.0, torchvision 0.29.2, timm 1.0.31, NumPy)

Each case holds the state dict's names and shapes in its order, the shape of the one input image, the output [C,H,W] flat, and the
multiply-accumulates of all convolutions and linear layers.
"""
import json
import zlib

import numpy as np
import timm
import torch
import torchvision
from torch import nn


def hash(name, count, lo, hi):
    """count float32 in [lo, hi) that depend on name alone."""
    h = (np.arange(count, dtype=np.uint64) * 2654435761 + zlib.crc32(name.encode())) & 0xFFFFFFFF
    h = h ^ (h >> 16)
    h = (h * 0x7FEB352D) & 0xFFFFFFFF
    h = h ^ (h >> 15)
    h = (h * 0x846CA68B) & 0xFFFFFFFF
    h = h ^ (h >> 16)
    return (lo + (hi - lo) * (h.astype(np.float64) / 2.0**32)).astype(np.float32)


def bounds(name, shape):
    """The range of a tensor: filters as He et al. draw them, the rest so that nothing vanishes or explodes."""
    if len(shape) > 1:
        fan_in = int(np.prod(shape[1:]))
        return -((6 / fan_in) ** 0.5), (6 / fan_in) ** 0.5
    kind = name.rsplit(".", 1)[-1]
    return {"weight": (0.2, 0.8), "bias": (-0.2, 0.2), "running_mean": (-0.3, 0.3), "running_var": (0.5, 1.5)}[kind]


def espcn(c, scale):
    net = nn.Sequential()
    net.add_module("conv1", nn.Conv2d(c, 64, 5, padding=2))
    net.add_module("relu1", nn.ReLU())
    net.add_module("conv2", nn.Conv2d(64, 32, 3, padding=1))
    net.add_module("relu2", nn.ReLU())
    net.add_module("conv3", nn.Conv2d(32, c * scale**2, 3, padding=1))
    net.add_module("shuffle", nn.PixelShuffle(scale))
    return net


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.rcb = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64),
                                 nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64))

    def forward(self, x):
        return x + self.rcb(x)


class Upsample(nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.upsample_block = nn.Sequential(nn.Conv2d(64, 64 * scale**2, 3, padding=1), nn.PixelShuffle(scale), nn.PReLU(64))

    def forward(self, x):
        return self.upsample_block(x)


class SRResNet(nn.Module):
    def __init__(self, c, scale):
        super().__init__()
        self.conv1 = nn.Sequential(nn.Conv2d(c, 64, 9, padding=4), nn.PReLU(64))
        self.trunk = nn.Sequential(*[Residual() for _ in range(16)])
        self.conv2 = nn.Sequential(nn.Conv2d(64, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64))
        self.upsampling = nn.Sequential(*[Upsample(s) for s in ([2, 2] if scale == 4 else [scale])])
        self.conv3 = nn.Conv2d(64, c, 9, padding=4)

    def forward(self, x):
        x = self.conv1(x)
        return self.conv3(self.upsampling(x + self.conv2(self.trunk(x))))


def count(net, x):
    """The net's output and its MACs, by what the layers see."""
    macs = 0

    def hook(m, inputs, out):
        nonlocal macs
        if isinstance(m, nn.Linear):
            macs += m.in_features * m.out_features
        else:
            macs += out.shape[1] * out.shape[2] * out.shape[3] * m.weight[0].numel()

    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            m.register_forward_hook(hook)
    with torch.no_grad():
        return net(x)[0].numpy(), macs


def case(name, model, net, h, w, c, classes=0, scale=0, output=True):
    state, tensors = {}, []
    for key, t in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        shape = list(t.shape)
        tensors.append([key, shape])
        state[key] = torch.from_numpy(hash(key, t.numel(), *bounds(key, shape)).reshape(shape))
    net.load_state_dict(state, strict=False)
    net.eval()
    x = torch.from_numpy(hash("image", h * w * c, -1, 1).reshape(1, h, w, c).transpose(0, 3, 1, 2).copy())
    y, macs = count(net, x)
    out = {"name": name, "model": model, "input": {"H": h, "W": w, "C": c, "Classes": classes, "Scale": scale}, "macs": macs}
    if output:
        out["tensors"] = tensors
        out["output"] = [float(v) for v in np.float32(y).flatten()]
    return out


cases = [
    case("resnet18", "resnet18", torchvision.models.resnet18(num_classes=7), 40, 33, 3, 7),
    case("mobilenetv2", "mobilenetv2", torchvision.models.mobilenet_v2(num_classes=7), 40, 33, 3, 7),
    case("mobilenetv2, timm", "mobilenetv2", timm.create_model("mobilenetv2_100", num_classes=7), 40, 33, 3, 7),
]
for c in (1, 3):
    for scale in (2, 3, 4):
        small = (c, scale) in ((1, 3), (3, 4))
        cases.append(case(f"espcn x{scale} {c}", "espcn", espcn(c, scale), 7, 6, c, scale=scale, output=small))
        cases.append(case(f"srresnet x{scale} {c}", "srresnet", SRResNet(c, scale), 7, 6, c, scale=scale, output=small))
with open("nets.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(torch.__version__, torchvision.__version__, timm.__version__)
