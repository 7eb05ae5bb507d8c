# The Debian packages, made by `cpack`: the shared library, and what is needed to build with it. The preset `package` sets
# what they need (docs/install.md).
if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  return()
endif()
set(runtime_package libminima${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
set(dev_package libminima-dev)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "The minima authors <minima@example.org>")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/packages)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL runtime runtime_papers dev dev_papers)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${runtime_package})
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_RUNTIME_DESCRIPTION "minimal deep learning framework that looks for flat minima
 A tensor, automatic differentiation, layers, data sets, and the optimizers SGD,
 Nesterov, Adam, SAM and MSAM.")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_RUNTIME_PACKAGE_GENERATE_SHLIBS ON)
set(CPACK_DEBIAN_DEV_PACKAGE_NAME ${dev_package})
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_DESCRIPTION "minimal deep learning framework, files for development
 The headers, and what CMake and pkg-config need to find the library.")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "${runtime_package} (= ${PROJECT_VERSION})")
set(CPACK_PROJECT_CONFIG_FILE ${made}/debian/check.cmake)
configure_file(cmake/debian_check.cmake.in ${made}/debian/check.cmake @ONLY)

# What Debian's policy wants in each package.
foreach(component runtime dev)
  set(folder ${made}/debian/${component})
  file(MAKE_DIRECTORY ${folder})
  configure_file(LICENSE ${folder}/copyright COPYONLY)
  file(ARCHIVE_CREATE OUTPUT ${folder}/changelog.gz PATHS ${PROJECT_SOURCE_DIR}/CHANGELOG.md FORMAT raw COMPRESSION GZip
    COMPRESSION_LEVEL 9)
  install(FILES ${folder}/copyright ${folder}/changelog.gz DESTINATION share/doc/${${component}_package}
    COMPONENT ${component}_papers EXCLUDE_FROM_ALL)
endforeach()

include(CPack)
cpack_add_component_group(runtime)
cpack_add_component_group(dev)
foreach(component runtime dev)
  cpack_add_component(${component} GROUP ${component})
  cpack_add_component(${component}_papers GROUP ${component})
endforeach()
