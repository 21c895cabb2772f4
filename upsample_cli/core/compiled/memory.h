// Memory for tables and scratch: zeroed, aligned to cache lines.
#pragma once

template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::int64_t size) : memory_(std::calloc(bytes(size), 1)) {
        if (memory_ == nullptr) throw std::bad_alloc();
        const auto address = reinterpret_cast<std::uintptr_t>(memory_);
        data_ = reinterpret_cast<T*>((address + line - 1) / line * line);
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    Buffer& operator=(Buffer&& other) noexcept {
        void* const memory = memory_;
        memory_ = other.memory_;
        data_ = other.data_;
        other.memory_ = memory;
        other.data_ = nullptr;
        return *this;
    }
    ~Buffer() { std::free(memory_); }

    T* data() const { return data_; }
    T& operator[](std::int64_t index) const { return data_[index]; }

private:
    static constexpr std::size_t line = 64;

    static std::size_t bytes(std::int64_t size) {
        if (size < 0 || static_cast<std::uint64_t>(size) > SIZE_MAX / sizeof(T) - line) throw std::bad_alloc();
        return static_cast<std::size_t>(size) * sizeof(T) + line;
    }

    void* memory_ = nullptr;
    T* data_ = nullptr;
};
