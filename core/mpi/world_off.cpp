// SPDX-License-Identifier: MIT
// What stands in for MPI in a build without it: a clear error.
#include "core/mpi/world.h"

namespace minima {

std::string core::mpi_description() { return "this build has no MPI"; }

std::unique_ptr<Communicator> core::mpi_world() {
  fail("distributed", "a build without MPI", "one with it",
       "Install an MPI library (Debian: libopenmpi-dev and openmpi-bin), then build again with -DMINIMA_USE_MPI=ON.");
}

}  // namespace minima
