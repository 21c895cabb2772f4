"""The Triton kernel; `triton_kernel` decides how it is launched."""
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

# Triton specialises on sizes that are 1 or divisible by 16. Only what the innermost addresses depend on is worth it.
_PLAIN = [
    *("depth", "height", "width", "out_depth", "out_height", "out_width", "channels", "row_blocks", "column_blocks"),
    *("x_n", "x_c", "x_z", "x_y", "out_n", "out_c", "out_z", "out_y", "z_taps", "y_taps"),
]


@triton.jit(do_not_specialize=_PLAIN)
def resample_kernel(
    x,
    out,
    index,
    taps,
    depth,
    height,
    width,
    out_depth,
    out_height,
    out_width,
    channels,
    row_blocks,
    column_blocks,
    x_n,
    x_c,
    x_z,
    x_y,
    x_x,
    out_n,
    out_c,
    out_z,
    out_y,
    out_x,
    z_taps,
    y_taps,
    X_TAPS: tl.constexpr,
    UNROLLED: tl.constexpr,
    DEEP: tl.constexpr,
    COPIES: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    TO_UINT8: tl.constexpr,
    SUM: tl.constexpr,
    OFFSET: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Compute `ROWS` rows of one plane, `COLUMNS` samples wide, where a column is a pair of channel and position.

    Every input row that one of the output rows reads is resampled along the fast axis once and then added to all
    output rows that read it. Per output sample this loads a fraction of the taps.

    Args:
        x, out: the samples; strides are `x_n` … `x_x` and `out_n` … `out_x`.
        index: for each axis, z, y and x, the first input sample of every output sample, then the number of taps.
        taps: the weights, of shapes (out_depth, z_taps), (out_height, y_taps) and (X_TAPS, out_width).
        depth, height, width, out_depth, out_height, out_width, channels: sizes.
        row_blocks, column_blocks: the number of tiles of a plane.
        z_taps, y_taps, X_TAPS: the largest number of taps along each axis.
        UNROLLED: whether the loop over the taps of the fast axis is unrolled.
        DEEP: whether the z axis is resampled.
        COPIES: whether every output sample is a copy of one input sample.
        CHANNELS_LAST: whether neighbouring columns are neighbouring channels, rather than positions.
        TO_UINT8: whether results are rounded half to even and saturated.
        SUM: the dtype of the sums.
        OFFSET: the dtype of offsets within a row of all channels.
    """
    program = tl.program_id(0)
    column_block = program % column_blocks
    program = program // column_blocks
    row_block = program % row_blocks
    program = program // row_blocks
    out_plane = program % out_depth
    image = (program // out_depth).to(tl.int64)

    columns = column_block * COLUMNS + tl.arange(0, COLUMNS)
    is_column = columns < channels * out_width
    columns = tl.minimum(columns, channels * out_width - 1)
    if CHANNELS_LAST:
        channel, position = columns % channels, columns // channels
    else:
        channel, position = columns // out_width, columns % out_width
    rows = row_block * ROWS + tl.arange(0, ROWS)
    is_row = rows < out_height
    rows = tl.minimum(rows, out_height - 1)

    y_index = index + 2 * out_depth
    x_index = y_index + 2 * out_height
    z_weights = taps + out_plane * z_taps
    y_weights = taps + out_depth * z_taps + rows * y_taps
    x_weights = taps + out_depth * z_taps + out_height * y_taps + position
    z_first = tl.load(index + out_plane)
    y_first = tl.load(y_index + rows)
    x_first = tl.load(x_index + position)

    source = x + image * x_n
    lane = channel.to(OFFSET) * x_c
    if COPIES:
        line = source + z_first.to(tl.int64) * x_z + y_first.to(tl.int64) * x_y
        result = tl.load(line[:, None] + (lane + x_first.to(OFFSET) * x_x)[None, :])
    else:
        z_count = tl.load(index + out_depth + out_plane)
        y_stop = y_first + tl.load(y_index + out_height + rows)
        x_count = tl.load(x_index + out_width + position)
        result = tl.zeros([ROWS, COLUMNS], SUM)
        for y in range(tl.min(y_first, 0), tl.max(y_stop, 0)):
            row = source + tl.minimum(tl.maximum(y, 0), height - 1).to(tl.int64) * x_y
            if DEEP:
                line = tl.zeros([COLUMNS], SUM)
                for z in range(z_count):
                    plane = tl.minimum(tl.maximum(z_first + z, 0), depth - 1).to(tl.int64)
                    line += tl.load(z_weights + z) * _resample_row(
                        row + plane * x_z, lane, x_x, x_first, x_count, x_weights, width, out_width,
                        X_TAPS, UNROLLED, SUM, OFFSET, COLUMNS,
                    )  # fmt: skip
            else:
                line = _resample_row(
                    row + z_first.to(tl.int64) * x_z, lane, x_x, x_first, x_count, x_weights, width, out_width,
                    X_TAPS, UNROLLED, SUM, OFFSET, COLUMNS,
                )  # fmt: skip
            reads = (y >= y_first) & (y < y_stop)
            weights = tl.load(y_weights + (y - y_first), mask=reads, other=0.0)
            # A row that is not read may hold infinity or NaN, of which zero times is NaN.
            result += tl.where(reads[:, None], weights[:, None] * line[None, :], 0.0)
    if TO_UINT8:
        result = tl.minimum(tl.maximum(result, 0.0), 255.0)
        result = (result + 12582912.0) - 12582912.0  # 1.5 · 2²³, beyond which float32 has no fractions
    target = out + image * out_n + out_plane.to(tl.int64) * out_z
    target = target + rows.to(tl.int64)[:, None] * out_y
    offset = (channel.to(OFFSET) * out_c + position.to(OFFSET) * out_x)[None, :]
    tl.store(target + offset, result.to(out.dtype.element_ty), mask=is_row[:, None] & is_column[None, :])


@triton.jit
def _resample_row(
    row,
    lane,
    stride,
    first,
    count,
    weights,
    width,
    out_width,
    TAPS: tl.constexpr,
    UNROLLED: tl.constexpr,
    SUM: tl.constexpr,
    OFFSET: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """One input row, resampled along the fast axis."""
    line = tl.zeros([COLUMNS], SUM)
    if UNROLLED:
        for tap in tl.static_range(TAPS):
            line += _weighted(row, lane, stride, first, count, weights, width, out_width, tap, SUM, OFFSET)
    else:
        for tap in range(tl.max(count, 0)):
            line += _weighted(row, lane, stride, first, count, weights, width, out_width, tap, SUM, OFFSET)
    return line


@triton.jit
def _weighted(
    row,
    lane,
    stride,
    first,
    count,
    weights,
    width,
    out_width,
    tap,
    SUM: tl.constexpr,
    OFFSET: tl.constexpr,
):
    """Tap number `tap` of every column, or zero where a column has fewer."""
    position = tl.minimum(tl.maximum(first + tap, 0), width - 1)
    samples = tl.load(row + (lane + position.to(OFFSET) * stride), mask=tap < count, other=0)
    return tl.load(weights + tap * out_width) * samples.to(SUM)
