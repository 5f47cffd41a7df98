#!/usr/bin/env python3
"""Goldens for golden_test.go: small tensors computed by PyTorch in float64 and stored as float32.

Activations are [N,H,W,C], filters [K,R,S,C/groups]. Each file is a safetensors file whose metadata holds the torch
version, the seed and, under "cases", what the tensors named "<case>.<tensor>" belong to.

    gen_goldens.py       writes conv, norm, loss, quantizer, mix, gates, samples and conditional .safetensors beside itself
"""
import json
import math
import pathlib
import struct

import numpy as np
import torch
import torch.nn.functional as F

SEED = 11
torch.manual_seed(SEED)
torch.set_default_dtype(torch.float64)


def write(name, cases, tensors):
    header, blob = {"__metadata__": {"torch": torch.__version__, "seed": str(SEED), "cases": json.dumps(cases)}}, b""
    for key, t in tensors.items():
        a = np.ascontiguousarray(t.detach().numpy() if torch.is_tensor(t) else t).astype(np.float32)
        header[key] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [len(blob), len(blob) + a.nbytes]}
        blob += a.tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path = pathlib.Path(__file__).with_name(name + ".safetensors")
    path.write_bytes(struct.pack("<Q", len(text)) + text + blob)
    print(path.name, path.stat().st_size, "bytes")


def rounded(*shape):
    """Random values that float32 holds exactly, so that both sides start from the same numbers."""
    return torch.randn(*shape).float().double().requires_grad_()


def nchw(x):
    return x.permute(0, 3, 1, 2)


def nhwc(x):
    return x.permute(0, 2, 3, 1)


def convolutions():
    cases, out = [], {}
    for n, h, w, c, k, r, stride, pad, groups, dilation in [
        (2, 7, 5, 16, 16, 3, 1, 1, 1, 1), (1, 9, 9, 3, 20, 3, 1, 1, 1, 1), (2, 8, 6, 16, 20, 3, 2, 1, 1, 1), (1, 9, 9, 3, 16, 7, 2, 3, 1, 1),
        (3, 5, 5, 5, 5, 3, 1, 1, 5, 1), (1, 7, 7, 24, 24, 3, 2, 1, 24, 1), (2, 6, 6, 8, 20, 3, 1, 1, 2, 1), (2, 9, 7, 4, 10, 3, 1, 2, 1, 2),
        (5, 1, 1, 40, 10, 1, 1, 0, 1, 1), (2, 4, 4, 33, 17, 1, 1, 0, 1, 1), (1, 8, 8, 1, 16, 5, 1, 2, 1, 1), (2, 4, 6, 32, 16, 3, 1, 1, 1, 1),
        (1, 6, 4, 16, 16, 1, 2, 0, 1, 1), (1, 5, 6, 16, 16, 3, 1, 1, 16, 1)]:
        name = f"c{len(cases)}"
        x, f = rounded(n, h, w, c), rounded(k, r, r, c // groups)
        bias = rounded(k)
        y = nhwc(F.conv2d(nchw(x), nchw(f), bias, stride=stride, padding=pad, groups=groups, dilation=dilation))
        dy = rounded(*y.shape)
        dx, dw, dbias = torch.autograd.grad(y, (x, f, bias), dy)
        cases.append({"name": name, "stride": stride, "pad": pad, "groups": groups, "dilation": dilation})
        out |= {f"{name}.x": x, f"{name}.w": f, f"{name}.y": y, f"{name}.dy": dy, f"{name}.dx": dx, f"{name}.dw": dw,
                f"{name}.bias": bias, f"{name}.dbias": dbias}
    write("conv", cases, out)


def norms():
    cases, out = [], {}
    for n, h, w, c, relu, short in [(3, 5, 4, 16, 0, 0), (1, 3, 3, 5, 1, 0), (4, 4, 6, 32, 1, 1), (2, 4, 4, 32, 1, 2)]:
        name = f"n{len(cases)}"
        y, gamma, beta = rounded(n, h, w, c), rounded(c), rounded(c)
        a = nhwc(F.batch_norm(nchw(y), None, None, gamma, beta, True, 0, 1e-5))
        inputs = [y, gamma, beta]
        if short:  # 1 identity, 2 option A from twice the size and half the channels
            s = rounded(n, h, w, c) if short == 1 else rounded(n, 2 * h, 2 * w, c // 2)
            inputs.append(s)
            a = a + (s if short == 1 else F.pad(s[:, ::2, ::2], (c // 4, c // 4)))
            out[f"{name}.shortcut"] = s
        if relu:
            a = F.relu(a)
        da = rounded(*a.shape)
        grads = torch.autograd.grad(a, inputs, da)
        cases.append({"name": name, "relu": relu, "shortcut": short})
        out |= {f"{name}.y": y, f"{name}.gamma": gamma, f"{name}.beta": beta, f"{name}.a": a, f"{name}.da": da,
                f"{name}.dy": grads[0], f"{name}.dgamma": grads[1], f"{name}.dbeta": grads[2],
                f"{name}.mean": y.mean((0, 1, 2)), f"{name}.var": y.var((0, 1, 2), unbiased=False)}
        if short:
            out[f"{name}.dshortcut"] = grads[3]
    write("norm", cases, out)


def loss_and_pool():
    x = (3 * torch.randn(6, 10)).float().double().requires_grad_()
    labels = torch.tensor([0, 3, 9, 9, 1, 5])
    each = F.cross_entropy(x, labels, reduction="none")
    (dx,) = torch.autograd.grad(each.mean(), x)
    p = rounded(2, 5, 3, 20)
    y = p.mean((1, 2))
    dy = rounded(2, 20)
    (dp,) = torch.autograd.grad(y, p, dy)
    write("loss", [], {"logits": x, "labels": labels.double(), "losses": each, "right": (x.argmax(1) == labels).double(), "dlogits": dx,
                       "pool.x": p, "pool.y": y, "pool.dy": dy, "pool.dx": dp})


def quantizers():
    """In NumPy float32, as the hardware divides: values at, just inside and just outside every bound and tie."""
    cases, out = [], {}
    f4 = np.float32
    rng = np.random.default_rng(SEED)
    for signed, widths in ((0, range(1, 9)), (1, range(2, 9))):
        for bits in widths:
            lo, hi = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            s = f4(rng.uniform(0.01, 0.3))
            ties = [s * f4(k + 0.5) for k in sorted({lo - 1, lo, lo + 1, -1, 0, 1, hi - 1, hi, hi + 1})]
            marks = np.array(ties + [s * f4(lo), s * f4(hi)], f4)
            x = np.concatenate([marks, np.nextafter(marks, f4(np.inf)), np.nextafter(marks, f4(-np.inf)),
                                (s * rng.uniform(1.5 * lo - 2, 1.5 * hi + 2, 64)).astype(f4)]).astype(f4)
            v = x / s
            c = np.clip(v, f4(lo), f4(hi))
            r = np.rint(c)
            inside = (v == c).astype(f4)
            dy = rng.standard_normal(len(x)).astype(f4)
            name = f"q{len(cases)}"
            cases.append({"name": name, "lo": lo, "hi": hi, "step": float(s)})
            ds = np.sum(dy.astype(np.float64) * (r.astype(np.float64) - v.astype(np.float64) * inside))
            out |= {f"{name}.x": x, f"{name}.y": s * r, f"{name}.dy": dy, f"{name}.dx": dy * inside, f"{name}.ds": np.array([ds])}
            # Step of least squared error among m*i/60; a value far from the others' errors, so that rounding decides nothing.
            w = (rng.standard_normal((3, 21)) if signed else np.abs(rng.standard_normal((3, 21)))).astype(f4)
            steps = np.abs(w).max() / f4(max(-lo, hi)) * np.arange(1, 61, dtype=f4) / f4(60)
            errors = [np.sum((t * np.rint(np.clip(w / t, f4(lo), f4(hi))) - w).astype(np.float64) ** 2) for t in steps]
            best = np.argsort(errors)[:2]
            assert errors[best[0]] * (1 + 1e-4) < errors[best[1]], (name, best)
            out |= {f"{name}.mse.w": w, f"{name}.mse.step": steps[best[:1]]}
    write("quantizer", cases, out)


def gates():
    """BitModel -> logits -> gates -> cost and prior, with every gradient by autograd; kernel similarity; optimizers."""
    hidden, bits, row, kappa, u, eta, lam, temperature = 12, [3, 2, 3, 4], 8, 3.0, 0.3, 0.7, 0.2, 0.6
    rank = torch.zeros(4, row)
    for g, b in enumerate(bits):
        rank[g, :b] = torch.linspace(-1, 1, b)
    w1, b1, w2, b2, w3, b3 = rounded(hidden, 1), rounded(hidden), rounded(hidden, hidden), rounded(hidden), rounded(4 * row, hidden), rounded(4 * row)
    theta = [w1, b1, w2, b2, w3, b3]
    h = torch.tanh(w2 @ torch.tanh(w1 @ torch.tensor([u]) + b1) + b2)
    tilt = -kappa * u * rank
    logits = (w3 @ h + b3).view(4, row) + tilt
    noise = rounded(4, row)  # in the place of Gumbel noise
    table = torch.rand(2, row, row).float().double()
    cost = kl = entropy = 0
    dz, z_loss, pis, zs = rounded(4, row), 0, torch.zeros(4, row), torch.zeros(4, row)
    pi = []
    for g, b in enumerate(bits):
        lp = F.log_softmax(logits[g, :b], 0)
        q = F.log_softmax(tilt[g, :b], 0)
        p = lp.exp()
        pi.append(p)
        kl, entropy = kl + (p * (lp - q)).sum(), entropy - (p * lp).sum()
        z = F.softmax((lp + noise[g, :b]) / temperature, 0)
        z_loss = z_loss + (dz[g, :b] * z).sum()
        pis[g, :b], zs[g, :b] = p.detach(), z.detach()
    for k in range(2):
        pw, px = pi[2 * k], pi[2 * k + 1]
        cost = cost + pw @ table[k, : len(pw), : len(px)] @ px
    total = z_loss + eta * cost + lam * kl
    dlogits = torch.autograd.grad(total, logits, retain_graph=True)[0]
    dtheta = torch.autograd.grad(total, theta)
    flat = lambda ts: torch.cat([t.reshape(-1) for t in ts])
    out = {"theta": flat(theta), "dtheta": flat(dtheta), "logits": logits, "pi": pis, "soft": zs, "dz": dz, "dlogits": dlogits, "table": table,
           "kappa_rank": kappa * rank, "values": torch.stack([cost, kl, entropy])}

    w = rounded(3, 5, 7)
    ksl = sum(torch.sqrt(((w[i] - w[j]) ** 2).sum() + 1e-12) for i in range(3) for j in range(i + 1, 3))
    out |= {"similarity.w": w, "similarity.value": ksl.reshape(1), "similarity.dw": torch.autograd.grad(ksl, w)[0]}

    start, grads = (0.5 + torch.rand(40)).float().double(), torch.randn(5, 40).float().double()
    out |= {"optimizer.start": start, "optimizer.grads": grads}
    for name in ("sgd", "adam", "logadam"):
        p = start.clone().requires_grad_()
        # LogAdam is Adam on t = ln p, whose gradient is p * dL/dp.
        t = start.log().clone().requires_grad_() if name == "logadam" else p
        opt = torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=1e-2) if name == "sgd" else \
            torch.optim.Adam([t], lr=0.02, betas=(0.9, 0.99 if name == "logadam" else 0.999), eps=1e-12 if name == "logadam" else 1e-8)
        for g in grads:
            t.grad = g * t.detach().exp() if name == "logadam" else g.clone()
            opt.step()
        out[f"optimizer.{name}"] = t.detach().exp() if name == "logadam" else p.detach()
    write("gates", {"bits": bits, "hidden": hidden, "u": u, "eta": eta, "lambda": lam, "temperature": temperature}, out)


def philox(key, counter):
    """The four words of Philox4x32-10 (Salmon et al. 2011) in plain integers."""
    (k0, k1), (c0, c1, c2, c3), mask = key, counter, 0xFFFFFFFF
    for _ in range(10):
        p0, p1 = c0 * 0xD2511F53, c2 * 0xCD9E8D57
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & mask, (p0 >> 32) ^ c3 ^ k1, p0 & mask
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c0, c1, c2, c3


def gumbel(noise, gate, n):
    """-ln(-ln U), U in float32 from the upper 24 bits of word i%4 of counter (step, micro-batch, gate, i/4)."""
    f4 = np.float32
    words = [philox(noise[:2], (*noise[2:], gate, i // 4))[i % 4] for i in range(n)]
    u = [min(max((f4(w >> 8) + f4(0.5)) * f4(2**-24), f4(1e-10)), f4(1) - f4(1e-7)) for w in words]
    return -torch.log(-torch.log(torch.tensor(u, dtype=torch.float64)))


def samples():
    """Gate samples of every mode with their gradient, which an entropy prior joins."""
    cases, out, bits, row = [], {}, [3, 1, 8, 2, 5], 8
    for mode in ("softmax", "gumbel", "hard"):
        for temperature, lam, noise in ((0.6, 0.2, (0xDEADBEEF, 42, 1234567, 1)), (2.0, -0.5, (7, 0x80000001, 0, 3))):
            name = f"s{len(cases)}"
            logits, dz = rounded(5, row), rounded(5, row)
            t = float(np.float32(temperature))
            total, entropy, pis, zs, softs = 0, 0, torch.zeros(5, row), torch.zeros(5, row), torch.zeros(5, row)
            for g, n in enumerate(bits):
                lp = F.log_softmax(logits[g, :n], 0)
                soft = lp.exp() if mode == "softmax" else F.softmax((lp + gumbel(noise, g, n)) / t, 0)
                z = soft
                if mode == "hard":
                    z = F.one_hot(soft.argmax(), n) + soft - soft.detach()
                total, entropy = total + (dz[g, :n] * z).sum(), entropy - (lp.exp() * lp).sum()
                pis[g, :n], zs[g, :n], softs[g, :n] = lp.exp().detach(), z.detach(), soft.detach()
            (dlogits,) = torch.autograd.grad(total - float(np.float32(lam)) * entropy, logits)
            cases.append({"name": name, "mode": mode, "bits": bits, "temperature": temperature, "lambda": lam, "noise": noise})
            out |= {f"{name}.logits": logits, f"{name}.pi": pis, f"{name}.z": zs, f"{name}.soft": softs, f"{name}.dz": dz,
                    f"{name}.entropy": entropy.reshape(1), f"{name}.dlogits": dlogits}
    write("samples", cases, out)


def conditional():
    """Batch norm whose affine set is mixed by two gates (pair: every pair of candidates; gate: a base and one a candidate);
    DNAS's factor on the task loss."""
    cases, out = [], {}
    for kind in ("pair", "gate"):
        n, h, w, c, nw, nx = 3, 4, 3, 20, 3, 2
        y, zw, zx = rounded(n, h, w, c), torch.rand(nw).float().double().requires_grad_(), torch.rand(nx).float().double().requires_grad_()
        v = torch.outer(zw, zx).reshape(-1) if kind == "pair" else torch.cat([torch.ones(1), zw, zx])
        gamma, beta = rounded(len(v), c), rounded(len(v), c)
        a = F.relu(nhwc(F.batch_norm(nchw(y), None, None, v @ gamma, v @ beta, True, 0, 1e-5)))
        da = rounded(*a.shape)
        grads = torch.autograd.grad(a, (y, gamma, beta, zw, zx), da)
        cases.append({"name": kind})
        out |= {f"{kind}.y": y, f"{kind}.zw": zw, f"{kind}.zx": zx, f"{kind}.v": v, f"{kind}.gamma": gamma, f"{kind}.beta": beta, f"{kind}.a": a, f"{kind}.da": da}
        out |= {f"{kind}.{name}": g for name, g in zip(("dy", "dgamma", "dbeta", "dzw", "dzx"), grads)}
    cost = torch.tensor(0.3).float().double().requires_grad_()
    factor = ((cost.log() + math.log(1e9)) / math.log(1e9)) ** 5.0
    (weight,) = torch.autograd.grad(factor * 8.5 / 4, cost)
    out["factor"] = torch.stack([cost, factor, weight])
    write("conditional", cases, out)


def mixes():
    """Input and filter mixes by autograd through a straight-through LSQ quantizer; steps keep values off the ties."""
    cases, out = [], {}

    def mixed(x, s, z, ranges):
        y = 0
        for b, (lo, hi) in enumerate(ranges):
            xb, sb = (x[b] if x.dim() == 3 else x), s[b]
            sb = sb[:, None] if sb.dim() else sb
            v = xb / sb
            c = v.clamp(lo, hi)
            y = y + z[b] * sb * (c + (c.round() - c).detach())
        return y

    for kind, widths in (("input", (2, 4, 8)), ("input", (3,)), ("input", (1, 6)), ("weight", (2, 4, 8)), ("weight", (2, 5)), ("weight", (4,)),
                         ("shared", (2, 4, 8)), ("tensor", (3, 8))):  # shared: one filter for all widths; tensor: one step for all channels
        name = f"m{len(cases)}"
        ranges = [(0, 2**b - 1) if kind == "input" else (-(2 ** (b - 1)), 2 ** (b - 1) - 1) for b in widths]
        nb = len(widths)
        z = torch.rand(nb).float().double().requires_grad_()
        x = rounded(6, 35) if kind == "input" else rounded(5, 27) if kind == "shared" else rounded(nb, 5, 27)
        s = (0.05 + torch.rand(*((nb, 5) if kind in ("weight", "shared") else (nb,)))).float().double().requires_grad_()
        y = mixed(x, s, z, ranges)
        dy = rounded(*y.shape)
        dx, ds, dz = torch.autograd.grad(y, (x, s, z), dy)
        cases.append({"name": name, "kind": kind, "lo": [r[0] for r in ranges], "hi": [r[1] for r in ranges]})
        out |= {f"{name}.x": x, f"{name}.s": s, f"{name}.z": z, f"{name}.y": y, f"{name}.dy": dy, f"{name}.dx": dx, f"{name}.ds": ds, f"{name}.dz": dz}
    write("mix", cases, out)


if __name__ == "__main__":
    convolutions(), norms(), loss_and_pool(), quantizers(), mixes(), gates(), samples(), conditional()
