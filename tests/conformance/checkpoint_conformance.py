#!/usr/bin/env python3
"""Compares what Cairn reads from GGUF files with what the gguf package reads: tensor by tensor, bit by bit.

usage: checkpoint_conformance.py CAIRN_TENSORS FILE.gguf…     (gguf 0.19.0; cairn_tensors is built beside the tests)
"""
import json
import subprocess
import sys
import zlib

import gguf
import numpy as np


def differences(program, path):
    lines = subprocess.run([program, path], check=True, capture_output=True, text=True).stdout.splitlines()
    ours = {entry["stored_name"]: entry for entry in map(json.loads, lines)}
    theirs = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    for name in ours.keys() ^ theirs.keys():
        yield f"{name}: read by one of the two only"
    for name in ours.keys() & theirs.keys():
        entry, tensor = ours[name], theirs[name]
        if entry["dtype"] != tensor.tensor_type.name.lower():
            yield f"{name}: {entry['dtype']} against {tensor.tensor_type.name}"
        if entry["shape"] != tensor.shape.tolist()[::-1]:
            yield f"{name}: {entry['shape']} against {tensor.shape.tolist()[::-1]}"
        values = np.ascontiguousarray(gguf.dequantize(tensor.data, tensor.tensor_type), np.float32)
        if entry["crc32"] != zlib.crc32(values):
            yield f"{name}: decoded values differ"


def main():
    program, *paths = sys.argv[1:]
    if not paths:
        sys.exit(__doc__)
    failed = False
    for path in paths:
        found = list(differences(program, path))
        failed = failed or bool(found)
        print(f"{path}: {len(found)} differences", *found, sep="\n  ")
    sys.exit(failed)


if __name__ == "__main__":
    main()
