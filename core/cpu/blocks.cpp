// SPDX-License-Identifier: MIT
// Copies between strided blocks: permute, slice, concatenate and broadcast all end here.
#include <cstring>

#include "core/cpu/cpu_backend.h"
#include "core/cpu/transpose.h"

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

/// A transposition: rows run in the source's innermost axis, columns in the target's.
template <class T>
void copy_plane(const Axis& rows, const Axis& columns, const T* from, T* to) {
  if constexpr (sizeof(T) == sizeof(float))
    if (rows.from == 1 && columns.to == 1)
      return cpu::transpose(reinterpret_cast<const float*>(from), columns.from, columns.extent, rows.extent,
                            reinterpret_cast<float*>(to), rows.to);
  constexpr int64_t square = 16;  // so that the lines of the cache are used whole on both sides
  for (int64_t i0 = 0; i0 < rows.extent; i0 += square)
    for (int64_t j0 = 0; j0 < columns.extent; j0 += square) {
      const int64_t i1 = std::min(i0 + square, rows.extent), j1 = std::min(j0 + square, columns.extent);
      for (int64_t i = i0; i < i1; ++i)
        for (int64_t j = j0; j < j1; ++j) to[i * rows.to + j * columns.to] = from[i * rows.from + j * columns.from];
    }
}

/// A walk over the positions of the leading `rank` axes, from position `index` on.
struct Walk {
  const Axes& axes;
  int rank;
  int64_t at[max_rank] = {}, from = 0, to = 0;

  Walk(const Axes& all, int leading, int64_t index) : axes(all), rank(leading) {
    for (int i = rank - 1; i >= 0; --i) {
      at[i] = index % axes.axis[i].extent;
      index /= axes.axis[i].extent;
      from += at[i] * axes.axis[i].from;
      to += at[i] * axes.axis[i].to;
    }
  }
  void next() {
    for (int i = rank - 1; i >= 0; --i) {
      const Axis& axis = axes.axis[i];
      from += axis.from, to += axis.to;
      if (++at[i] < axis.extent) return;
      at[i] = 0, from -= axis.extent * axis.from, to -= axis.extent * axis.to;
    }
  }
};

/// Positions of the leading `rank` axes.
int64_t positions(const Axes& axes, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; ++i) count *= axes.axis[i].extent;
  return count;
}

/// Calls copy(source, target, first, count) for all positions of the leading `rank` axes, and for `extent` in parts of
/// `part`, each element of which costs `cost`.
template <class F>
void share(const Axes& axes, int rank, int64_t extent, int64_t part, int64_t cost, F&& copy) {
  const int64_t parts = (extent + part - 1) / part;
  parallel_for(positions(axes, rank) * parts, cpu::grain_of(std::min(part, extent) * cost),
               [&](int64_t begin, int64_t end) {
                 Walk walk(axes, rank, begin / parts);
                 int64_t first = begin % parts * part;
                 for (int64_t i = begin; i < end; ++i) {
                   copy(walk.from, walk.to, first, std::min(part, extent - first));
                   if ((first += part) >= extent) first = 0, walk.next();
                 }
               });
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
  if (!transposed) {
    const Axis line = axes.axis[axes.rank - 1];
    share(axes, axes.rank - 1, line.extent, cpu::grain, 1,
          [&](int64_t source, int64_t target, int64_t first, int64_t count) {
            copy_line({count, line.from, line.to}, from + source + first * line.from, to + target + first * line.to);
          });
    return;
  }
  axes.move_to_end(along_source);
  std::swap(axes.axis[axes.rank - 1], axes.axis[axes.rank - 2]);  // the target's innermost axis stays innermost
  const Axis rows = axes.axis[axes.rank - 2], columns = axes.axis[axes.rank - 1];
  // Rows of the target that are written together. More of them, a power of two apart, drive each other out of the
  // cache.
  constexpr int64_t strip = 16;
  share(axes, axes.rank - 2, rows.extent, strip, columns.extent,
        [&](int64_t source, int64_t target, int64_t first, int64_t count) {
          copy_plane({count, rows.from, rows.to}, columns, from + source + first * rows.from,
                     to + target + first * rows.to);
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
