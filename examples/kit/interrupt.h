// Ctrl-C, handled between two training steps: the first asks the program to save and stop, a second one kills it.
#pragma once

namespace minima::examples {

/// From now on SIGINT and SIGTERM set a flag instead of ending the process.
void catch_interrupts();

/// Whether one has arrived.
bool interrupted();

/// The exit status of a program that was interrupted and has saved its state, as shells expect it.
inline constexpr int exit_interrupted = 130;

}  // namespace minima::examples
