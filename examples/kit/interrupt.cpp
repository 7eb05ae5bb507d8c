#include "examples/kit/interrupt.h"

#include <csignal>

namespace minima::examples {

namespace {
volatile std::sig_atomic_t arrived = 0;

void note_interrupt(int signal) {
  arrived = 1;
  std::signal(signal, SIG_DFL);  // the next one ends the process
}
}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, note_interrupt);
  std::signal(SIGTERM, note_interrupt);
}

bool interrupted() { return arrived != 0; }

}  // namespace minima::examples
