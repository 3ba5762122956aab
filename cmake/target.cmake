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

function(signalbox_target name)
  target_compile_options(
    ${name} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion
                    $<$<BOOL:${SIGNALBOX_WARNINGS_AS_ERRORS}>:-Werror> ${signalbox_sanitizer_flags})
  target_link_options(${name} PRIVATE ${signalbox_sanitizer_flags})
endfunction()

# A library of this project: `signalbox_library(protocol header.cpp …)` makes signalbox_protocol, also known as
# signalbox::protocol.
function(signalbox_library folder)
  add_library(signalbox_${folder} STATIC ${ARGN})
  add_library(signalbox::${folder} ALIAS signalbox_${folder})
  target_include_directories(signalbox_${folder} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>)
  signalbox_target(signalbox_${folder})
endfunction()
