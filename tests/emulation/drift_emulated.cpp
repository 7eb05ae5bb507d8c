// The emulated headers.
#include "tests/emulation/drift_check.inc"
