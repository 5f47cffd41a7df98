#!/usr/bin/env python3
"""The rival: one supernet training step of ResNet-20 (CIFAR, option-A shortcuts) in PyTorch on the CPU.

What a step is: batch 128 as G = 2 micro-batches of 64, each with its own eta and Gumbel draw; unshared weights for
bits 2, 4 and 8; LSQ steps per output channel (weights) and per tensor (inputs) and bit width; first convolution and
last linear layer pinned at 8/8; `pair` conditional batch norm with its running statistics; BitModel; cross entropy +
eta * E[h] + lambda * KL(pi || tilted prior) + mu * KSL; SGD with momentum (weights, norm), LogAdam (steps) and Adam
(BitModel). The images are ready in memory: neither side pays for loading or augmentation.

To be fair to PyTorch: a quantise-and-mix is written so that one pass over the data serves all bit widths; nothing
breaks the compiled graph, which holds the whole loss; every parameter group and its gradients lie in one flat buffer,
so an optimizer is a handful of ops on one tensor (compiled too where the variant is compiled).

    torch_step.py --threads 2                 every variant, a table, one JSON line
    torch_step.py --threads 2 --isa avx2      the same with oneDNN, ATen and Inductor held to AVX2
    torch_step.py --only compile,ste,cl,native --quick
    torch_step.py --threads 2 --ours bin/vimps-gpu   then the rival and ours in turn, and the ratio of the two

Exit code 1: the best compiled supernet step costs more than 1.3 x the best compiled fp32 step, a crippled rival.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

LIMIT = 1.3  # a compiled supernet step dearer than this many compiled fp32 steps is no fair rival


def parse_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--threads", type=int, default=os.cpu_count(), help="threads for PyTorch")
    p.add_argument("--isa", choices=["auto", "avx512", "avx2"], default="auto", help="hold PyTorch to this instruction set")
    p.add_argument("--repeats", type=int, default=9, help="timed steps a variant (at least 7)")
    p.add_argument("--quick", action="store_true", help="skip the slow eager variants")
    p.add_argument("--only", default="", help="run only the supernet variant mode,quantizer,format,norm")
    p.add_argument("--ours", default="", help="the vimps-gpu program to measure in turn with the rival")
    a = p.parse_args()
    if a.repeats < 7:
        p.error("--repeats: at least 7 timed steps are needed for a median")
    if a.threads < 1:
        p.error("--threads: at least 1")
    return a


ARGS = parse_args()
os.environ["OMP_NUM_THREADS"] = str(ARGS.threads)
if ARGS.isa != "auto":  # has to be set before torch is loaded
    os.environ["ATEN_CPU_CAPABILITY"] = ARGS.isa
    os.environ["ONEDNN_MAX_CPU_ISA"] = {"avx2": "AVX2", "avx512": "AVX512_CORE"}[ARGS.isa]
    os.environ["MKL_ENABLE_INSTRUCTIONS"] = {"avx2": "AVX2", "avx512": "AVX512"}[ARGS.isa]

import torch  # noqa: E402
import torch.nn as nn  # noqa: E402
import torch.nn.functional as F  # noqa: E402

torch.set_num_threads(ARGS.threads)
torch.manual_seed(1)
import torch._inductor.config as inductor  # noqa: E402

if ARGS.isa != "auto":
    inductor.cpp.simdlen = {"avx2": 256, "avx512": 512}[ARGS.isa]

BITS = (2, 4, 8)
BATCH, G = 128, 2
ETA0, ETA1, KAPPA, LAMBDA, MU, TEMPERATURE = 1e-3, 30.0, 3.0, 1e-3, 1e-3, 0.5
EPS, MOMENTUM = 1e-5, 0.1


def limits(bits, signed):
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


# ---- the quantise-and-mix, written twice -------------------------------------------------------------------------
# y = sum_b z_b s_b round(clamp(x_b / s_b)). x: one tensor for all bits (inputs) or a leading bit axis (weights).


class MixFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, s, z, lims, shared):
        ctx.save_for_backward(x, s, z)
        ctx.lims, ctx.shared = lims, shared
        y = None
        for b, (lo, hi) in enumerate(lims):
            sb = spread(s[b], x if shared else x[b])
            q = (x if shared else x[b]).div(sb).clamp(lo, hi).round() * (sb * z[b])
            y = q if y is None else y + q
        return y

    @staticmethod
    def backward(ctx, dy):
        x, s, z = ctx.saved_tensors
        dx, ds, dz = None, [], []
        for b, (lo, hi) in enumerate(ctx.lims):
            xb = x if ctx.shared else x[b]
            sb = spread(s[b], xb)
            v = xb / sb
            c = v.clamp(lo, hi)
            r = c.round()
            m = dy * (v == c)
            g = m * z[b]
            dx = ([g] if dx is None else dx + [g]) if not ctx.shared else (g if dx is None else dx + g)
            axes = tuple(range(1, xb.dim())) if s.dim() > 1 else tuple(range(xb.dim()))
            dyr = (dy * r).sum(axes)
            ds.append(z[b] * (dyr - (m * v).sum(axes)))
            dz.append((dyr * s[b]).sum())
        return (dx if ctx.shared else torch.stack(dx)), torch.stack(ds), torch.stack(dz), None, None


def spread(s, x):
    """One step a tensor, or one step an output channel, shaped to divide x."""
    return s if s.dim() == 0 else s.view(-1, *([1] * (x.dim() - 1)))


def mix_ste(x, s, z, lims, shared):
    y = None
    for b, (lo, hi) in enumerate(lims):
        xb = x if shared else x[b]
        sb = spread(s[b], xb)
        c = (xb / sb).clamp(lo, hi)
        q = (c + (c.round() - c).detach()) * (sb * z[b])
        y = q if y is None else y + q
    return y


def mix_function(x, s, z, lims, shared):
    return MixFunction.apply(x, s, z, lims, shared)


# ---- batch norm ---------------------------------------------------------------------------------------------------


def norm_native(x, gamma, beta):
    y, mean, invstd = torch.native_batch_norm(x, gamma, beta, None, None, True, MOMENTUM, EPS)
    return y, mean.detach(), (invstd.detach() ** -2 - EPS)


def norm_moments(x, gamma, beta):
    mean = x.mean((0, 2, 3), keepdim=True)
    d = x - mean
    var = (d * d).mean((0, 2, 3), keepdim=True)
    y = d * (torch.rsqrt(var + EPS) * gamma.view(1, -1, 1, 1)) + beta.view(1, -1, 1, 1)
    return y, mean.detach().view(-1), var.detach().view(-1)


# ---- nets -----------------------------------------------------------------------------------------------------------

BLOCKS = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2


def searched():
    """(in, out, stride, output side) of the 18 searched convolutions."""
    side, out = 32, []
    for ci, co, st in BLOCKS:
        side //= st
        out += [(ci, co, st, side), (co, co, 1, side)]
    return out


def shortcut(x, co, stride):
    if stride == 1:
        return x
    pad = (co - x.shape[1]) // 2
    return F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, pad, pad))


class Flat:
    """One flat buffer of parameters and one of gradients; take() hands out views that are leaves."""

    def __init__(self, size):
        self.data, self.grad, self.used = torch.zeros(size), torch.zeros(size), 0
        self.params, self.grads = [], []

    def take(self, init, order=None):
        """order: the storage order of the axes (channels_last keeps the channel axis innermost)."""
        order = list(range(init.dim())) if order is None else order
        a, b = self.used, self.used + init.numel()
        assert b <= self.data.numel()
        self.used = b
        shape = [init.shape[i] for i in order]
        back = [order.index(i) for i in range(init.dim())]
        p = nn.Parameter(self.data[a:b].view(shape).permute(back))
        p.data.copy_(init)
        self.params.append(p)
        self.grads.append(self.grad[a:b].view(shape).permute(back))
        return p

    def close(self):
        self.data, self.grad = self.data[: self.used], self.grad[: self.used]
        return self


def accumulate(loss, params, grads):
    """Adds the gradients in place. Cheaper than loss.backward(), whose AccumulateGrad cost 5 ms a step here."""
    torch._foreach_add_(grads, torch.autograd.grad(loss, params))


def kaiming(*shape):
    n = 1
    for d in shape[-3:] if len(shape) > 3 else shape[-1:]:
        n *= d
    return torch.randn(*shape) * (2.0 / n) ** 0.5


class Supernet(nn.Module):
    def __init__(self, mix, norm, channels_last):
        super().__init__()
        self.mix, self.norm, self.B = mix, norm, len(BITS)
        self.wl = tuple(limits(b, True) for b in BITS)
        self.xl = tuple(limits(b, False) for b in BITS)
        self.convs = searched()
        self.K = len(self.convs)
        self.w, self.rest, self.steps, self.theta = Flat(1 << 20), Flat(1 << 16), Flat(1 << 16), Flat(1 << 16)
        kr = [0, 2, 3, 1] if channels_last else None
        bkr = [0, 1, 3, 4, 2] if channels_last else None
        B, pl = self.B, nn.ParameterList
        self.w_first = self.w.take(kaiming(16, 3, 3, 3), kr)
        self.w_fc = self.w.take(kaiming(10, 64))
        self.w_conv = pl()
        for ci, co, _, _ in self.convs:
            w = kaiming(co, ci, 3, 3)
            self.w_conv.append(self.w.take(torch.stack([w] * B) + 1e-3 * torch.randn(B, co, ci, 3, 3), bkr))
        self.b_fc = self.rest.take(torch.zeros(10))
        self.gamma0, self.beta0 = self.rest.take(torch.ones(16)), self.rest.take(torch.zeros(16))
        self.gamma = pl([self.rest.take(torch.ones(B, B, co)) for _, co, _, _ in self.convs])
        self.beta = pl([self.rest.take(torch.zeros(B, B, co)) for _, co, _, _ in self.convs])
        hi_w, hi_x = torch.tensor([h for _, h in self.wl]).float(), torch.tensor([h for _, h in self.xl]).float()
        sw = [(w.detach().abs().amax((2, 3, 4)) / hi_w.view(-1, 1)) for w in self.w_conv]
        self.s_w = pl([self.steps.take(s) for s in sw])
        self.s_x = pl([self.steps.take(3.0 / hi_x) for _ in self.convs])
        self.s_first = self.steps.take(self.w_first.detach().abs().amax((1, 2, 3)).view(1, -1) / 127)
        self.s_ends = self.steps.take(torch.tensor([3.0 / 127, 3.0 / 255, float(self.w_fc.detach().abs().max()) / 127]))
        H, out = 64, self.K * 2 * B
        th = self.theta.take
        self.l1w, self.l1b = th(torch.rand(H, 1) * 2 - 1), th(torch.rand(H) * 2 - 1)
        self.l2w, self.l2b = th((torch.rand(H, H) * 2 - 1) / 8), th((torch.rand(H) * 2 - 1) / 8)
        self.l3w, self.l3b = th(torch.zeros(out, H)), th(torch.zeros(out))
        for f in (self.w, self.rest, self.steps, self.theta):
            f.close()
        macs = torch.tensor([9.0 * ci * co * s * s for ci, co, _, s in self.convs])
        bb = torch.tensor(BITS).float().outer(torch.tensor(BITS).float()) / BITS[-1] ** 2
        self.register_buffer("cost", (macs / macs.sum()).view(-1, 1, 1) * bb)
        self.register_buffer("rank", torch.linspace(-1, 1, B))
        self.register_buffer("one", torch.ones(1))
        for i, (_, co, _, _) in enumerate(self.convs):
            self.register_buffer(f"mean{i}", torch.zeros(B, B, co))
            self.register_buffer(f"var{i}", torch.ones(B, B, co))
        self.register_buffer("mean_first", torch.zeros(16))
        self.register_buffer("var_first", torch.ones(16))

    def step_gradient_scale(self):
        """LSQ's g of every step, in the order of the flat buffer; its factor is applied once, in the optimizer."""
        out = [torch.zeros(0)]
        for ci, co, _, _ in self.convs:
            out += [torch.tensor([(9 * ci * h) ** -0.5 for _, h in self.wl]).repeat_interleave(co)]
        for ci, _, st, side in self.convs:
            out += [torch.tensor([(ci * (side * st) ** 2 * h) ** -0.5 for _, h in self.xl])]
        out += [torch.full((16,), (27 * 127) ** -0.5)]
        out += [torch.tensor([(3 * 1024 * 127) ** -0.5, (64 * 255) ** -0.5, (640 * 127) ** -0.5])]
        return torch.cat(out)

    def gates(self, ln_eta, uniform, temperature):
        lo, hi = torch.tensor(ETA0).log().item(), torch.tensor(ETA1).log().item()
        u = 2 * (ln_eta - lo) / (hi - lo) - 1
        h = torch.tanh(self.l1w[:, 0] * u + self.l1b)
        h = torch.tanh(F.linear(h, self.l2w, self.l2b))
        tilt = -KAPPA * u * self.rank
        logits = F.linear(h, self.l3w, self.l3b).view(self.K, 2, self.B) + tilt
        lp = torch.log_softmax(logits, -1)
        noise = -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))
        z = torch.softmax((lp + noise) / temperature, -1)
        return lp, lp.exp(), z, torch.log_softmax(tilt, -1)

    def moved(self, mean, var, m, v, n, weight):
        """Running statistics: every set moves by the momentum times the weight of its pair of gates."""
        mean.copy_(mean + weight * (m - mean))
        var.copy_(var + weight * (v * (n / (n - 1)) - var))

    def forward(self, x, labels, ln_eta, uniform, temperature):
        lp, pi, z, prior = self.gates(ln_eta, uniform, temperature)
        signed8, unsigned8 = (limits(8, True),), (limits(8, False),)
        xq = self.mix(x, self.s_ends[0:1], self.one, signed8, True)
        wq = self.mix(self.w_first.unsqueeze(0), self.s_first, self.one, signed8, False)
        x, m, v = self.norm(F.conv2d(xq, wq, None, 1, 1), self.gamma0, self.beta0)
        self.moved(self.mean_first, self.var_first, m, v, x.numel() / 16, MOMENTUM)
        x = F.relu(x)
        for k, (ci, co, st, _) in enumerate(self.convs):
            if k % 2 == 0:
                skip = x
            zw, zx = z[k, 0], z[k, 1]
            xq = self.mix(x, self.s_x[k], zx, self.xl, True)
            wq = self.mix(self.w_conv[k], self.s_w[k], zw, self.wl, False)
            pair = (zw.view(-1, 1) * zx).view(self.B, self.B, 1)
            y = F.conv2d(xq, wq, None, st, 1)
            n = y.numel() / co
            y, m, v = self.norm(y, (pair * self.gamma[k]).sum((0, 1)), (pair * self.beta[k]).sum((0, 1)))
            self.moved(getattr(self, f"mean{k}"), getattr(self, f"var{k}"), m, v, n, MOMENTUM * pair.detach())
            if k % 2 == 1:
                y = y + shortcut(skip, co, self.convs[k - 1][2])
            x = F.relu(y)
        x = x.mean((2, 3))
        xq = self.mix(x, self.s_ends[1:2], self.one, unsigned8, True)
        wq = self.mix(self.w_fc, self.s_ends[2:3], self.one, signed8, True)
        ce = F.cross_entropy(F.linear(xq, wq, self.b_fc), labels)
        hardware = (pi[:, 0].unsqueeze(2) * pi[:, 1].unsqueeze(1) * self.cost).sum()
        kl = (pi * (lp - prior)).sum()
        return (ce + ln_eta.exp() * hardware + LAMBDA * kl) / G

    def similarity(self):
        total = 0.0
        for w in self.w_conv:
            for i in range(self.B):
                for j in range(i + 1, self.B):
                    total = total + ((w[i] - w[j]).square().sum() + 1e-12).sqrt()
        return MU * total


class Plain(nn.Module):
    def __init__(self, norm, channels_last):
        super().__init__()
        self.norm, self.convs = norm, searched()
        self.w, self.rest = Flat(1 << 19), Flat(1 << 13)
        kr = [0, 2, 3, 1] if channels_last else None
        shapes = [(3, 16)] + [(ci, co) for ci, co, _, _ in self.convs]
        self.w_conv = nn.ParameterList([self.w.take(kaiming(co, ci, 3, 3), kr) for ci, co in shapes])
        self.w_fc, self.b_fc = self.w.take(kaiming(10, 64)), self.rest.take(torch.zeros(10))
        self.gamma = nn.ParameterList([self.rest.take(torch.ones(co)) for _, co in shapes])
        self.beta = nn.ParameterList([self.rest.take(torch.zeros(co)) for _, co in shapes])
        self.w.close(), self.rest.close()
        for i, (_, co) in enumerate(shapes):
            self.register_buffer(f"mean{i}", torch.zeros(co))
            self.register_buffer(f"var{i}", torch.ones(co))

    def unit(self, x, k, stride):
        y = F.conv2d(x, self.w_conv[k], None, stride, 1)
        n = y.numel() / y.shape[1]
        y, m, v = self.norm(y, self.gamma[k], self.beta[k])
        mean, var = getattr(self, f"mean{k}"), getattr(self, f"var{k}")
        mean.copy_(mean + MOMENTUM * (m - mean))
        var.copy_(var + MOMENTUM * (v * (n / (n - 1)) - var))
        return y

    def forward(self, x, labels, scale):
        x = F.relu(self.unit(x, 0, 1))
        for k in range(1, 19, 2):
            _, co, st, _ = self.convs[k - 1]
            y = F.relu(self.unit(x, k, st))
            x = F.relu(self.unit(y, k + 1, 1) + shortcut(x, co, st))
        return F.cross_entropy(F.linear(x.mean((2, 3)), self.w_fc, self.b_fc), labels) * scale


# ---- optimizers: a few ops on flat buffers ------------------------------------------------------------------------


def sgd(data, grad, buf, lr, decay):
    buf.copy_(0.9 * buf + grad + decay * data)
    data.copy_(data - lr * buf)


def log_adam(s, grad, scale, m, v, t, lr):
    q = s * grad * scale
    m.copy_(0.9 * m + 0.1 * q)
    v.copy_(0.99 * v + 0.01 * q * q)
    mh, vh = m / (1 - 0.9**t), v / (1 - 0.99**t)
    s.copy_((s * torch.exp(-lr * mh / (vh.sqrt() + 1e-12))).clamp_min(1e-6))


def adam(p, grad, m, v, t, lr):
    m.copy_(0.9 * m + 0.1 * grad)
    v.copy_(0.999 * v + 0.001 * grad * grad)
    p.copy_(p - lr * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)).sqrt() + 1e-8))


def prepare(f, compiled):
    return torch.compile(f, dynamic=False, fullgraph=True) if compiled else f


def images(fmt):
    x = torch.randn(BATCH, 3, 32, 32)
    return x.contiguous(memory_format=fmt), torch.randint(0, 10, (BATCH,))


FORMATS = {"cl": torch.channels_last, "nchw": torch.contiguous_format}
NORMS = {"native": norm_native, "moments": norm_moments}
MIXES = {"function": mix_function, "ste": mix_ste}


def supernet_step(mode, quantizer, fmt, norm):
    torch.manual_seed(1)
    net = Supernet(MIXES[quantizer], NORMS[norm], fmt == "cl")
    compiled = mode == "compile"
    loss_fn, ksl_fn = prepare(net, compiled), prepare(net.similarity, compiled)
    groups = [net.w, net.rest, net.steps, net.theta]
    moments = [[torch.zeros_like(g.data) for _ in range(2)] for g in groups]
    scale = net.step_gradient_scale()
    assert scale.numel() == net.steps.data.numel()

    def update(t):
        sgd(net.w.data, net.w.grad, moments[0][0], 0.02, 1e-4)
        sgd(net.rest.data, net.rest.grad, moments[1][0], 0.02, 0.0)
        log_adam(net.steps.data, net.steps.grad, scale, *moments[2], t, 2e-3)
        adam(net.theta.data, net.theta.grad, *moments[3], t, 5e-3)

    update_fn = prepare(update, compiled)
    params, grads = [p for g in groups for p in g.params], [d for g in groups for d in g.grads]
    conv_at = [i for i, p in enumerate(net.w.params) if p.dim() == 5]
    x, labels = images(FORMATS[fmt])
    t, temperature = torch.tensor(0.0), torch.tensor(TEMPERATURE)
    lo, hi = torch.tensor(ETA0).log(), torch.tensor(ETA1).log()

    def step():
        for g in groups:
            g.grad.zero_()
        total = 0.0
        for j, (xj, yj) in enumerate(zip(x.chunk(G), labels.chunk(G))):
            ln_eta = lo + (j + torch.rand(())) / G * (hi - lo)
            loss = loss_fn(xj, yj, ln_eta, torch.rand(net.K, 2, net.B), temperature)
            accumulate(loss, params, grads)
            total += loss.item()
        accumulate(ksl_fn(), list(net.w_conv), [net.w.grads[i] for i in conv_at])
        t.add_(1)
        with torch.no_grad():
            update_fn(t)
        return total

    return step


def plain_step(mode, fmt, norm, parts):
    torch.manual_seed(1)
    net = Plain(NORMS[norm], fmt == "cl")
    compiled = mode == "compile"
    loss_fn = prepare(net, compiled)
    moments = [torch.zeros_like(net.w.data), torch.zeros_like(net.rest.data)]

    def update():
        sgd(net.w.data, net.w.grad, moments[0], 0.02, 1e-4)
        sgd(net.rest.data, net.rest.grad, moments[1], 0.02, 0.0)

    update_fn = prepare(update, compiled)
    params, grads = net.w.params + net.rest.params, net.w.grads + net.rest.grads
    x, labels = images(FORMATS[fmt])

    def step():
        net.w.grad.zero_(), net.rest.grad.zero_()
        total = 0.0
        for xj, yj in zip(x.chunk(parts), labels.chunk(parts)):
            loss = loss_fn(xj, yj, 1.0 / parts)
            accumulate(loss, params, grads)
            total += loss.item()
        with torch.no_grad():
            update_fn()
        return total

    return step


def measure(step):
    """Milliseconds of each timed step, and the losses seen, as a check that the variants train alike."""
    losses = [step() for _ in range(3)]
    times = []
    for _ in range(ARGS.repeats):
        a = time.perf_counter()
        losses.append(step())
        times.append(1e3 * (time.perf_counter() - a))
    return times, losses


def in_turn(rival, rounds=3):
    """The rival's step and ours, one after the other so that both see the same machine: minima and medians in ms."""
    torch._dynamo.reset()
    step = supernet_step(rival["mode"], rival["quantizer"], rival["format"], rival["norm"])
    command = [ARGS.ours, "bench", "step", "--model", "resnet20", "--batch", str(BATCH), "--steps", str(ARGS.repeats),
               "--threads", str(ARGS.threads), "--isa", ARGS.isa, "--json"]
    theirs, ours, fp32 = [], [], []
    for _ in range(rounds):
        theirs.append(measure(step)[0])
        kinds = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["kinds_of_step"]
        kinds = {k["kind"]: k for k in kinds}
        ours.append(kinds["supernet"])
        fp32.append(kinds["fp32"])
    median = statistics.median
    out = dict(rival_min_ms=min(map(min, theirs)), rival_median_ms=median(map(median, theirs)),
               ours_min_ms=1e3 * min(k["min_seconds"] for k in ours), ours_median_ms=1e3 * median(k["median_seconds"] for k in ours),
               ours_fp32_min_ms=1e3 * min(k["min_seconds"] for k in fp32), ours_fp32_median_ms=1e3 * median(k["median_seconds"] for k in fp32))
    for of in ("min", "median"):
        a, b, c = out[f"rival_{of}_ms"], out[f"ours_{of}_ms"], out[f"ours_fp32_{of}_ms"]
        print(f"in turn, {of}: rival {a:.1f} ms, ours {b:.1f} ms: {a / b:.2f}x faster; our supernet / our fp32 ({c:.1f} ms) = {b / c:.2f}")
    return {k: round(v, 2) for k, v in out.items()}


def main():
    rows = []
    modes = ["compile"] if ARGS.quick else ["eager", "compile"]
    cases = []
    for mode in modes:
        for fmt in FORMATS:
            for norm in NORMS if mode == "compile" else ["native"]:
                cases += [("supernet", mode, q, fmt, norm, G) for q in MIXES]
                cases += [("fp32", mode, "-", fmt, norm, parts) for parts in (1, 2)]
    if ARGS.only:
        mode, q, fmt, norm = ARGS.only.split(",")
        cases = [c for c in cases if c[1] == mode and c[3] == fmt and c[4] == norm and c[2] in (q, "-")]
    load = os.getloadavg()[0]
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, load {load:.2f}", file=sys.stderr)
    if load > 0.5:
        print("warning: other programs are running; OpenMP's threads spin, so even a little company costs several times", file=sys.stderr)
    head = f"{'net':9} {'mode':8} {'quantizer':9} {'format':6} {'norm':8} {'parts':5} {'min ms':>9} {'median ms':>9}  first and last loss"
    print(head, flush=True)
    for net, mode, q, fmt, norm, parts in cases:
        torch._dynamo.reset()
        a = time.perf_counter()
        step = supernet_step(mode, q, fmt, norm) if net == "supernet" else plain_step(mode, fmt, norm, parts)
        times, losses = measure(step)
        row = dict(net=net, mode=mode, quantizer=q, format=fmt, norm=norm, parts=parts,
                   min_ms=round(min(times), 2), median_ms=round(statistics.median(times), 2))
        rows.append(row)
        print(f"{net:9} {mode:8} {q:9} {fmt:6} {norm:8} {parts:5d} {row['min_ms']:9.1f} {row['median_ms']:9.1f}  "
              f"{losses[0]:.4f} {losses[-1]:.4f}  ({time.perf_counter() - a:.0f} s with compilation)", flush=True)

    def best(net, mode):
        found = [r for r in rows if r["net"] == net and (mode is None or r["mode"] == mode)]
        return min(found, key=lambda r: r["min_ms"]) if found else None

    rival, fp32 = best("supernet", None), best("fp32", "compile")
    compiled = best("supernet", "compile")
    fair = None
    if compiled and fp32:
        ratio = compiled["min_ms"] / fp32["min_ms"]
        fair = ratio <= LIMIT
        print(f"compiled supernet / compiled fp32 = {ratio:.2f} (limit {LIMIT}): "
              + ("a fair rival" if fair else "a CRIPPLED rival: no speed ratio may be claimed against it"))
    print(f"the rival: {rival['mode']}, {rival['quantizer']}, {rival['format']}, {rival['norm']}: {rival['min_ms']:.1f} ms")
    turns = in_turn(rival) if ARGS.ours else None
    print(json.dumps(dict(in_turn=turns, torch=torch.__version__, threads=torch.get_num_threads(), isa=ARGS.isa,
                          capability=torch.backends.cpu.get_cpu_capability(), load=round(load, 2), batch=BATCH, micro_batches=G,
                          rival=rival, eager=best("supernet", "eager"), compiled=compiled, fp32=fp32,
                          fp32_eager=best("fp32", "eager"), fair=fair, variants=rows)))
    return 0 if fair in (True, None) else 1


if __name__ == "__main__":
    sys.exit(main())
