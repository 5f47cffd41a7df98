#!/usr/bin/env python3
"""The other side of bench/gpu.sh: cuDNN's convolutions over the layers that `vimps-gpu bench gpu` lists, and the supernet
step of bench/torch_step.py in PyTorch, eager and compiled.

Everything is channels_last; bf16 is what ratios are of, tf32 comes last, if there is time. cudnn.benchmark picks the fastest algorithm,
deterministic or not. What is timed is a CUDA graph of ten repetitions, as on our side, and if a capture fails plain launches. The
supernet step runs under autocast to bf16, in which it also quantizes (ours does that in f32), with its images ready on the GPU, does
not wait for the GPU, and is tried with and without being captured as a whole.

The output is written anew after each result, so that a time limit costs only what was not reached.
"""
import argparse
import json
import math
import os
import statistics
import sys
import time

sys.dont_write_bytecode = True  # of torch_step, which lies among the sources

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402


def parse_args():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--layers", required=True, help="list of convolutions, JSON from vimps-gpu bench gpu --layers")
    p.add_argument("--out", required=True, help="JSON to write")
    p.add_argument("--seconds", type=float, default=140, help="nothing new is begun after so long")
    p.add_argument("--device", default="cuda", help="cpu: tries the script itself, without graphs")
    p.add_argument("--batches", type=int, nargs="*", default=[128, 256], help="batches of the supernet step")
    return p.parse_args()


ARGS = parse_args()
GPU = ARGS.device == "cuda"
START = time.perf_counter()
OUT = dict(torch=torch.__version__, cudnn=str(torch.backends.cudnn.version()), device="", conv=[], steps=[], errors=[])


def late():
    return time.perf_counter() - START > ARGS.seconds


def save():
    with open(ARGS.out + ".part", "w") as f:
        json.dump(OUT, f, indent=1, allow_nan=False)
    os.replace(ARGS.out + ".part", ARGS.out)


def failed(what, error):
    text = f"{what}: {type(error).__name__}: {error}".splitlines()[0][:300]
    print(text, file=sys.stderr)
    OUT["errors"].append(text)
    save()


# ---- timing -----------------------------------------------------------------------------------------------------------


def captured(f, inner):
    """A CUDA graph of inner calls of f."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            f()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(inner):
            f()
    return graph.replay


def window(f, n):
    """Seconds of n calls."""
    if not GPU:
        start = time.perf_counter()
        for _ in range(n):
            f()
        return time.perf_counter() - start
    a, b = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    a.record()
    for _ in range(n):
        f()
    b.record()
    b.synchronize()
    return a.elapsed_time(b) * 1e-3


def best(f, inner=10, seconds=0.06, rounds=2):
    """Seconds of one call of f, of the best window."""
    for _ in range(3):  # lets cudnn.benchmark choose
        f()
    run, per = f, 1
    if GPU:
        try:
            run, per = captured(f, inner), inner
        except RuntimeError as e:
            torch.cuda.synchronize()
            failed("capture, so plain launches are timed", e)
    once = min(window(run, 1), window(run, 1))
    n = max(1, min(10000, math.ceil(seconds / once))) if GPU else 1
    return min(window(run, n) / n for _ in range(rounds)) / per


# ---- convolutions -----------------------------------------------------------------------------------------------------


def conv_passes(layer, dtype):
    n, size, c, k, r = (layer[key] for key in ("batch", "size", "c", "k", "r"))
    stride, pad, groups = [layer["stride"]] * 2, [r // 2] * 2, layer["groups"]
    last = torch.channels_last
    x = torch.rand(n, c, size, size, dtype=dtype).sub_(0.5).contiguous(memory_format=last)
    w = torch.rand(k, c // groups, r, r, dtype=dtype).sub_(0.5).contiguous(memory_format=last)
    y = F.conv2d(x, w, None, stride, pad, 1, groups)
    dy = torch.rand_like(y).sub_(0.5)

    def backward(*mask):
        return torch.ops.aten.convolution_backward(dy, x, w, None, stride, pad, [1, 1], False, [0, 0], groups, list(mask) + [False])

    passes = {"forward": lambda: F.conv2d(x, w, None, stride, pad, 1, groups)}
    if not layer["first"]:
        passes["dgrad"] = lambda: backward(True, False)
    passes["wgrad"] = lambda: backward(False, True)
    return passes


def convolutions(layers, precision):
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    for layer in layers:
        if late():
            OUT["errors"].append(f"out of time: cuDNN {precision} from {layer['net']} {layer['size']} {layer['c']} {layer['k']} on")
            return
        try:
            with torch.no_grad():
                for name, f in conv_passes(layer, dtype).items():
                    OUT["conv"].append(dict(layer, **{"pass": name, "precision": precision, "seconds": best(f)}))
        except RuntimeError as e:  # such as out of memory
            failed(f"cuDNN {precision} {layer}", e)
    save()


# ---- the supernet step --------------------------------------------------------------------------------------------------


def rival():
    """bench/torch_step.py, whose arguments are read when it is imported, on the default device."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    argv, sys.argv = sys.argv, ["torch_step.py"]
    try:
        import torch_step
    finally:
        sys.argv = argv
    return torch_step


def supernet(ts):
    """The net, its gates without a number that the host would have to read back."""

    class Net(ts.Supernet):
        def gates(self, ln_eta, uniform, temperature):
            lo, hi = math.log(ts.ETA0), math.log(ts.ETA1)
            u = 2 * (ln_eta - lo) / (hi - lo) - 1
            h = torch.tanh(self.l1w[:, 0] * u + self.l1b)
            h = torch.tanh(F.linear(h, self.l2w, self.l2b))
            tilt = -ts.KAPPA * u * self.rank
            logits = F.linear(h, self.l3w, self.l3b).view(self.K, 2, self.B).float() + tilt
            lp = torch.log_softmax(logits, -1)
            noise = -torch.log(-torch.log(uniform.clamp(1e-10, 1 - 1e-7)))
            return lp, lp.exp(), torch.softmax((lp + noise) / temperature, -1), torch.log_softmax(tilt, -1)

    return Net


def step_of(ts, compiled, quantizer, batch):
    """One step, as torch_step.supernet_step, without waiting; it returns the loss where it is."""
    torch.manual_seed(1)
    net = supernet(ts)(ts.MIXES[quantizer], ts.NORMS["native"], True)
    prepare = (lambda f: torch.compile(f, dynamic=False, fullgraph=True)) if compiled else (lambda f: f)
    loss_fn, similarity = prepare(net), prepare(net.similarity)
    groups = [net.w, net.rest, net.steps, net.theta]
    moments = [[torch.zeros_like(g.data) for _ in range(2)] for g in groups]
    scale = net.step_gradient_scale()
    x = torch.randn(batch, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (batch,))
    t, temperature = torch.zeros(()), torch.tensor(ts.TEMPERATURE)
    params, grads = [p for g in groups for p in g.params], [d for g in groups for d in g.grads]
    filters = [net.w.grads[i] for i, p in enumerate(net.w.params) if p.dim() == 5]
    lo, hi = math.log(ts.ETA0), math.log(ts.ETA1)

    def update(t):
        ts.sgd(net.w.data, net.w.grad, moments[0][0], 0.02, 1e-4)
        ts.sgd(net.rest.data, net.rest.grad, moments[1][0], 0.02, 0.0)
        ts.log_adam(net.steps.data, net.steps.grad, scale, *moments[2], t, 2e-3)
        ts.adam(net.theta.data, net.theta.grad, *moments[3], t, 5e-3)

    update_fn = prepare(update)

    def step():
        for g in groups:
            g.grad.zero_()
        total = torch.zeros(())
        for j, (xj, yj) in enumerate(zip(x.chunk(ts.G), labels.chunk(ts.G))):
            ln_eta = lo + (j + torch.rand(())) / ts.G * (hi - lo)
            with torch.autocast(ARGS.device, torch.bfloat16):
                loss = loss_fn(xj, yj, ln_eta, torch.rand(net.K, 2, net.B), temperature)
            ts.accumulate(loss, params, grads)
            total = total + loss.detach()
        ts.accumulate(similarity(), list(net.w_conv), filters)
        t.add_(1)
        with torch.no_grad():
            update_fn(t)
        return total

    return step


def supernet_steps(ts):
    """Every batch and variant; a variant that fails is told, as the others still count."""
    for compiled, quantizer in ((True, "function"), (False, "function"), (True, "ste")):
        for batch in ARGS.batches:
            name = f"{'compile' if compiled else 'eager'}, {quantizer}"
            if late():
                OUT["errors"].append(f"out of time: PyTorch's step, {name}, batch {batch}")
                continue
            if not GPU and compiled:
                continue
            try:
                torch._dynamo.reset()
                time_step(name, batch, step_of(ts, compiled, quantizer, batch))
            except Exception as e:  # Inductor's errors are of many kinds
                failed(f"PyTorch's step, {name}, batch {batch}", e)


def time_step(name, batch, step):
    loss = 0.0
    for _ in range(5 if GPU else 1):
        loss = float(step())
    if not math.isfinite(loss):
        OUT["errors"].append(f"PyTorch's step, {name}, batch {batch}: the loss is {loss}")
    ways = {name: step}
    if GPU:
        try:
            ways[name + ", CUDA graph"] = captured(step, 1)
        except Exception as e:
            torch.cuda.synchronize()
            failed(f"capture of PyTorch's step, {name}, batch {batch}", e)
    for way, run in ways.items():
        times = [window(run, 16 if GPU else 1) / (16 if GPU else 1) for _ in range(9 if GPU else 1)]
        OUT["steps"].append(dict(variant=way, batch=batch, median_seconds=statistics.median(times)))
        if math.isfinite(loss):
            OUT["steps"][-1]["last_loss"] = loss
        save()


def main():
    with open(ARGS.layers) as f:
        layers = json.load(f)
    torch.set_default_device(ARGS.device)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True
    torch.backends.cuda.matmul.allow_tf32 = True
    OUT["device"] = torch.cuda.get_device_name() if GPU else "cpu"
    save()
    convolutions(layers, "bf16")
    try:
        supernet_steps(rival())
    except Exception as e:
        failed("PyTorch's step", e)
    convolutions(layers, "tf32")
    save()


if __name__ == "__main__":
    main()
