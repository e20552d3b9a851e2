"""int4 round-to-nearest in blocks, and back: what a weight is after quantisation, in NumPy alone.

Written from ONNX Runtime's definition of MatMulNBits, not from aipc's code, so that the two can be compared. Blocks run
along the inputs (columns). Symmetric: the scale is the signed value of largest magnitude over -8 and the zero point 8;
asymmetric: the range, widened to hold 0, over 15, and the zero point a whole number from 0 to 15.
"""

import numpy as np


def int4_round_trip(weights: np.ndarray, block_size: int, symmetric: bool) -> np.ndarray:
    """[rows, columns] fp32 -> the fp32 values that 4 bits, one fp32 scale and one zero point for each block stand for."""
    rows, columns = weights.shape
    assert columns % block_size == 0, f"{columns} columns do not divide into blocks of {block_size}"
    blocks = weights.astype(np.float32).reshape(rows, columns // block_size, block_size)
    if symmetric:
        largest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=-1, keepdims=True), axis=-1)
        scale = (largest / np.float32(-8)).astype(np.float32)
        zero_point = np.float32(8)
    else:
        low = np.minimum(blocks.min(axis=-1, keepdims=True), np.float32(0))
        high = np.maximum(blocks.max(axis=-1, keepdims=True), np.float32(0))
        scale = ((high - low) / np.float32(15)).astype(np.float32)
        zero_point = np.clip(np.rint(-low / np.where(scale == 0, np.float32(1), scale)), 0, 15)
    safe_scale = np.where(scale == 0, np.float32(1), scale)
    codes = np.clip(np.rint(blocks / safe_scale) + zero_point, 0, 15)
    return ((codes - zero_point) * scale).astype(np.float32).reshape(rows, columns)
