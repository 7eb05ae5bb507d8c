// SPDX-License-Identifier: MIT
// The group of all processes that mpirun has started this program as. MPI is the Message Passing Interface, the
// standard by which programs on several machines talk; Open MPI and MPICH are two libraries that keep to it. Not here:
// what a group can do (core/communicator.h). A part of this tree's programs, not of the installed library.
#pragma once

#include <memory>

#include "core/communicator.h"

#pragma GCC visibility push(hidden)
namespace minima::core {

/// Joins the group; a program that was started without mpirun is a group of one. Once in a process, by the thread that
/// makes all calls of the group, which ends when this object does. Left by an exception, the object does not wait for
/// the other ranks: mpirun ends them. Errors: a build without MPI.
std::unique_ptr<Communicator> mpi_world();
/// "Open MPI v4.1.4", or why there is none.
std::string mpi_description();

}  // namespace minima::core
#pragma GCC visibility pop
