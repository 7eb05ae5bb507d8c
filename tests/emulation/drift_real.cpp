// The real headers.
#include "tests/emulation/drift_check.inc"
