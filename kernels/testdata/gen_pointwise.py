#!/usr/bin/env python3
"""Goldens for pointwise_test.go and pixelloss_test.go: activation functions, products and pixel losses by PyTorch's float64 autograd,
stored as float32, [N,H,W,C].

    gen_pointwise.py     writes pointwise.safetensors beside itself
"""
import json
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

SEED = 12
torch.manual_seed(SEED)
torch.set_default_dtype(torch.float64)

SHAPE = (2, 3, 4, 5)
FUNCTIONS = {  # name: alpha, beta, function
    "clip": (-1.5, 2.0, lambda x: F.hardtanh(x, -1.5, 2.0)),
    "relu6": (0.0, 6.0, F.relu6),
    "leaky relu": (0.2, 0.0, lambda x: F.leaky_relu(x, 0.2)),
    "hard sigmoid": (1 / 6, 0.5, F.hardsigmoid),
    "hard swish": (0.0, 0.0, F.hardswish),
    "sigmoid": (0.0, 0.0, torch.sigmoid),
    "silu": (0.0, 0.0, F.silu),
    "tanh": (0.0, 0.0, torch.tanh),
}

cases, tensors = [], {}


def single(t):
    """t as the kernels will read it."""
    return t.to(torch.float32).to(torch.float64)


x = single(4 * torch.randn(SHAPE))
dy = single(torch.randn(SHAPE))
slope = single(0.5 * torch.rand(SHAPE[-1]))
tensors |= {"x": x, "dy": dy, "slope": slope}
for name, (alpha, beta, f) in FUNCTIONS.items():
    leaf = x.clone().requires_grad_()
    y = f(leaf)
    y.backward(dy)
    cases.append({"Name": name, "Alpha": alpha, "Beta": beta})
    tensors |= {f"{name}.y": y, f"{name}.dx": leaf.grad}
leaf, slopes = x.clone().requires_grad_(), slope.clone().requires_grad_()
y = F.prelu(leaf.permute(0, 3, 1, 2), slopes).permute(0, 2, 3, 1)
y.backward(dy)
cases.append({"Name": "prelu", "Alpha": 0, "Beta": 0})
tensors |= {"prelu.y": y, "prelu.dx": leaf.grad, "prelu.dslope": slopes.grad}

gate = single(torch.rand(SHAPE[0], 1, 1, SHAPE[3]))
tensors["gate"] = gate
a, b = x.clone().requires_grad_(), gate.clone().requires_grad_()
y = a * b
y.backward(dy)
tensors |= {"multiply.y": y, "multiply.da": a.grad, "multiply.db": b.grad}

target = single(torch.rand(SHAPE))
tensors["target"] = target
for name, loss in ("l1", F.l1_loss), ("mse", F.mse_loss):
    leaf = x.clone().requires_grad_()
    loss(leaf, target).backward()
    tensors |= {f"{name}.loss": torch.stack([loss(i, t) for i, t in zip(x, target)]), f"{name}.dy": leaf.grad}

header, blob = {"__metadata__": {"torch": torch.__version__, "seed": str(SEED), "cases": json.dumps(cases)}}, b""
for key, t in tensors.items():
    v = np.ascontiguousarray(t.detach().numpy()).astype(np.float32)
    header[key] = {"dtype": "F32", "shape": list(v.shape), "data_offsets": [len(blob), len(blob) + v.nbytes]}
    blob += v.tobytes()
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
pathlib.Path(__file__).with_name("pointwise.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + blob)
