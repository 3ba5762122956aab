# The rules of the house as tests: layers, sizes, layout, and each header compiling on its own.
#
# Once is enough, so only the build without a sanitizer has them.

foreach(rule layers sizes format)
  add_test(NAME house.${rule} COMMAND ${PROJECT_SOURCE_DIR}/scripts/check-${rule})
endforeach()

# A header included first, and twice, says whether it brings all that it needs and guards itself. Where a source of the
# same name includes it first, building that source has said so.
file(GLOB_RECURSE signalbox_headers RELATIVE ${PROJECT_SOURCE_DIR} CONFIGURE_DEPENDS
     ${PROJECT_SOURCE_DIR}/protocol/*.hpp ${PROJECT_SOURCE_DIR}/routers/*.hpp ${PROJECT_SOURCE_DIR}/broker/*.hpp
     ${PROJECT_SOURCE_DIR}/worker/*.hpp ${PROJECT_SOURCE_DIR}/tests/*.hpp)
set(signalbox_header_sources)
foreach(header IN LISTS signalbox_headers)
  string(REGEX REPLACE "hpp$" "cpp" own_source ${PROJECT_SOURCE_DIR}/${header})
  set(first_include)
  if(EXISTS ${own_source})
    file(STRINGS ${own_source} first_include LIMIT_COUNT 1 REGEX "^#include")
  endif()
  file(STRINGS ${PROJECT_SOURCE_DIR}/${header} guard LIMIT_COUNT 1 REGEX "^#pragma once")
  if(guard AND first_include STREQUAL "#include \"${header}\"")
    continue()
  endif()
  set(source ${PROJECT_BINARY_DIR}/headers/${header}.cpp)
  file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
  list(APPEND signalbox_header_sources ${source})
endforeach()
add_library(headers_alone OBJECT EXCLUDE_FROM_ALL ${signalbox_header_sources})
signalbox_target(headers_alone)
target_compile_options(headers_alone PRIVATE -O0)  # nobody runs them
target_include_directories(headers_alone PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(headers_alone PRIVATE msgpackc-cxx cppzmq GTest::gtest)
add_test(NAME house.headers_alone COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target headers_alone)
