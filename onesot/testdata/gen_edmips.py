#!/usr/bin/env python3
"""Reference for edmips_test.go: 20 training steps of EdMIPS mode in PyTorch, written from the mathematics alone.

Softmax gates (z = pi, no noise), one filter a layer quantized at 2, 4 and 8 bits, free logits starting at 0, loss
CE + eta E[h] with eta = 1, plain batch norm in training mode. SGD momentum 0.9, learning rate 0.02, decay 1e-4 on
filters; LogAdam 2e-3 (0.9, 0.99) on steps, with LSQ's gradient scale; Adam 5e-3 on logits. All rates constant.

Everything random is Philox4x32-10, key (7, 0), counter (element, tensor, 0, 0), words r0 and r1: a normal is
sqrt(-2 ln((r0+1)/2^32)) cos(2 pi r1/2^32) in float64, rounded to float32. Tensors: k, the images of step k, NHWC;
100+k, its labels, r0 mod 10; 200+l, the filters of layer l, [K,R,S,C], times sqrt(2/(R*S*C)).
Steps start at 4/qmax (inputs; 4/127 for the signed images) and max|w|/qmax (weights: a channel; linear: the tensor).

The trajectory passes through rounding, so float32 and float64 runs drift apart: the spread between float64 and
float32 on 1 and 2 threads is stored beside the losses, and is what ours may differ by. Each run stores, of every step
before its update, the total loss and its cross-entropy alone, pi of all gates after the last update, and the gradient
of all logits in the first step, where no drift blurs the comparison yet.

    gen_edmips.py        writes edmips_digitsnet.json and edmips_resnet20.json beside itself
"""
import json
import math
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

BITS, ETA, STEPS, SEED = (2, 4, 8), 1.0, 20, 7
LR, STEP_LR, LOGIT_LR = 0.02, 2e-3, 5e-3


def philox(counter0, counter1):
    """Words 0 and 1 of Philox4x32-10 (Salmon et al. 2011) for counters (counter0, counter1, 0, 0)."""
    m0, m1, w0, w1, mask = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85, 0xFFFFFFFF
    c0 = np.asarray(counter0, np.uint64)
    c1 = np.full_like(c0, counter1)
    c2, c3 = np.zeros_like(c0), np.zeros_like(c0)
    k0, k1 = SEED, 0
    for _ in range(10):
        p0, p1 = c0 * np.uint64(m0), c2 * np.uint64(m1)
        c0, c1, c2, c3 = (p1 >> np.uint64(32)) ^ c1 ^ np.uint64(k0), p1 & np.uint64(mask), (p0 >> np.uint64(32)) ^ c3 ^ np.uint64(k1), p0 & np.uint64(mask)
        k0, k1 = (k0 + w0) & mask, (k1 + w1) & mask
    return c0, c1


def normals(tensor, *shape):
    r0, r1 = philox(np.arange(math.prod(shape)), tensor)
    v = np.sqrt(-2 * np.log((r0 + 1.0) / 2**32)) * np.cos(2 * np.pi * (r1 / 2.0**32))
    return v.astype(np.float32).reshape(shape)


def digitsnet():
    """Layers as (in, out, size, stride, padding, shortcut from layer or None); the input is 8x8x1."""
    plan = [(1, 16, 3, 1), (16, 16, 3, 1), (16, 32, 3, 2), (32, 32, 3, 1), (32, 64, 3, 2), (64, 64, 3, 1), (64, 64, 1, 1)]
    return [(c, k, r, s, r // 2, 2 if i == 3 else None) for i, (c, k, r, s) in enumerate(plan)]


def resnet20():
    layers, channels = [(3, 16, 3, 1, 1, None)], 16
    for stage, k in enumerate((16, 32, 64)):
        for block in range(3):
            layers.append((channels, k, 3, 2 if stage > 0 and block == 0 else 1, 1, None))
            layers.append((k, k, 3, 1, 1, len(layers) - 2))
            channels = k
    return layers


class Quantizer(torch.autograd.Function):
    """LSQ: s round(clamp(x/s)); dx inside the bounds, ds = g sum dy (round(clamp(v)) - v in)."""

    @staticmethod
    def forward(ctx, x, s, lo, hi, g):
        v = x / s
        c = v.clamp(lo, hi)
        ctx.save_for_backward(v, c)
        ctx.g, ctx.shape = g, s.shape
        return s * c.round()

    @staticmethod
    def backward(ctx, dy):
        v, c = ctx.saved_tensors
        inside = (v == c).to(dy.dtype)
        ds = dy * (c.round() - v * inside)
        axes = [i for i in range(ds.dim()) if len(ctx.shape) != ds.dim() or ctx.shape[i] == 1]
        ds = ds.sum(axes, keepdim=True).reshape(ctx.shape)
        return dy * inside, ctx.g * ds, None, None, None


class Net:
    def __init__(self, layers, side, dtype):
        self.layers, self.side, self.dtype = layers, side, dtype
        every = layers + [(layers[-1][1], 10, 1, 1, 0, None)]  # the linear layer
        self.w, self.wstep, self.xstep, self.logits = [], [], [], []
        for i, (c, k, r, _, _, _) in enumerate(every):
            w = normals(200 + i, k, r, r, c) * np.float32(math.sqrt(2 / (r * r * c)))
            w = torch.tensor(w).permute(0, 3, 1, 2).contiguous()
            pinned = i in (0, len(every) - 1)
            bits = (8,) if pinned else BITS
            axes = (1, 2, 3) if i < len(layers) else (0, 1, 2, 3)
            top = w.abs().amax(axes, keepdim=True)
            self.wstep.append([top / (2 ** (b - 1) - 1) for b in bits])
            self.xstep.append([torch.tensor(4 / 127 if i == 0 else 4 / (2**b - 1), dtype=torch.float32) for b in bits])
            self.w.append(w)
            if not pinned:
                self.logits.append([torch.zeros(3), torch.zeros(3)])
        self.gamma = [torch.ones(k) for _, k, *_ in layers]
        self.beta = [torch.zeros(k) for _, k, *_ in layers]
        self.bias = torch.zeros(10)
        cast = lambda t: t.to(dtype).requires_grad_()
        self.w, self.gamma, self.beta, self.bias = [cast(t) for t in self.w], [cast(t) for t in self.gamma], [cast(t) for t in self.beta], cast(self.bias)
        self.wstep = [[cast(t) for t in s] for s in self.wstep]
        self.xstep = [[cast(t) for t in s] for s in self.xstep]
        self.logits = [[cast(t) for t in s] for s in self.logits]

    def gates(self, i):
        if i in (0, len(self.w) - 1):
            return torch.ones(1, dtype=self.dtype), torch.ones(1, dtype=self.dtype)
        return [F.softmax(l, 0) for l in self.logits[i - 1]]

    def conv(self, i, x, stride, pad):
        zw, zx = self.gates(i)
        bits = (8,) if len(zw) == 1 else BITS
        per = x[0].numel()
        xq = wq = 0
        for b, z, s in zip(bits, zx, self.xstep[i]):
            lo, hi = (-128, 127) if i == 0 else (0, 2**b - 1)
            xq = xq + z * Quantizer.apply(x, s, lo, hi, 1 / math.sqrt(per * hi))
        w = self.w[i]
        for b, z, s in zip(bits, zw, self.wstep[i]):
            hi = 2 ** (b - 1) - 1
            n = w[0].numel() if s.numel() > 1 else w.numel()
            wq = wq + z * Quantizer.apply(w, s, -hi - 1, hi, 1 / math.sqrt(n * hi))
        return F.conv2d(xq, wq, stride=stride, padding=pad)

    def forward(self, x):
        outs = []
        for i, (c, k, r, stride, pad, short) in enumerate(self.layers):
            y = self.conv(i, x, stride, pad)
            y = F.batch_norm(y, None, None, self.gamma[i], self.beta[i], True, 0, 1e-5)
            if short is not None:
                s = outs[short]
                if s.shape[1] != k:
                    p = (k - s.shape[1]) // 2
                    s = F.pad(s[:, :, ::2, ::2], (0, 0, 0, 0, p, p))
                y = y + s
            x = F.relu(y)
            outs.append(x)
        x = x.mean((2, 3), keepdim=True)
        return self.conv(len(self.layers), x, 1, 0).flatten(1) + self.bias

    def cost(self):
        side, macs = self.side, []
        for c, k, r, stride, pad, _ in self.layers:
            side = (side + 2 * pad - r) // stride + 1
            macs.append(c * k * r * r * side * side)
        total, e = sum(macs[1:]), 0
        bits = torch.tensor(BITS, dtype=self.dtype)
        for i in range(1, len(self.layers)):
            zw, zx = self.gates(i)
            e = e + macs[i] / (64 * total) * (zw * bits).sum() * (zx * bits).sum()
        return e

    def train(self, channels, batch):
        momentum, moments, losses, tasks = {}, {}, [], []
        steps = [t for s in self.wstep + self.xstep for t in s]
        theta = [t for s in self.logits for t in s]
        for k in range(STEPS):
            x = torch.tensor(normals(k, batch, self.side, self.side, channels)).permute(0, 3, 1, 2).contiguous().to(self.dtype)
            labels = torch.tensor((philox(np.arange(batch), 100 + k)[0] % np.uint64(10)).astype(np.int64))
            task = F.cross_entropy(self.forward(x), labels)
            loss = task + ETA * self.cost()
            losses.append(loss.item())
            tasks.append(task.item())
            everything = self.w + self.gamma + self.beta + [self.bias] + steps + theta
            grads = dict(zip(map(id, everything), torch.autograd.grad(loss, everything)))
            if k == 0:
                first = [v for t in theta for v in grads[id(t)].tolist()]
            with torch.no_grad():
                for p in self.w + self.gamma + self.beta + [self.bias]:
                    g = grads[id(p)] + (1e-4 * p if p.dim() == 4 else 0)
                    momentum[id(p)] = 0.9 * momentum.get(id(p), 0) + g
                    p -= LR * momentum[id(p)]
                for p in steps:
                    self.adam(p, p * grads[id(p)], moments, k + 1, 0.99, 1e-12, lambda p, d: p.mul_(torch.exp(-STEP_LR * d)).clamp_(min=1e-6))
                for p in theta:
                    self.adam(p, grads[id(p)], moments, k + 1, 0.999, 1e-8, lambda p, d: p.sub_(LOGIT_LR * d))
        gates = [[g.tolist() for g in self.gates(i)] for i in range(1, len(self.layers))]
        return {"losses": losses, "cross_entropy": tasks, "gates": [p for layer in gates for g in layer for p in g],
                "first_gradients": first}

    @staticmethod
    def adam(p, g, moments, t, beta2, eps, move):
        m, v = moments.get(id(p), (0, 0))
        m, v = 0.9 * m + 0.1 * g, beta2 * v + (1 - beta2) * g * g
        moments[id(p)] = (m, v)
        move(p, (m / (1 - 0.9**t)) / ((v / (1 - beta2**t)).sqrt() + eps))


def main():
    here = pathlib.Path(__file__).parent
    torch.use_deterministic_algorithms(True)
    for name, layers, side, channels, batch in (("digitsnet", digitsnet(), 8, 1, 32), ("resnet20", resnet20(), 32, 3, 16)):
        runs = {}
        for run, dtype, threads in (("float64", torch.float64, 1), ("float32_1_thread", torch.float32, 1), ("float32_2_threads", torch.float32, 2)):
            torch.set_num_threads(threads)
            runs[run] = Net(layers, side, dtype).train(channels, batch)
            print(name, run, runs[run]["losses"][0], runs[run]["losses"][-1])
        config = {"bits": BITS, "eta": ETA, "steps": STEPS, "lr": LR, "momentum": 0.9, "weight_decay": 1e-4, "step_lr": STEP_LR, "logit_lr": LOGIT_LR}
        text = {"torch": torch.__version__, "config": config, "seed": SEED, "batch": batch, "side": side, "channels": channels, "runs": runs}
        (here / f"edmips_{name}.json").write_text(json.dumps(text, indent=1) + "\n")


if __name__ == "__main__":
    main()
