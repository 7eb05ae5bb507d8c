# What cpack reads where the build is not one for packages.
message(FATAL_ERROR "A package is made from a build for every processor, with a shared library and the prefix /usr:\n"
  "  cmake --preset package && cmake --build --preset package && cpack --config build-package/CPackConfig.cmake")
