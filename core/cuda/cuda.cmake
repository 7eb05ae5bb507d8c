# Finds CUDA: nvcc on the PATH or in its usual folders, the runtime and cuBLAS. Sets MINIMA_HAS_CUDA. Neither a driver nor
# a GPU is needed to build, nor to run what was built: without them a program says so when it is asked for the GPU.
# Then NCCL, which is of use with CUDA alone: MINIMA_HAS_NCCL.
set(MINIMA_CUDA "AUTO" CACHE STRING "Kernels for NVIDIA GPUs (AUTO, ON or OFF)")
set_property(CACHE MINIMA_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT MINIMA_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "MINIMA_CUDA is '${MINIMA_CUDA}', expected AUTO, ON or OFF")
endif()
set(MINIMA_HAS_CUDA OFF CACHE INTERNAL "")

if(NOT MINIMA_CUDA STREQUAL "OFF")
  # enable_language() looks on the PATH alone.
  find_program(MINIMA_NVCC nvcc PATHS ENV CUDA_HOME ENV CUDA_PATH /usr/local/cuda /opt/cuda PATH_SUFFIXES bin)
  if(MINIMA_NVCC)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 90)  # the last one as PTX too, for newer GPUs
    endif()
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)
    if(NOT CMAKE_CUDA_COMPILER)
      set(ENV{CUDACXX} ${MINIMA_NVCC})
    endif()
    include(CheckLanguage)
    check_language(CUDA)  # whether nvcc works with this machine's C++ compiler
    if(CMAKE_CUDA_COMPILER)
      enable_language(CUDA)
      if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake before 3.26 does not know it
        set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
        set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
      endif()
      find_package(CUDAToolkit 12.0 QUIET)
    endif()
  endif()
  if(TARGET CUDA::cudart AND TARGET CUDA::cublas)
    set(MINIMA_HAS_CUDA ON CACHE INTERNAL "")
    list(JOIN CMAKE_CUDA_ARCHITECTURES ", " architectures)
    message(STATUS "minima is built with CUDA ${CUDAToolkit_VERSION} (${MINIMA_NVCC}) for ${architectures}")
  elseif(MINIMA_CUDA STREQUAL "ON")
    message(FATAL_ERROR "MINIMA_CUDA is ON, and no CUDA 12 or newer with nvcc, the runtime and cuBLAS was found that works "
      "with this C++ compiler (nvcc: ${MINIMA_NVCC}). Install the CUDA toolkit, or set CUDA_HOME to its folder.")
  elseif(MINIMA_NVCC)
    message(WARNING "${MINIMA_NVCC} is there, but it does not work with this C++ compiler, is older than CUDA 12, or lacks "
      "cuBLAS: minima is built without kernels for NVIDIA GPUs")
  else()
    message(STATUS "minima is built without kernels for NVIDIA GPUs (MINIMA_CUDA; there is no nvcc on the PATH, in "
      "CUDA_HOME or in /usr/local/cuda)")
  endif()
endif()

# Its header is enough: the library is loaded when it is needed.
set(found_nccl OFF)
if(MINIMA_HAS_CUDA AND NOT MINIMA_USE_NCCL STREQUAL "OFF")
  find_path(MINIMA_NCCL_INCLUDE nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
  set(found_nccl ${MINIMA_NCCL_INCLUDE})
endif()
minima_decide(NCCL "${found_nccl}" "NVIDIA's libnccl-dev, and CUDA")

# minima_cuda_objects(name sources...): a library of objects that nvcc compiles. Warnings, spilled registers among them,
# are errors where MINIMA_WERROR says so.
function(minima_cuda_objects name)
  add_library(${name} OBJECT ${ARGN})
  minima_position_independent(${name})
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
  set_target_properties(${name} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON
    CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
  list(JOIN CMAKE_CUDA_ARCHITECTURES ", " architectures)
  target_compile_definitions(${name} PRIVATE MINIMA_CUDA_ARCHITECTURES="${architectures}")
  target_compile_options(${name} PRIVATE --expt-relaxed-constexpr -Xptxas=-warn-spills -Xcompiler=-Wall,-Wextra
    $<$<BOOL:${MINIMA_WERROR}>:-Werror=all-warnings>)
endfunction()
