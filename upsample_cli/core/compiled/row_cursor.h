// Addresses of rows in memory.
#pragma once

// Position of an output row: its indices along the slow axes, and the byte offsets of its batch.
class RowCursor {
public:
    RowCursor(const Batch& batch, const Rows& in, const Rows& out, std::int64_t slower_size, std::int64_t faster_size,
          std::int64_t row)
        : batch_(batch), in_(in), out_(out), slower_size_(slower_size), faster_size_(faster_size) {
        slow[1] = row % faster_size;
        slow[0] = row / faster_size % slower_size;
        seek_batch(row / faster_size / slower_size);
    }

    void advance() {
        if (++slow[1] < faster_size_) return;
        slow[1] = 0;
        if (++slow[0] < slower_size_) return;
        slow[0] = 0;
        seek_batch(number_ + 1);
    }

    const char* source(std::int64_t slower, std::int64_t faster) const {
        return in_.data + in_offset_ + slower * in_.slow_strides[0] + faster * in_.slow_strides[1];
    }
    char* target() const {
        return out_.data + out_offset_ + slow[0] * out_.slow_strides[0] + slow[1] * out_.slow_strides[1];
    }

    std::int64_t slow[2];

private:
    void seek_batch(std::int64_t number) {
        number_ = number;
        in_offset_ = out_offset_ = 0;
        for (int axis = batch_.axes - 1; axis >= 0; --axis) {
            const std::int64_t index = number % batch_.sizes[axis];
            number /= batch_.sizes[axis];
            in_offset_ += index * in_.batch_strides[axis];
            out_offset_ += index * out_.batch_strides[axis];
        }
    }

    const Batch& batch_;
    const Rows &in_, &out_;
    std::int64_t slower_size_, faster_size_;
    std::int64_t number_ = 0, in_offset_ = 0, out_offset_ = 0;
};
