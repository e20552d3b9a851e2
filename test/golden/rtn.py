"""int4 round-to-nearest in blocks, and back: what a weight is after quantisation, in NumPy alone.

Written from ONNX Runtime's quantiser (onnxruntime/core/mlas/lib/q4_dq.cpp), not from aipc's code, so that the two can
be compared; `python rtn.py` checks it against onnxruntime itself, on weights with many exact ties. Blocks run along the
inputs (columns). Symmetric: the scale is the signed value of largest magnitude over -8 and the zero point 8.
Asymmetric: the scale is the range, widened to hold 0, over 15, and the zero point a whole number from 0 to 15. Halves
round away from zero, in fp32.
"""

import numpy as np

ONE = np.float32(1)


def int4_codes(weights: np.ndarray, block_size: int, symmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """fp32 [rows, columns] -> codes 0-15 [rows, blocks, block size], scales and zero points [rows, blocks, 1], fp32."""
    rows, columns = weights.shape
    assert columns % block_size == 0, f"{columns} columns do not divide into blocks of {block_size}"
    blocks = weights.astype(np.float32).reshape(rows, columns // block_size, block_size)
    low, high = blocks.min(axis=-1, keepdims=True), blocks.max(axis=-1, keepdims=True)
    if symmetric:
        scale = np.where(np.abs(high) > np.abs(low), high, low) / np.float32(-8)
        zero_point = np.full_like(scale, 8)
    else:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
        scale = (high - low) / np.float32(15)
        zero_point = np.clip(np.floor(-low / np.where(scale == 0, ONE, scale) + np.float32(0.5)), 0, 15)
    reciprocal = np.where(scale == 0, np.float32(0), ONE / np.where(scale == 0, ONE, scale))
    position = blocks * reciprocal + zero_point
    assert position.dtype == np.float32
    # In fp64 the added half is exact: a sum in fp32 would round the largest number below a half up.
    codes = np.clip(np.floor(position.astype(np.float64) + 0.5), 0, 15).astype(np.float32)
    return codes, scale, zero_point


def int4_round_trip(weights: np.ndarray, block_size: int, symmetric: bool) -> np.ndarray:
    """[rows, columns] fp32 -> the fp32 values that 4 bits, one fp32 scale and one zero point for each block stand for."""
    codes, scale, zero_point = int4_codes(weights, block_size, symmetric)
    return ((codes - zero_point) * scale).reshape(weights.shape)


def check_against_onnxruntime() -> None:
    from onnxruntime.capi._pybind_state import quantize_matmul_4bits

    random = np.random.default_rng(1)
    for stored in (np.float32, np.float16):
        for block_size in (16, 32, 64, 128):
            for symmetric in (True, False):
                rows, columns = 96, 256
                weights = random.standard_normal((rows, columns)).astype(stored).astype(np.float32)
                weights[::7] = np.round(weights[::7] * 4) / 4  # ties everywhere
                blocks = columns // block_size
                packed = np.zeros((rows, blocks, block_size // 2), np.uint8)
                scales = np.zeros(rows * blocks, np.float32)
                zero_points = np.zeros(rows * ((blocks + 1) // 2), np.uint8)
                quantize_matmul_4bits(
                    packed, np.ascontiguousarray(weights.T), scales, zero_points, block_size, rows, columns, symmetric
                )
                codes, scale, _ = int4_codes(weights, block_size, symmetric)
                theirs = np.stack([packed & 15, packed >> 4], axis=-1).reshape(codes.shape)
                different = int((theirs != codes).sum())
                assert (scales == scale.ravel()).all(), (stored, block_size, symmetric)
                assert different == 0, f"{different} of {codes.size} codes differ: {(stored, block_size, symmetric)}"
    print("equal to onnxruntime's quantiser")


if __name__ == "__main__":
    check_against_onnxruntime()
