// Where rows lie in memory.
#pragma once

// An output row, by its numbers along the slow axes and by what its batch adds to addresses, in bytes.
struct Place {
    std::int64_t batch_in = 0, batch_out = 0;
    std::int64_t slow[2] = {0, 0};
};

inline Place place_of(std::int64_t row, const Batch& batch, const Rows& in, const Rows& out, std::int64_t slower_size,
                      std::int64_t faster_size) {
    Place place;
    place.slow[1] = row % faster_size;
    row /= faster_size;
    place.slow[0] = row % slower_size;
    row /= slower_size;
    for (int axis = batch.axes - 1; axis >= 0; --axis) {
        const std::int64_t index = row % batch.sizes[axis];
        row /= batch.sizes[axis];
        place.batch_in += index * in.batch_strides[axis];
        place.batch_out += index * out.batch_strides[axis];
    }
    return place;
}

inline char* row_of(std::int64_t batch_offset, const Rows& rows, std::int64_t slower, std::int64_t faster) {
    return rows.data + batch_offset + slower * rows.slow_strides[0] + faster * rows.slow_strides[1];
}
