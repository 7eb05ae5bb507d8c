// What a program adds to train on the GPU with an optimizer of its own.
#include "core/cuda/rules.cuh"
#include "tests/cuda/own_rule.h"

static const minima::core::cuda::OnCuda<minima::test::RmsPropRule> rms_prop_on_cuda;
