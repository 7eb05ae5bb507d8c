// The main of tests that several processes run together, started by mpirun. A failure on one rank is one of all.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <memory>

#include "core/mpi/world.h"
#include "tests/distributed/ranks.h"
#include "tests/reporter.h"

REGISTER_LISTENER("counter", 1, minima::test::CountingReporter);

namespace {
std::unique_ptr<minima::Communicator> world;
}

minima::Communicator& minima::test::group() { return *world; }

int main(int argc, char** argv) {
  doctest::Context context(argc, argv);
  world = minima::core::mpi_world();
  int failed = context.run();
  if (world->size() < 2 || minima::test::CountingReporter::tests_run == 0) {
    std::fputs("these tests are for two processes or more: mpirun -np 2 PROGRAM; and for a filter that matches one\n",
               stderr);
    failed = 2;
  }
  if (failed != 0) std::fprintf(stderr, "rank %d of %d has failed\n", world->rank(), world->size());
  if (failed != 0) world->leave();  // the others may be waiting elsewhere
  world.reset();
  return failed;
}
