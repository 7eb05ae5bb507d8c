// SPDX-License-Identifier: MIT
// What tests of programs that use minima need: numbers compared by one rule, and derivatives compared with central
// differences. minima's own tests use the same. Nothing is defined here.
#pragma once

#include "autograd/gradient_check.h"
