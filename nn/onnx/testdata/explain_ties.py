"""Explains each image that a child's float form and its exact form put into different classes in onnxruntime:
explain_ties.py FLOAT.onnx EXACT.onnx IMAGES N C H W; IMAGES is float32, raw, [N,C,H,W].

Both files hold the same codes. An image is explained where the first layer whose input codes differ differs by one code, and only for
values that lie within TIE steps of the tie between the two: all layers before it had equal codes, so that nothing but rounding
differs there, and what follows computes on other codes. Prints a line an image; exits with 1 where one is not explained.
"""
import sys

import numpy as np
import onnx
import onnxruntime as ort

BATCH, TIE = 100, 2e-4


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def classes(model, x):
    s = session(model)
    return np.concatenate([s.run(["output"], {"input": x[i : i + BATCH]})[0].argmax(1) for i in range(0, len(x), BATCH)])


def quantizers(model):
    """Of each QuantizeLinear, in order: its input, scale, zero point and codes, clipped where the layer has fewer bits than the type."""
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    clipped = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type == "Clip"}
    for n in model.graph.node:
        if n.op_type == "QuantizeLinear":
            value, scale, zero = n.input
            codes = clipped.get(n.output[0], n.output[0])
            yield n.output[0], value, float(constants[scale]), int(constants[zero]), codes


def values(model, names, x):
    """Values by name; those that are no floats come by way of Cast, since NumPy has no narrow types."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    wanted = {}
    for i, (name, integers) in enumerate(names):
        if name == "input":
            continue
        out = name
        if integers:
            out = f"seen.{i}"
            opened.graph.node.append(onnx.helper.make_node("Cast", [name], [out], to=onnx.TensorProto.FLOAT))
        wanted[name] = out
        opened.graph.output.append(onnx.helper.make_tensor_value_info(out, onnx.TensorProto.FLOAT, None))
    got = session(opened).run(["output", *wanted.values()], {"input": x})
    return got[0], {"input": x, **dict(zip(wanted, got[1:]))}


def explain(models, x):
    """Where the two part; the second result tells whether that is a tie."""
    layers = [list(quantizers(m)) for m in models]
    seen, outputs = [], []
    for model, layer in zip(models, layers):
        names = [(l[1], False) for l in layer] + [(l[4], True) for l in layer]
        output, got = values(model, names, x)
        seen.append(got)
        outputs.append(output)
    for a, b in zip(*layers):
        codes = [v[l[4]] - l[3] for v, l in zip(seen, (a, b))]
        apart = codes[0] != codes[1]
        if not apart.any():
            continue
        steps = [v[l[1]][apart].astype(np.float64) / l[2] for v, l in zip(seen, (a, b))]
        tie = (codes[0][apart] + codes[1][apart]) / 2
        far = max(np.abs(s - tie).max() for s in steps)
        jump = np.abs(codes[0][apart] - codes[1][apart]).max()
        text = f"codes part at {a[0]}, at {apart.sum()} of {apart.size}, by {jump:.0f}, at most {far:.1e} steps from a tie"
        gaps = [np.diff(np.sort(o[0])[-2:])[0] for o in outputs]
        return f"{text}; the two best logits lie {gaps[0]:.3f} and {gaps[1]:.3f} apart", jump == 1 and far < TIE
    return "all codes are equal", False


models = [onnx.load(path) for path in sys.argv[1:3]]
x = np.fromfile(sys.argv[3], np.float32).reshape([int(v) for v in sys.argv[4:8]])
found = [classes(m, x) for m in models]
unexplained = 0
different = np.flatnonzero(found[0] != found[1])
for i in different:
    text, tie = explain(models, x[i : i + 1])
    unexplained += not tie
    print(f"image {i}: classes {found[0][i]} and {found[1][i]}: {text}{'' if tie else ': NOT EXPLAINED'}")
print(f"{len(different)} of {len(x)} images get another class, {unexplained} of them unexplained")
sys.exit(unexplained > 0)
