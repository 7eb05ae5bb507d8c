#!/usr/bin/env python3
"""Checks ONNX export against ONNX Runtime (pip install onnxruntime onnx numpy; not part of CI).

  tests/examples/export/onnx_check.py build/bin/onnx_sample

The program writes every shipped model as ONNX, with inputs and minima's outputs as .npy.
"""
import glob
import os
import subprocess
import sys
import tempfile

import numpy
import onnx
import onnxruntime


def main():
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.argv[1], folder], check=True)
        paths = sorted(glob.glob(os.path.join(folder, "*.onnx")))
        for path in paths:
            onnx.checker.check_model(onnx.load(path), full_check=True)
            x, expected = (numpy.load(path[:-5] + end) for end in (".x.npy", ".y.npy"))
            got = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"input": x})[0]
            error = float(numpy.max(numpy.abs(got - expected) / numpy.maximum(1, numpy.abs(expected))))
            worst = max(worst, error)
            print("%-16s %10.2e" % (os.path.basename(path)[:-5], error))
    print("%d models, worst %.2e" % (len(paths), worst))
    return 0 if paths and worst < 1e-5 else 1


if __name__ == "__main__":
    sys.exit(main())
