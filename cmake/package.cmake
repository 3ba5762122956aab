# Debian packages, by `cpack -G DEB` in the build folder or the target `package`:
#   signalbox         the program, its manual page, the service and the service's configuration
#   libsignalbox-dev  headers, static libraries, the CMake package and the pkg-config files
# docs/installing.md says what they do on a machine, tests/install/test_debian_package.py tries it.
find_program(SIGNALBOX_GZIP gzip)
mark_as_advanced(SIGNALBOX_GZIP)
if(NOT SIGNALBOX_GZIP)
  message(STATUS "No gzip, so no Debian packages")
  return()
endif()

# --- what only the packages hold; absolute paths, since their prefix is always /usr -----------------------------------
set(debian ${signalbox_packaging}/debian)
foreach(source ${debian}/changelog ${signalbox_packaging}/signalbox.1)
  get_filename_component(name ${source} NAME)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
  execute_process(COMMAND ${SIGNALBOX_GZIP} -9 -n INPUT_FILE ${source} OUTPUT_FILE ${signalbox_packaged}/${name}.gz
                  COMMAND_ERROR_IS_FATAL ANY)
endforeach()

# signalbox_package_files(COMPONENT FOLDER FILE…)
function(signalbox_package_files component folder)
  install(FILES ${ARGN} DESTINATION ${folder} COMPONENT ${component} EXCLUDE_FROM_ALL)
endfunction()
signalbox_package_files(service /usr/lib/systemd/system ${signalbox_packaging}/signalbox.service)
signalbox_package_files(service /etc/signalbox ${signalbox_packaging}/signalbox.toml)
signalbox_package_files(service /usr/share/man/man1 ${signalbox_packaged}/signalbox.1.gz)
signalbox_package_files(service /usr/share/doc/signalbox ${debian}/copyright ${signalbox_packaged}/changelog.gz)
signalbox_package_files(development_notes /usr/share/doc/libsignalbox-dev ${debian}/copyright
                        ${signalbox_packaged}/changelog.gz)

# --- the packages ----------------------------------------------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME signalbox)
set(CPACK_PACKAGE_CONTACT "The authors of Signalbox <signalbox@localhost>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
                                                WORLD_EXECUTE)
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_COMPONENTS_ALL program service development development_notes)
set(CPACK_COMPONENT_PROGRAM_GROUP bus)
set(CPACK_COMPONENT_SERVICE_GROUP bus)
set(CPACK_COMPONENT_DEVELOPMENT_GROUP libraries)
set(CPACK_COMPONENT_DEVELOPMENT_NOTES_GROUP libraries)

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_BUS_PACKAGE_NAME signalbox)
set(CPACK_DEBIAN_BUS_PACKAGE_SECTION net)
set(CPACK_DEBIAN_BUS_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_BUS_PACKAGE_CONTROL_EXTRA ${debian}/conffiles ${debian}/postinst ${debian}/prerm ${debian}/postrm)
set(CPACK_DEBIAN_BUS_DESCRIPTION
    "message bus between transports and applications
Gateways (SMS, USSD, XMPP, HTTP) and applications connect over ZeroMQ and register under a name. Signalbox routes each
message, confirms it, and remembers where it came from, so that replies find their way back.")

string(REPLACE ";" ", " development_packages "${signalbox_development_packages}")
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_NAME libsignalbox-dev)
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_LIBRARIES_PACKAGE_DEPENDS "${development_packages}")
set(CPACK_DEBIAN_LIBRARIES_DESCRIPTION
    "message bus between transports and applications (libraries)
The client library for transports and applications in C++, and the bus as a library to run inside a program: headers,
static libraries, a CMake package and pkg-config files.")
include(CPack)
