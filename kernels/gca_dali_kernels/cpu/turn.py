"""Transposition of float32 arrays, by squares of eight that stay in registers.

Numba cannot say "shuffle"; element by element the transposition took a third of a view's
resampling. `turn_square` is LLVM's vector instructions instead, on any processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.errors import TypingError
from numba.extending import intrinsic

from gca_dali_kernels.cpu.compiled import borrowing

NUM_TURNED = 8
# One lane of each of two vectors in turn, from their lower and upper halves.
LOWER = [lane for pair in range(4) for lane in (pair, pair + NUM_TURNED)]
UPPER = [lane + 4 for lane in LOWER]


@intrinsic
def turn_square(_typing, source, y, x, target, target_y, target_x):
    """Write the square of `source` at (y, x), transposed, to `target` at (target_y, target_x).

    Both are float32, [rows, columns] and contiguous; nothing is checked when it runs.
    """
    for array in (source, target):
        if not (isinstance(array, types.Array) and array.layout == "C" and array.ndim == 2):
            raise TypingError(f"turn_square takes contiguous arrays of two axes, got {array}")
        if array.dtype != types.float32:
            raise TypingError(f"turn_square takes float32, got {array.dtype}")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = ir.VectorType(ir.FloatType(), NUM_TURNED)
        lanes = ir.VectorType(ir.IntType(32), NUM_TURNED)

        def find_rows(first: int) -> list[Any]:
            kind, (value, y, x) = signature.args[first], arguments[first : first + 3]
            array = context.make_array(kind)(context, builder, value)
            width = builder.extract_value(array.shape, 1)
            offsets = (builder.add(y, ir.Constant(y.type, k)) for k in range(NUM_TURNED))
            starts = (builder.add(builder.mul(offset, width), x) for offset in offsets)
            cells = (builder.gep(array.data, [start]) for start in starts)
            return [builder.bitcast(cell, vector.as_pointer()) for cell in cells]

        rows = [builder.load(row, align=4) for row in find_rows(0)]
        # Three rounds of taking lanes in turn from rows i and i + 4 are the transposition.
        for _ in range(3):
            rows = [
                builder.shuffle_vector(rows[i], rows[i + 4], ir.Constant(lanes, half))
                for i in range(4)
                for half in (LOWER, UPPER)
            ]
        for row, place in zip(rows, find_rows(3), strict=True):
            builder.store(row, place, align=4)
        return context.get_dummy_value()

    place = (types.intp, types.intp)
    return types.void(source, *place, target, *place), generate


@borrowing
def turn_rows(rows, first_row, num_columns, first, turned) -> None:
    """Write eight rows, from `first_row` on, as eight columns of `turned`, from `first` on."""
    whole = num_columns - num_columns % NUM_TURNED
    for x in range(0, whole, NUM_TURNED):
        turn_square(rows, first_row, x, turned, x, first)  # pyright: ignore[reportCallIssue]
    for x in range(whole, num_columns):
        for k in range(NUM_TURNED):
            turned[x, first + k] = rows[first_row + k, x]


@borrowing
def transpose(source, target) -> None:
    """Write the transposed array."""
    num_rows, num_columns = source.shape
    whole = num_rows - num_rows % NUM_TURNED
    for first in range(0, whole, NUM_TURNED):
        turn_rows(source, first, num_columns, first, target)
    for i in range(whole, num_rows):
        for j in range(num_columns):
            target[j, i] = source[i, j]
