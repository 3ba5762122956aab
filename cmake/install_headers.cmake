# Run by `cmake --install`: installs the public headers (cmake/install.cmake lists them) and whatever these include.
#
# Followed at this moment and not while configuring, so that a header that gains an include needs neither a list to be
# kept nor the project to be configured again.
cmake_policy(VERSION 3.25)

set(pending ${signalbox_public_headers})
set(reached)
while(pending)
  list(POP_FRONT pending header)
  if(NOT header IN_LIST reached)
    list(APPEND reached ${header})
    file(STRINGS "${signalbox_source}/${header}" includes REGEX "^#include \"")
    list(TRANSFORM includes REPLACE "^#include \"([^\"]+)\".*" "\\1")
    list(APPEND pending ${includes})
  endif()
endwhile()
foreach(header IN LISTS reached)
  get_filename_component(folder "${header}" DIRECTORY)
  file(INSTALL DESTINATION "${CMAKE_INSTALL_PREFIX}/${signalbox_include_folder}/${folder}" TYPE FILE
       FILES "${signalbox_source}/${header}")
endforeach()
