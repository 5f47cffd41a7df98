"""Seconds an image of ResNet-18 and MobileNet-v2 in PyTorch, fp32, 224x224: training and forward, on this machine's CPU.

What `[imagenet.*]` of an experiment file holds is from here: the time of one image that the table of search times on
ImageNet multiplies image passes by. The nets are those of He et al. 2016 and Sandler et al. 2018; their values are random.

    python bench/imagenet_step.py --threads 2
"""
import argparse
import time

import torch
from torch import nn


def conv_norm(i, o, size, stride=1, groups=1, act=None):
    layers = [nn.Conv2d(i, o, size, stride, size // 2, groups=groups, bias=False), nn.BatchNorm2d(o)]
    return nn.Sequential(*layers, *([act] if act else []))


class Basic(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.body = nn.Sequential(conv_norm(i, o, 3, stride, act=nn.ReLU()), conv_norm(o, o, 3))
        self.short = conv_norm(i, o, 1, stride) if stride > 1 or i != o else nn.Identity()

    def forward(self, x):
        return torch.relu(self.body(x) + self.short(x))


def resnet18():
    layers, i = [conv_norm(3, 64, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)], 64
    for o, stride in (64, 1), (128, 2), (256, 2), (512, 2):
        layers += [Basic(i, o, stride), Basic(o, o, 1)]
        i = o
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000))


class Inverted(nn.Module):
    def __init__(self, i, o, stride, expand):
        super().__init__()
        hidden = i * expand
        layers = [conv_norm(i, hidden, 1, act=nn.ReLU6())] if expand > 1 else []
        self.body = nn.Sequential(*layers, conv_norm(hidden, hidden, 3, stride, hidden, nn.ReLU6()), conv_norm(hidden, o, 1))
        self.add = stride == 1 and i == o

    def forward(self, x):
        return x + self.body(x) if self.add else self.body(x)


def mobilenetv2():
    layers, i = [conv_norm(3, 32, 3, 2, act=nn.ReLU6())], 32
    for expand, o, repeats, stride in (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1):
        for r in range(repeats):
            layers.append(Inverted(i, o, stride if r == 0 else 1, expand))
            i = o
    return nn.Sequential(*layers, conv_norm(320, 1280, 1, act=nn.ReLU6()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


def seconds(f, batch, repeats):
    f()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        f()
        times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2] / batch


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--threads", type=int, default=torch.get_num_threads())
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--repeats", type=int, default=5)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    for name, net, macs in ("resnet18", resnet18(), 1814.07), ("mobilenetv2", mobilenetv2(), 300.77):
        net = net.to(memory_format=torch.channels_last)
        x = torch.randn(a.batch, 3, 224, 224).to(memory_format=torch.channels_last)
        y = torch.randint(1000, (a.batch,))
        optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)

        def step():
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

        def forward():
            with torch.no_grad():
                net(x)

        net.train()
        train = seconds(step, a.batch, a.repeats)
        net.eval()
        print(f"[imagenet.{name}]\ntrain = {train:.4g}\nforward = {seconds(forward, a.batch, a.repeats):.4g}")
        print(f'source = "PyTorch {torch.__version__}, fp32, channels last, batch {a.batch}, {a.threads} threads, {torch.backends.cpu.get_cpu_capability()}; {macs} M MACs"\n')


if __name__ == "__main__":
    main()
