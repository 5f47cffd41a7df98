"""Runs ONNX files in onnxruntime, one thread, default session options but for logs: run_onnxruntime.py JOBS.

JOBS is a JSON list of [model, images, out, [n, c, h, w]]: images is float32, raw; out gets the first output, float32, raw. Every file must pass
the onnx package's checker too. Prints a line a file: the milliseconds that an image took.
"""
import json
import sys
import time

import numpy as np
import onnx
import onnxruntime as ort

BATCH = 100
with open(sys.argv[1]) as f:
    jobs = json.load(f)
for model, images, out, shape in jobs:
    onnx.checker.check_model(onnx.load(model), full_check=True)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    x = np.fromfile(images, np.float32).reshape(shape)
    name = session.get_inputs()[0].name
    start = time.perf_counter()
    y = [session.run(None, {name: x[i : i + BATCH]})[0] for i in range(0, len(x), BATCH)]
    took = time.perf_counter() - start
    np.concatenate(y).astype(np.float32).tofile(out)
    print(f"onnxruntime {ort.__version__}: {1e3 * took / len(x):.3f} ms an image")
