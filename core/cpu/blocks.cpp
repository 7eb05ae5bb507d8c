// SPDX-License-Identifier: MIT
// Copies between strided blocks: permute, slice, concatenate and broadcast all end here.
#include <cstring>

#include "core/cpu/cpu_backend.h"

namespace minima::core {
namespace {
/// One axis of a copy: how many, and how far apart in the source and in the target.
struct Axis {
  int64_t extent, from, to;
};

/// The axes of a copy, outermost first, without those of extent 1 and with neighbours that behave alike merged.
struct Axes {
  Axis axis[max_rank];
  int rank = 0;

  Axes(const Shape& shape, const Block& from, const Block& to) {
    for (int i = 0; i < shape.rank(); ++i) {
      const Axis next{shape[i], from.strides[i], to.strides[i]};
      if (next.extent == 1) continue;
      if (rank > 0) {
        Axis& last = axis[rank - 1];
        if (last.from == next.from * next.extent && last.to == next.to * next.extent) {
          last = {last.extent * next.extent, next.from, next.to};
          continue;
        }
      }
      axis[rank++] = next;
    }
  }

  /// Takes one axis out and makes it the innermost.
  void move_to_end(int which) {
    const Axis moved = axis[which];
    for (int i = which; i + 1 < rank; ++i) axis[i] = axis[i + 1];
    axis[rank - 1] = moved;
  }
};

template <class T>
void copy_line(const Axis& axis, const T* from, T* to) {
  if (axis.from == 1 && axis.to == 1)
    std::memcpy(to, from, static_cast<size_t>(axis.extent) * sizeof(T));
  else if (axis.from == 0 && axis.to == 1)
    std::fill(to, to + axis.extent, *from);
  else
    for (int64_t i = 0; i < axis.extent; ++i) to[i * axis.to] = from[i * axis.from];
}

/// A matrix copy in squares, so that the lines of the cache are used whole on both sides of a transposition.
template <class T>
void copy_plane(const Axis& rows, const Axis& columns, const T* from, T* to) {
  constexpr int64_t square = 16;
  for (int64_t i0 = 0; i0 < rows.extent; i0 += square)
    for (int64_t j0 = 0; j0 < columns.extent; j0 += square) {
      const int64_t i1 = std::min(i0 + square, rows.extent), j1 = std::min(j0 + square, columns.extent);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j) to[i * rows.to + j * columns.to] = from[i * rows.from + j * columns.from];
    }
}

/// Offsets of position `index` in the leading `rank` axes.
void locate(const Axes& axes, int rank, int64_t index, int64_t& from, int64_t& to) {
  from = to = 0;
  for (int i = rank - 1; i >= 0; --i) {
    const int64_t at = index % axes.axis[i].extent;
    index /= axes.axis[i].extent;
    from += at * axes.axis[i].from;
    to += at * axes.axis[i].to;
  }
}

template <class T>
void copy(Axes axes, const T* from, T* to) {
  if (axes.rank == 0) {
    *to = *from;
    return;
  }
  // A transposition: the source runs along another axis than the target.
  int along_source = axes.rank - 1;
  for (int i = 0; i < axes.rank; ++i)
    if (axes.axis[i].from == 1) along_source = i;
  const bool transposed = along_source != axes.rank - 1 && axes.axis[axes.rank - 1].from != 0;
  if (transposed) {
    axes.move_to_end(along_source);
    std::swap(axes.axis[axes.rank - 1], axes.axis[axes.rank - 2]);  // the target's innermost axis stays innermost
  }
  // Each item is a line, or a strip of a plane.
  const Axis line = axes.axis[axes.rank - 1];
  if (!transposed) {
    int64_t lines = 1;
    for (int i = 0; i < axes.rank - 1; ++i) lines *= axes.axis[i].extent;
    parallel_for(lines, cpu::grain_of(line.extent), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        int64_t source, target;
        locate(axes, axes.rank - 1, i, source, target);
        copy_line(line, from + source, to + target);
      }
    });
    return;
  }
  const Axis rows = axes.axis[axes.rank - 2];
  constexpr int64_t strip = 64;
  const int64_t strips = (rows.extent + strip - 1) / strip;
  int64_t planes = 1;
  for (int i = 0; i < axes.rank - 2; ++i) planes *= axes.axis[i].extent;
  const int64_t cost = std::min(strip, rows.extent) * line.extent;
  parallel_for(planes * strips, cpu::grain_of(cost), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      int64_t source, target;
      locate(axes, axes.rank - 2, i / strips, source, target);
      const int64_t first = i % strips * strip;
      const Axis part{std::min(strip, rows.extent - first), rows.from, rows.to};
      copy_plane(part, line, from + source + first * rows.from, to + target + first * rows.to);
    }
  });
}
}  // namespace

void CpuBackend::copy_block(const Shape& shape, const Tensor& x, const Block& from, Tensor& out, const Block& to) {
  if (shape.numel() == 0) return;
  const Axes axes(shape, from, to);
  const auto run = [&](auto word) {
    using T = decltype(word);
    copy(axes, cpu::read<T>(x) + from.offset, cpu::write<T>(out) + to.offset);
  };
  switch (size_of(x.dtype())) {
    case 1: return run(uint8_t{});
    case 4: return run(uint32_t{});
    default: return run(uint64_t{});
  }
}

}  // namespace minima::core
