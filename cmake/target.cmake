# What every target of this project shares: where includes start, warnings, and the sanitizer in force.
# All of it is private, so nothing of it reaches a project that links us.

set(signalbox_sanitizer_flags)
if(SIGNALBOX_SANITIZER STREQUAL "address")
  set(signalbox_sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(SIGNALBOX_SANITIZER STREQUAL "thread")
  set(signalbox_sanitizer_flags -fsanitize=thread -fno-omit-frame-pointer)
elseif(NOT SIGNALBOX_SANITIZER STREQUAL "none")
  message(FATAL_ERROR "SIGNALBOX_SANITIZER is none, address or thread, not '${SIGNALBOX_SANITIZER}'")
endif()
# gcc 12 takes what a sanitizer adds for uses of what is not set yet; a build without one still looks for those.
if(signalbox_sanitizer_flags)
  list(APPEND signalbox_sanitizer_flags $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()

# gcc 12 takes "text" + a string for a copy onto itself (its bug 105651); clang has no such warning.
set(signalbox_gcc_flags $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)

function(signalbox_target name)
  target_compile_options(
    ${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion ${signalbox_gcc_flags}
                    $<$<BOOL:${SIGNALBOX_WARNINGS_AS_ERRORS}>:-Werror> ${signalbox_sanitizer_flags})
  target_link_options(${name} PRIVATE ${signalbox_sanitizer_flags})
endfunction()

# A library of this project: `signalbox_library(protocol header.cpp …)` makes signalbox_protocol, also known as
# signalbox::protocol, which is its name in an installation too (cmake/install.cmake).
#
# What it is built with and its users need not have (headers alone) is linked as $<BUILD_INTERFACE:msgpackc-cxx>.
function(signalbox_library folder)
  add_library(signalbox_${folder} STATIC ${ARGN})
  add_library(signalbox::${folder} ALIAS signalbox_${folder})
  set_target_properties(signalbox_${folder} PROPERTIES EXPORT_NAME ${folder})
  target_include_directories(signalbox_${folder} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  target_compile_features(signalbox_${folder} PUBLIC cxx_std_20)
  signalbox_target(signalbox_${folder})
endfunction()

# A library from outside that whoever links signalbox_<folder> has to link too:
# `signalbox_requires(core xxhash BUILT_WITH PkgConfig::XXHASH MODULE libxxhash PACKAGE libxxhash-dev)` links the target
# BUILT_WITH here. In an installation libxxhash stands in for it, which the CMake package looks up itself; MODULE is
# its name in pkg-config and PACKAGE in Debian. The installed files name no target that only this build knows.
function(signalbox_requires folder library)
  cmake_parse_arguments(PARSE_ARGV 2 required "" "BUILT_WITH;MODULE;PACKAGE" "")
  target_link_libraries(
    signalbox_${folder}
    PRIVATE $<BUILD_INTERFACE:${required_BUILT_WITH}>
    INTERFACE $<INSTALL_INTERFACE:signalbox::${library}>)
  foreach(property LIBRARIES=${library} MODULES=${required_MODULE} PACKAGES=${required_PACKAGE})
    string(REGEX MATCH "^(.*)=(.*)$" property "${property}")
    set_property(TARGET signalbox_${folder} APPEND PROPERTY SIGNALBOX_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
  endforeach()
endfunction()
