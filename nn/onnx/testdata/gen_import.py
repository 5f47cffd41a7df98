"""Writes the small nets of import_test.go and what onnxruntime computes with them, into this folder.

usage: gen_import.py torch|keras|paddle|style|answers DIGITS.csv.gz     (each with the packages that it imports; versions go into import.json)
  torch   torch.onnx, dynamo and legacy exporters        keras   tf.keras by tf2onnx
  paddle  paddle.onnx.export (paddlepaddle 3.3.1, paddle2onnx 2.1.0)
  style   onnx.helper: Paddle-style at an older opset, built by hand, and files that no exporter at hand writes
  answers onnxruntime's outputs of every import_*.onnx on eight images of the digits, import.json
"""
import glob, gzip, json, os, sys
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
path = lambda name: os.path.join(HERE, name)


def with_torch():
    import torch
    from torch import nn

    def cbr(i, o, k=3, s=1, g=1, d=1, act=nn.ReLU):
        pad = d * (k - 1) // 2
        return nn.Sequential(nn.Conv2d(i, o, k, s, pad, d, g, bias=False), nn.BatchNorm2d(o), act())

    class Residual(nn.Module):
        """A ResNet: basic block, strided block with a downsample, max pool, linear."""
        def __init__(self):
            super().__init__()
            self.stem, self.pool = cbr(1, 8), nn.MaxPool2d(3, 2, 1)
            self.conv1, self.conv2 = cbr(8, 8), nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8))
            self.down, self.conv3 = nn.Conv2d(8, 12, 1, 2), cbr(8, 12, s=2, act=nn.Identity)
            self.fc = nn.Linear(12, 10)
        def forward(self, x):
            x = self.pool(self.stem(x))
            x = torch.relu(self.conv2(self.conv1(x)) + x)
            x = torch.relu(self.conv3(x) + self.down(x))
            return self.fc(torch.flatten(nn.functional.adaptive_avg_pool2d(x, 1), 1))

    class Attention(nn.Module):
        """Blocks of timm's EfficientNet and MobileNet-v3: depthwise, squeeze and excite, SiLU, hard swish, dropout."""
        def __init__(self):
            super().__init__()
            self.conv_stem = cbr(1, 8, act=nn.SiLU)
            self.conv_dw = cbr(8, 8, 3, 2, 8, act=nn.Hardswish)
            self.reduce, self.expand = nn.Conv2d(8, 4, 1), nn.Conv2d(4, 8, 1)
            self.conv_pwl = cbr(8, 12, 1, act=nn.Identity)
            self.prelu, self.drop, self.classifier = nn.PReLU(12), nn.Dropout(0.2), nn.Linear(12, 10)
        def forward(self, x):
            x = self.conv_dw(self.conv_stem(x))
            x = x * torch.sigmoid(self.expand(torch.relu(self.reduce(x.mean((2, 3), keepdim=True)))))
            x = self.prelu(self.conv_pwl(x)).mean((2, 3))
            return torch.softmax(self.classifier(self.drop(x)), 1)

    class Dense(nn.Module):
        """DenseNet and VGG: norm before convolution, concatenation, average pool, dilation, a linear layer on 2x2 pixels."""
        def __init__(self):
            super().__init__()
            self.conv0, self.norm1 = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6)
            self.conv1, self.pool = nn.Conv2d(6, 6, 3, padding=2, dilation=2), nn.AvgPool2d(2)
            self.conv2 = nn.Conv2d(12, 8, (3, 3), padding=1, groups=4)
            self.act, self.fc1, self.fc2 = nn.LeakyReLU(0.1), nn.Linear(32, 16), nn.Linear(16, 10)
        def forward(self, x):
            x = self.conv0(x)
            x = self.pool(torch.cat([x, self.conv1(torch.relu(self.norm1(x)))], 1))
            x = nn.functional.max_pool2d(self.act(self.conv2(x)), 2)
            return self.fc2(nn.functional.relu6(self.fc1(x.view(x.size(0), -1))))

    class Upscale(nn.Module):
        """Super-resolution: pixel shuffle beside bilinear, nearest and a clamp."""
        def __init__(self):
            super().__init__()
            self.conv1, self.conv2 = nn.Conv2d(1, 8, 5, padding=2), nn.Conv2d(8, 4, 3, padding=1)
        def forward(self, x):
            y = nn.functional.pixel_shuffle(self.conv2(torch.tanh(self.conv1(x))), 2)
            y = y + nn.functional.interpolate(x, scale_factor=2, mode="bilinear")
            return y + nn.functional.hardsigmoid(nn.functional.interpolate(x, scale_factor=2, mode="nearest"))

    for name, net in ("resnet", Residual), ("attention", Attention), ("dense", Dense), ("upscale", Upscale):
        torch.manual_seed(6)
        m = net()
        for part in m.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.uniform_(-0.3, 0.3), part.running_var.uniform_(0.5, 2)
                nn.init.uniform_(part.weight, 0.5, 1.5), nn.init.uniform_(part.bias, -0.3, 0.3)
        m.eval()
        x = torch.randn(2, 1, 8, 8)
        torch.onnx.export(m, x, path(f"import_{name}_legacy.onnx"), dynamo=False, opset_version=13, input_names=["image"], output_names=["out"],
                          dynamic_axes={"image": {0: "batch"}, "out": {0: "batch"}})
        kept = dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False) if name == "resnet" else None
        if kept:
            torch.onnx.export(m, x, path("import_resnet_norms.onnx"), dynamo=False, opset_version=11, input_names=["image"],
                              dynamic_axes={"image": {0: "batch", 2: "height", 3: "width"}}, **kept)
        program = torch.onnx.export(m, (x,), dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)
        program.save(path(f"import_{name}_dynamo.onnx"), external_data=name == "dense")


def with_keras():
    import tensorflow as tf
    import tf2onnx
    L = tf.keras.layers
    tf.keras.utils.set_random_seed(6)
    x = i = tf.keras.Input((8, 8, 1))
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = L.Conv2D(8, 3, strides=2, use_bias=False)(x)
    x = L.BatchNormalization(moving_mean_initializer=tf.keras.initializers.RandomUniform(-.3, .3, seed=1),
                             moving_variance_initializer=tf.keras.initializers.RandomUniform(.5, 2, seed=2))(x)
    x = L.ReLU(6.0)(x)
    y = L.DepthwiseConv2D(3, padding="same")(x)
    y = L.Activation("hard_silu" if hasattr(tf.keras.activations, "hard_silu") else "relu")(y)
    y = L.Conv2D(8, 1, padding="same")(y)
    x = L.Concatenate()([L.Add()([x, y]), x])
    x = L.MaxPooling2D(2)(x)
    x = L.Flatten()(x)
    x = L.Dense(12, activation="swish")(x)
    m = tf.keras.Model(i, L.Dense(10, activation="softmax")(x))

    @tf.function(input_signature=[tf.TensorSpec((None, 8, 8, 1), tf.float32, name="image")])
    def run(image):
        return m(image, training=False)
    tf2onnx.convert.from_function(run, input_signature=run.input_signature, opset=13, output_path=path("import_keras.onnx"))


def with_paddle():
    import paddle
    from paddle import nn
    from paddle.nn import functional as F
    paddle.seed(6)

    class Net(nn.Layer):
        """Blocks of PP-LCNet and MobileNet-v3: hard swish, depthwise, squeeze and excite by hard sigmoid, a residual."""
        def __init__(self):
            super().__init__()
            conv = lambda i, o, k, **kw: nn.Sequential(nn.Conv2D(i, o, k, padding=k // 2, bias_attr=False, **kw), nn.BatchNorm2D(o))
            self.stem, self.dw, self.pw = conv(1, 8, 3), conv(8, 8, 3, stride=2, groups=8), conv(8, 8, 1)
            self.squeeze, self.excite = nn.Conv2D(8, 4, 1), nn.Conv2D(4, 8, 1)
            self.pool, self.fc = nn.AdaptiveAvgPool2D(1), nn.Linear(16, 10)
        def forward(self, x):
            x = F.relu6(self.dw(F.hardswish(self.stem(x))))
            x = x * F.hardsigmoid(self.excite(F.relu(self.squeeze(self.pool(x)))))
            x = paddle.concat([F.relu(self.pw(x) + x), x], axis=1)
            return F.softmax(self.fc(paddle.flatten(self.pool(x), 1)))

    net = Net()
    net.train()
    for _ in range(3):
        net(paddle.randn([16, 1, 8, 8]))
    net.eval()
    paddle.onnx.export(net, path("import_paddle"), input_spec=[paddle.static.InputSpec([None, 1, 8, 8], "float32", "x")], opset_version=13)


def with_style():
    import onnx
    from onnx import TensorProto, helper as h, numpy_helper as nph
    r = np.random.RandomState(6)
    w = lambda name, *s: nph.from_array((r.randn(*s) * (2 / np.prod(s[1:] or (4,))) ** .5).astype(np.float32), name)
    const = lambda name, v, t=np.float32: h.make_node("Constant", [], [name], value=nph.from_array(np.array(v, t), name))
    pos = lambda name, n: nph.from_array(r.uniform(.5, 2, n).astype(np.float32), name)
    nodes = [
        h.make_node("Conv", ["x", "conv2d_0.w_0"], ["conv2d_0.tmp_0"], "Conv.0", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], dilations=[1, 1], group=1),
        h.make_node("BatchNormalization", ["conv2d_0.tmp_0", "bn0.w_0", "bn0.b_0", "bn0.w_1", "bn0.w_2"], ["bn0.tmp"], "BatchNormalization.0", epsilon=1e-3, momentum=.9),
        # hard_swish as paddle2onnx writes it below opset 14
        const("three", 3), const("zero", 0), const("six", 6), const("scale", 6),
        h.make_node("Add", ["bn0.tmp", "three"], ["hs.add"], "Add.0"), h.make_node("Clip", ["hs.add", "zero", "six"], ["hs.clip"], "Clip.0"),
        h.make_node("Mul", ["bn0.tmp", "hs.clip"], ["hs.mul"], "Mul.0"), h.make_node("Div", ["hs.mul", "scale"], ["hs"], "Div.0"),
        h.make_node("Conv", ["hs", "conv2d_1.w_0"], ["conv2d_1.tmp_0"], "Conv.1", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1], dilations=[1, 1], group=8),
        # conv's bias as an elementwise_add of a reshaped constant
        const("shape", [1, 8, 1, 1], np.int64), h.make_node("Reshape", ["conv2d_1.b_0", "shape"], ["b1"], "Reshape.0"),
        h.make_node("Add", ["conv2d_1.tmp_0", "b1"], ["c1"], "Add.1"), h.make_node("HardSigmoid", ["c1"], ["hsig"], "HardSigmoid.0", alpha=1 / 6, beta=.5),
        h.make_node("Mul", ["c1", "hsig"], ["act1"], "Mul.1"),
        h.make_node("AveragePool", ["act1"], ["pool"], "AveragePool.0", kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1], count_include_pad=0),
        h.make_node("Concat", ["pool", "act1"], ["cat"], "Concat.0", axis=1),
        h.make_node("GlobalAveragePool", ["cat"], ["gap"], "GlobalAveragePool.0"),
        # flatten by the shape of the input
        h.make_node("Shape", ["gap"], ["gap.shape"], "Shape.0"), const("begin", [0], np.int64), const("end", [1], np.int64), const("minus", [-1], np.int64),
        h.make_node("Slice", ["gap.shape", "begin", "end"], ["n"], "Slice.0"), h.make_node("Concat", ["n", "minus"], ["flat.shape"], "Concat.1", axis=0),
        h.make_node("Reshape", ["gap", "flat.shape"], ["flat"], "Reshape.1"),
        h.make_node("MatMul", ["flat", "linear_0.w_0"], ["mm"], "MatMul.0"), h.make_node("Add", ["mm", "linear_0.b_0"], ["logits"], "Add.2"),
        h.make_node("Softmax", ["logits"], ["out"], "Softmax.0", axis=1)]
    inits = [w("conv2d_0.w_0", 8, 1, 3, 3), pos("bn0.w_0", 8), w("bn0.b_0", 8), w("bn0.w_1", 8), pos("bn0.w_2", 8), w("conv2d_1.w_0", 8, 1, 3, 3), w("conv2d_1.b_0", 8),
             w("linear_0.w_0", 16, 10), w("linear_0.b_0", 10)]
    value = lambda name, *s: h.make_tensor_value_info(name, TensorProto.FLOAT, s)
    save = lambda name, nodes, inits, x, y, opset=13: onnx.save(h.make_model(h.make_graph(nodes, name, [x], [y], inits),
                                                                opset_imports=[h.make_opsetid("", opset)], ir_version=8, producer_name="gen_import.py"), path(f"import_{name}.onnx"))
    save("paddle_style", nodes, inits, value("x", "N", 1, 8, 8), value("out", "N", 10))

    # ResNet's option A: a strided slice, padded in the channels
    nodes = [h.make_node("Conv", ["x", "conv1.weight", "conv1.bias"], ["a"], pads=[1, 1, 1, 1]), h.make_node("Relu", ["a"], ["b"]),
             h.make_node("Conv", ["b", "conv2.weight", "conv2.bias"], ["c"], strides=[2, 2], auto_pad="SAME_UPPER"),
             const("starts", [0, 0], np.int64), const("ends", [2**62, 2**62], np.int64), const("axes", [2, 3], np.int64), const("steps", [2, 2], np.int64),
             h.make_node("Slice", ["b", "starts", "ends", "axes", "steps"], ["s"]),
             const("pads", [0, 2, 0, 0, 0, 2, 0, 0], np.int64), h.make_node("Pad", ["s", "pads"], ["p"]),
             h.make_node("Add", ["c", "p"], ["d"]), h.make_node("Relu", ["d"], ["e"]),
             h.make_node("MaxPool", ["e"], ["f"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
             h.make_node("Flatten", ["f"], ["g"]), h.make_node("Gemm", ["g", "fc.weight", "fc.bias"], ["out"], alpha=.5, transB=1)]
    save("option_a", nodes, [w("conv1.weight", 4, 1, 3, 3), w("conv1.bias", 4), w("conv2.weight", 8, 4, 3, 3), w("conv2.bias", 8), w("fc.weight", 10, 32), w("fc.bias", 10)],
         value("x", 1, 1, 8, 8), value("out", 1, 10))

    # One filter and one bias for three convolutions, as of a head that is run on every scale; kinds of Resize that PyTorch's exporters write.
    def resize(x, out, **kw):
        return [const(out + ".sizes", [1, 4, 12, 12], np.int64), h.make_node("Resize", [x, "", "", out + ".sizes"], [out], **kw)]
    nodes = [h.make_node("Conv", ["x", "stem.weight", "stem.bias"], ["a"], pads=[1, 1, 1, 1]),
             h.make_node("Conv", ["a", "head.weight", "head.bias"], ["b"], "head1", pads=[1, 1, 1, 1]),
             h.make_node("Conv", ["b", "head.weight", "head.bias"], ["c"], "head2", pads=[2, 2, 2, 2], dilations=[2, 2]),
             *resize("a", "d", mode="cubic", coordinate_transformation_mode="half_pixel", cubic_coeff_a=-.75),
             *resize("b", "e", mode="cubic", coordinate_transformation_mode="align_corners", cubic_coeff_a=-.75),
             *resize("c", "f", mode="linear", coordinate_transformation_mode="align_corners"),
             *resize("a", "g", mode="linear", coordinate_transformation_mode="asymmetric"),
             *resize("b", "i", mode="nearest", coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_floor"),
             h.make_node("Sum", ["d", "e", "f"], ["j"]), h.make_node("Add", ["g", "i"], ["k"]), h.make_node("Concat", ["j", "k"], ["l"], axis=1),
             h.make_node("BatchNormalization", ["l", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"], ["m"]),
             h.make_node("GlobalAveragePool", ["m"], ["n"]), h.make_node("Flatten", ["n"], ["o"]),
             h.make_node("Conv", ["m", "head2.weight", "head.bias"], ["p"], "head3", strides=[2, 2]), h.make_node("GlobalAveragePool", ["p"], ["q"]),
             h.make_node("Flatten", ["q"], ["s"]), h.make_node("Concat", ["o", "s"], ["t"], axis=1),
             h.make_node("Gemm", ["t", "fc.weight", "fc.bias"], ["out"], transB=1)]
    save("shared_resize", nodes, [w("stem.weight", 4, 1, 3, 3), w("stem.bias", 4), w("head.weight", 4, 4, 3, 3), w("head.bias", 4), w("head2.weight", 4, 8, 3, 3),
                                  pos("norm.weight", 8), w("norm.bias", 8), w("norm.running_mean", 8), pos("norm.running_var", 8), w("fc.weight", 10, 12), w("fc.bias", 10)],
         value("x", "N", 1, 8, 8), value("out", "N", 10))


def answers(digits):
    import onnx, onnxruntime as ort
    rows = np.loadtxt(gzip.open(digits), delimiter=",", dtype=np.float32)[:8]
    x = (rows[:, :64] / 16).reshape(-1, 1, 8, 8)
    out = {"versions": {"onnxruntime": ort.__version__, "onnx": onnx.__version__, "numpy": np.__version__}, "pixels": [int(v) for v in rows[:, :64].ravel()], "nets": {}}
    for file in sorted(glob.glob(path("import_*.onnx"))):
        m = onnx.load(file)
        # what a final softmax reads is the answer
        last = m.graph.node[-1]
        if last.op_type == "Softmax":
            m.graph.output[0].name = last.input[0]
            del m.graph.node[-1]
        s = ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"])
        i = s.get_inputs()[0]
        images = x.transpose(0, 2, 3, 1) if list(i.shape[1:]) == [8, 8, 1] else x
        y = np.concatenate([s.run(None, {i.name: images[j:j + 1]})[0] for j in range(len(x))])
        name = os.path.basename(file)
        out["nets"][name] = {"producer": f"{m.producer_name} {m.producer_version}".strip(), "opset": m.opset_import[0].version, "shape": list(y.shape),
                             "out": [float(np.float32(v)) for v in y[:8 if y.ndim == 2 else 2].ravel()]}
    json.dump(out, open(path("import.json"), "w"), separators=(",", ":"))


{"torch": with_torch, "keras": with_keras, "paddle": with_paddle, "style": with_style}.get(sys.argv[1], lambda: answers(sys.argv[2]))()
