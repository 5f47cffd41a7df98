"""Explains each image, of those that a child's float form and its exact form put into different classes in onnxruntime:
explain_ties.py FLOAT.onnx EXACT.onnx IMAGES N C H W; IMAGES is float32, raw, [N,C,H,W].

Both files hold the same codes. An image is explained where the first layer whose input codes differ differs by one code, and only for
values that lie within TIE steps of the tie between the two: all layers before it had equal codes, so that nothing but rounding
differs there, and what follows computes on other codes. Prints a line an image; exits with 1 where one is not explained.
"""
import sys

import numpy as np
import onnx
import onnxruntime as ort

TIE = 2e-4


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


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


def explain(layers, seen, outputs, i):
    """Where the two part on image i; the second result tells whether that is a tie."""
    classes = " and ".join(str(o[i].argmax()) for o in outputs)
    for a, b in zip(*layers):
        codes = [v[l[4]][i] - l[3] for v, l in zip(seen, (a, b))]
        apart = codes[0] != codes[1]
        if not apart.any():
            continue
        steps = [v[l[1]][i][apart].astype(np.float64) / l[2] for v, l in zip(seen, (a, b))]
        tie = (codes[0][apart] + codes[1][apart]) / 2
        far = max(np.abs(s - tie).max() for s in steps)
        jump = np.abs(codes[0][apart] - codes[1][apart]).max()
        text = f"codes part at {a[0]}, at {apart.sum()} of {apart.size}, by {jump:.0f}, at most {far:.1e} steps from a tie"
        gaps = [np.diff(np.sort(o[i])[-2:])[0] for o in outputs]
        return f"classes {classes}: {text}; the two best logits lie {gaps[0]:.3f} and {gaps[1]:.3f} apart", jump == 1 and far < TIE
    return f"classes {classes}: all codes are equal", False


models = [onnx.load(path) for path in sys.argv[1:3]]
x = np.fromfile(sys.argv[3], np.float32).reshape([int(v) for v in sys.argv[4:8]])
layers = [list(quantizers(m)) for m in models]
found = [values(m, [(l[1], False) for l in layer] + [(l[4], True) for l in layer], x) for m, layer in zip(models, layers)]
outputs, seen = zip(*found)
unexplained = 0
for i in range(len(x)):
    text, tie = explain(layers, seen, outputs, i)
    unexplained += not tie
    print(f"{text}{'' if tie else ': NOT EXPLAINED'}")
sys.exit(unexplained > 0)
