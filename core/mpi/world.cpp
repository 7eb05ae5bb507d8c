// SPDX-License-Identifier: MIT
#include "core/mpi/world.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>

namespace minima::core {

namespace {

void check(int result, const char* call) {
  if (result == MPI_SUCCESS) return;
  char message[MPI_MAX_ERROR_STRING];
  int length = 0;
  MPI_Error_string(result, message, &length);
  fail("distributed", text(call, ": ", std::string(message, static_cast<size_t>(length))),
       "an answer of the other ranks", "Has one of them ended? Its own message says why.");
}

template <class T>
MPI_Datatype type_of();
template <>
MPI_Datatype type_of<float>() {
  return MPI_FLOAT;
}
template <>
MPI_Datatype type_of<double>() {
  return MPI_DOUBLE;
}

// rows[0] += rows[1] += ... in this order, each row being `count` elements long.
template <class T>
void add_rows(T* rows, int64_t count, int ranks) {
  for (int rank = 1; rank < ranks; ++rank) {
    const T* row = rows + rank * count;
    for (int64_t i = 0; i < count; ++i) rows[i] += row[i];
  }
}

class World : public Communicator {
 public:
  World() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "MPI_Init_thread");
    if (provided < MPI_THREAD_FUNNELED)
      fail("distributed", "an MPI library that is for programs of one thread",
           "one with MPI_THREAD_FUNNELED: the thread that joins makes all calls");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    MPI_Comm_size(MPI_COMM_WORLD, &size_);
    MPI_Comm here = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here), "MPI_Comm_split_type");
    MPI_Comm_size(here, &size_here_);
    MPI_Comm_rank(here, &rank_here_);
    MPI_Comm_free(&here);
  }

  // MPI_Finalize waits for all ranks. One that fails must not: mpirun sees it end without, and ends the others.
  ~World() override {
    if (!has_left_ && std::uncaught_exceptions() == 0) MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int size_here() const override { return size_here_; }
  int rank_here() const override { return rank_here_; }
  void barrier() override { check(MPI_Barrier(MPI_COMM_WORLD), "MPI_Barrier"); }
  void leave() override { has_left_ = true; }

  std::vector<std::string> gather(const std::string& mine) override {
    const auto ranks = static_cast<size_t>(size_);
    const int length = static_cast<int>(mine.size());
    std::vector<int> lengths(ranks), begins(ranks);
    check(MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD), "MPI_Allgather");
    for (size_t i = 1; i < ranks; ++i) begins[i] = begins[i - 1] + lengths[i - 1];
    std::string all(static_cast<size_t>(begins.back() + lengths.back()), ' ');
    check(MPI_Allgatherv(mine.data(), length, MPI_CHAR, all.data(), lengths.data(), begins.data(), MPI_CHAR,
                         MPI_COMM_WORLD),
          "MPI_Allgatherv");
    std::vector<std::string> texts;
    for (size_t i = 0; i < ranks; ++i)
      texts.push_back(all.substr(static_cast<size_t>(begins[i]), static_cast<size_t>(lengths[i])));
    return texts;
  }

 protected:
  void sum(Tensor& tensor) override {
    if (tensor.dtype() == DType::float64)
      sum_of(tensor.mutable_data<double>(), tensor.numel(), tensor);
    else
      sum_of(tensor.mutable_data<float>(), tensor.numel(), tensor);
  }

  void copy_from_root(Tensor& tensor) override {
    const int64_t bytes = tensor.numel() * static_cast<int64_t>(size_of(tensor.dtype()));
    for (int64_t begin = 0; begin < bytes; begin += most)
      check(
          MPI_Bcast(tensor.raw() + begin, static_cast<int>(std::min(most, bytes - begin)), MPI_BYTE, 0, MPI_COMM_WORLD),
          "MPI_Bcast");
  }

 private:
  static constexpr int64_t most = int64_t{1} << 30;  // MPI counts with ints

  template <class T>
  void sum_of(T* all, int64_t numel, const Tensor& like) {
    for (int64_t begin = 0; begin < numel; begin += most) sum_piece(all + begin, std::min(most, numel - begin), like);
  }

  // Not MPI_Allreduce, whose order of additions is the library's affair. A short tensor travels as a whole to
  // everybody. A long one in two rounds: rank r gets everybody's r-th part, adds them, and sends the sum to everybody.
  // So each rank sends and receives 2 (size - 1) / size of the tensor, which is the least that is possible.
  template <class T>
  void sum_piece(T* all, int64_t numel, const Tensor& like) {
    if (size_ == 1) return;
    constexpr int64_t few = 2048;
    const MPI_Datatype type = type_of<T>();
    if (numel <= few) {
      const int count = static_cast<int>(numel);
      Tensor rows = Tensor::empty({size_ * numel}, like.dtype());
      T* received = rows.template mutable_data<T>();
      check(MPI_Allgather(all, count, type, received, count, type, MPI_COMM_WORLD), "MPI_Allgather");
      add_rows(received, numel, size_);
      std::copy_n(received, numel, all);
      return;
    }
    const auto ranks = static_cast<size_t>(size_);
    const auto begin_of = [&](size_t rank) {
      return static_cast<int>(numel * static_cast<int64_t>(rank) / static_cast<int64_t>(ranks));
    };
    std::vector<int> counts(ranks), begins(ranks), to_me(ranks), rows_at(ranks);
    const auto me = static_cast<size_t>(rank_);
    for (size_t i = 0; i < ranks; ++i) {
      begins[i] = begin_of(i), counts[i] = begin_of(i + 1) - begin_of(i);
      to_me[i] = begin_of(me + 1) - begin_of(me);
      rows_at[i] = static_cast<int>(i) * to_me[i];
    }
    Tensor rows = Tensor::empty({size_ * int64_t{to_me[0]}}, like.dtype());
    T* received = rows.template mutable_data<T>();
    check(MPI_Alltoallv(all, counts.data(), begins.data(), type, received, to_me.data(), rows_at.data(), type,
                        MPI_COMM_WORLD),
          "MPI_Alltoallv");
    add_rows(received, to_me[0], size_);
    check(MPI_Allgatherv(received, to_me[0], type, all, counts.data(), begins.data(), type, MPI_COMM_WORLD),
          "MPI_Allgatherv");
  }

  int rank_ = 0, size_ = 1, rank_here_ = 0, size_here_ = 1;
  bool has_left_ = false;
};

// MPI_Init without mpirun starts a helper process for nothing.
bool started_by_mpirun() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI_SIZE"})
    if (std::getenv(name)) return true;
  return false;
}

}  // namespace

std::string mpi_description() {
  char version[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(version, &length);
  const std::string all(version, static_cast<size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));
}

std::unique_ptr<Communicator> mpi_world() {
  if (!started_by_mpirun()) return std::make_unique<GroupOfOne>();
  return std::make_unique<World>();
}

}  // namespace minima::core
