"""The Triton kernel; `triton_kernel` decides how it is launched."""
# mypy: disable-error-code="no-untyped-def, untyped-decorator"

from __future__ import annotations

import triton
import triton.language as tl

# Triton specialises on sizes that are 1 or divisible by 16. Only what the innermost addresses depend on is worth it.
_PLAIN = [
    *("out_depth", "out_height", "out_width", "channels", "plane_blocks", "row_blocks", "column_blocks"),
    *("x_n", "x_c", "x_z", "x_y", "out_n", "out_c", "out_z", "out_y", "z_taps", "y_taps", "z_phase", "y_phase"),
]


@triton.jit(do_not_specialize=_PLAIN)
def resample_kernel(
    x,
    out,
    index,
    taps,
    out_depth,
    out_height,
    out_width,
    channels,
    plane_blocks,
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
    z_phase,
    y_phase,
    X_TAPS: tl.constexpr,
    UNROLLED: tl.constexpr,
    DEEP: tl.constexpr,
    PLANES: tl.constexpr,
    COPIES: tl.constexpr,
    CHANNELS_LAST: tl.constexpr,
    TO_UINT8: tl.constexpr,
    SUM: tl.constexpr,
    OFFSET: tl.constexpr,
    DEPTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Compute `ROWS` rows of `DEPTH` planes, `COLUMNS` samples wide.

    A column is a pair of channel and position. Every input row that one of the output rows reads is resampled along the
    fast axis once and then added to all output rows that read it. Per output sample this loads a fraction of the taps.

    Args:
        x, out: the samples; strides are `x_n` … `x_x`, in bytes, and `out_n` … `out_x`, in samples.
        index: the first input plane and the number of planes that every block of output planes reads; the same for
            every block of rows, or the input row of every row if `COPIES`; the first and the last input sample of every
            position.
        taps: the weights, of shapes (plane_blocks, z_taps, DEPTH), (row_blocks, y_taps, ROWS) and (X_TAPS, out_width).
            NaN stands for an input plane or row that an output plane or row does not read.
        out_depth, out_height, out_width, channels: sizes.
        plane_blocks, row_blocks, column_blocks: the number of tiles.
        z_taps, y_taps, X_TAPS: the largest number of samples that a block of planes or rows and a position read.
        z_phase, y_phase: the number of planes and rows that the first block lacks, at its beginning.
        UNROLLED: whether the loop over the taps of the fast axis is unrolled.
        DEEP: whether the z axis is resampled; otherwise `DEPTH` is 1.
        PLANES: `z_taps` if the loop over input planes is unrolled; otherwise 0.
        COPIES: whether every output sample is a copy of one input sample; then `DEPTH` is 1.
        CHANNELS_LAST: whether neighbouring columns are neighbouring channels, rather than positions.
        TO_UINT8: whether results are rounded half to even and saturated.
        SUM: the dtype of the sums.
        OFFSET: the dtype of offsets within a row of all channels.
    """
    program, column_block = _divide(tl.program_id(0), column_blocks)
    program, row_block = _divide(program, row_blocks)
    program, plane_block = _divide(program, plane_blocks)
    image = program.to(tl.int64)

    columns = column_block * COLUMNS + tl.arange(0, COLUMNS)
    is_column = columns < channels * out_width
    columns = tl.minimum(columns, channels * out_width - 1)
    if CHANNELS_LAST:
        position, channel = _divide(columns, channels)
    else:
        channel, position = _divide(columns, out_width)
    rows = row_block * ROWS - y_phase + tl.arange(0, ROWS)
    is_row = (rows >= 0) & (rows < out_height)

    y_index = index + 2 * plane_blocks
    z_first = tl.load(index + plane_block)
    source = x.to(tl.pointer_type(tl.int8)) + image * x_n
    samples = tl.pointer_type(x.dtype.element_ty)
    lane = channel.to(OFFSET) * x_c
    if COPIES:
        y_first = tl.load(y_index + rows, mask=is_row, other=0)
        x_first = tl.load(y_index + out_height + position)
        line = source + z_first.to(tl.int64) * x_z + y_first.to(tl.int64) * x_y
        result = tl.load((line[:, None] + (lane + x_first.to(OFFSET) * x_x)[None, :]).to(samples))
        results = (result,)
    else:
        z_weights = taps + plane_block * z_taps * DEPTH
        y_weights = taps + plane_blocks * z_taps * DEPTH
        x_weights = y_weights + row_blocks * y_taps * ROWS + position
        y_weights += row_block * y_taps * ROWS
        x_index = y_index + 2 * row_blocks + position
        column = (x_weights, out_width, lane, tl.load(x_index), tl.load(x_index + out_width), x_x)
        # What unrolled loops need stays in registers, since Triton moves no load out of a loop.
        x_taps = ()
        for tap in tl.static_range(X_TAPS if UNROLLED else 0):
            x_taps += (_weight_and_offset(column, tap, OFFSET),)
        z_count = tl.load(index + plane_blocks + plane_block)
        planes = ()
        for tap in tl.static_range(PLANES):
            offset = tl.minimum(tap, z_count - 1).to(tl.int64) * x_z
            planes += ((offset, _load_all(z_weights + tap * DEPTH, DEPTH)),)
        y_count = tl.load(y_index + row_blocks + row_block)
        row = source + z_first.to(tl.int64) * x_z + tl.load(y_index + row_block).to(tl.int64) * x_y
        results = _zeros(DEPTH, [ROWS, COLUMNS], SUM)
        for y in range(y_count):
            if DEEP:
                lines = _zeros(DEPTH, [COLUMNS], SUM)
                for plane in tl.static_range(PLANES):
                    part = _resample_row(row + planes[plane][0], samples, x_taps, column, X_TAPS, SUM, OFFSET, COLUMNS)
                    lines = _add_row(lines, planes[plane][1], part, DEPTH)
                for z in range(0 if PLANES else z_count):
                    plane_row = row + z * x_z.to(tl.int64)
                    part = _resample_row(plane_row, samples, x_taps, column, X_TAPS, SUM, OFFSET, COLUMNS)
                    lines = _add_row(lines, _load_all(z_weights + z * DEPTH, DEPTH), part, DEPTH)
            else:
                lines = (_resample_row(row, samples, x_taps, column, X_TAPS, SUM, OFFSET, COLUMNS),)
            results = _add_lines(results, tl.load(y_weights + y * ROWS + tl.arange(0, ROWS)), lines, DEPTH)
            row += x_y
    offset = (channel.to(OFFSET) * out_c + position.to(OFFSET) * out_x)[None, :]
    for plane in tl.static_range(DEPTH):
        out_plane = plane_block * DEPTH - z_phase + plane
        target = out + image * out_n + out_plane.to(tl.int64) * out_z
        target = target + rows.to(tl.int64)[:, None] * out_y + offset
        is_inside = is_row & (out_plane >= 0) & (out_plane < out_depth)
        result = _rounded(results[plane], TO_UINT8).to(out.dtype.element_ty)
        tl.store(target, result, mask=is_inside[:, None] & is_column[None, :])


@triton.jit
def _rounded(result, TO_UINT8: tl.constexpr):
    if TO_UINT8:
        result = tl.minimum(tl.maximum(result, 0.0), 255.0)
        result = (result + 12582912.0) - 12582912.0  # 1.5 · 2²³, beyond which float32 has no fractions
    return result


@triton.jit
def _zeros(COUNT: tl.constexpr, shape: tl.constexpr, dtype: tl.constexpr):
    zeros = ()
    for _ in tl.static_range(COUNT):
        zeros += (tl.zeros(shape, dtype),)
    return zeros


@triton.jit
def _load_all(pointer, COUNT: tl.constexpr):
    loaded = ()
    for number in tl.static_range(COUNT):
        loaded += (tl.load(pointer + number),)
    return loaded


@triton.jit
def _add_row(lines, weights, row, COUNT: tl.constexpr):
    added = ()
    for plane in tl.static_range(COUNT):
        added += (_add(lines[plane], weights[plane], row),)
    return added


@triton.jit
def _add_lines(results, weights, lines, COUNT: tl.constexpr):
    added = ()
    for plane in tl.static_range(COUNT):
        added += (_add(results[plane], weights[:, None], lines[plane][None, :]),)
    return added


@triton.jit
def _add(total, weight, part):
    """The total with the weighted part, unless the weight is NaN: zero times infinity would be NaN."""
    return tl.where(weight == weight, total + weight * part, total)


@triton.jit
def _divide(number, divisor):
    """Quotient and remainder of numbers that are not negative, which takes fewer instructions than if they were."""
    quotient = (number.to(tl.uint32) // divisor.to(tl.uint32)).to(tl.int32)
    return quotient, number - quotient * divisor


@triton.jit
def _weight_and_offset(column, tap, OFFSET: tl.constexpr):
    """Of a tap of the fast axis. Columns with fewer taps read their last sample again."""
    weights, out_width, lane, first, last, stride = column
    return tl.load(weights + tap * out_width), lane + tl.minimum(first + tap, last).to(OFFSET) * stride


@triton.jit
def _resample_row(
    row,
    samples: tl.constexpr,
    taps,
    column,
    TAPS: tl.constexpr,
    SUM: tl.constexpr,
    OFFSET: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """One input row, resampled along the fast axis; `taps` is empty if the loop is not unrolled."""
    line = tl.zeros([COLUMNS], SUM)
    if len(taps):
        for tap in tl.static_range(TAPS):
            line += taps[tap][0] * tl.load((row + taps[tap][1]).to(samples)).to(SUM)
    else:
        for tap in range(TAPS):
            weight, offset = _weight_and_offset(column, tap, OFFSET)
            line += weight * tl.load((row + offset).to(samples)).to(SUM)
    return line
