"""Golden vectors for src/convert/quantise.ts, from ONNX Runtime's own block-wise quantiser.

    python make_quantise_golden.py      (needs numpy and onnxruntime; made with the versions named in quantise.json)

Writes quantise.json: for each case the weights (base64 of little-endian f32 [rows, columns]) and what they become in
the kernels that onnxruntime.quantization.matmul_nbits_quantizer (DefaultWeightOnlyQuantizer.qbits_block_quant) and,
through it, onnxruntime-genai's builder call.
The weights hold what is easy to get wrong: rows of zeros, of one sign, ties in rounding, subnormal numbers,
columns that do not fill the last block, an odd number of blocks.
"""

import base64
import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnxruntime.capi._pybind_state import quantize_matmul_4bits, quantize_matmul_8bits

CASES = [
    # bits, symmetric, block size, columns
    *[(bits, symmetric, 16, 48) for bits in (4, 8) for symmetric in (True, False)],
    *[(bits, symmetric, 32, 100) for bits in (4, 8) for symmetric in (True, False)],
    *[(4, symmetric, size, size + 16) for size in (64, 128, 256) for symmetric in (True, False)],
    (8, True, 128, 144),
    (8, False, 256, 272),
]


def weights_for(columns: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((12, columns)).astype(np.float32)
    w[0] = 0
    w[1] = np.abs(w[1])
    w[2] = -np.abs(w[2])
    w[3] = 0.75
    w[4] = rng.integers(-32, 33, columns) / 4  # with the -8 below: scale 1 (4 bits, symmetric), many ties
    w[4, ::16] = -8
    w[5] = rng.integers(0, 61, columns) / 4  # with the ends below: scale 1 (4 bits, asymmetric), many ties
    w[5, ::16], w[5, 1::16] = 0, 15
    w[6] = rng.integers(-256, 256, columns) / 2  # ties for 8 bits
    w[6, ::16] = -128
    w[7] = rng.integers(0, 511, columns) / 2
    w[7, ::16], w[7, 1::16] = 0, 255
    w[8] *= np.float32(1e-38)
    w[9, 1:] = 0
    return w


def quantise(weights: np.ndarray, bits: int, block_size: int, symmetric: bool) -> tuple[np.ndarray, ...]:
    """f32 [rows, columns] -> values, scales, zero points, in buffers shaped as qbits_block_quant shapes them."""
    rows, columns = weights.shape
    blocks = -(-columns // block_size)
    transposed = np.ascontiguousarray(np.pad(weights.T, ((0, blocks * block_size - columns), (0, 0))))
    values = np.zeros((rows, blocks, block_size * bits // 8), np.uint8)
    zero_points = np.zeros((rows, -(-blocks * bits // 8)), np.uint8)
    scales = np.zeros((rows, blocks), np.float32)
    kernel = quantize_matmul_4bits if bits == 4 else quantize_matmul_8bits
    kernel(values, transposed, scales, zero_points, block_size, rows, columns, symmetric)
    return values, scales, zero_points


def encode(array: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def main() -> None:
    cases = []
    for bits, symmetric, block_size, columns in CASES:
        weights = weights_for(columns, seed=bits * 1000 + block_size + symmetric)
        values, scales, zero_points = quantise(weights, bits, block_size, symmetric)
        cases.append(
            {
                "bits": bits,
                "symmetric": symmetric,
                "blockSize": block_size,
                "columnCount": columns,
                "weights": encode(weights),
                "values": encode(values),
                "scales": encode(scales),
                "zeroPoints": None if symmetric else encode(zero_points),
            }
        )
    golden = {"madeBy": {"onnxruntime": onnxruntime.__version__, "numpy": np.__version__}, "cases": cases}
    Path(__file__).with_name("quantise.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
